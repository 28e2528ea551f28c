// Fuzzing of a client's session: what a server may send it, and what happens then.
//
// The input is a row of records: choice, length in words, body. Bits 0 to 2 of the choice say how
// the body arrives: as a message, packed, in a container of one, in a packed container, as an
// rpc_result to a message of ours, with a msg_id of ours behind its constructor; or not at all, but
// the connection breaks, or a request is dropped. Bit 3: the seq_no is odd. Bit 4: a minute passes.
// Whatever comes, tables stay bounded and numbers keep their rules.

#include <algorithm>

#include "client/objects.h"
#include "client/session.h"
#include "fuzz_support.h"
#include "mtproto/deflate.h"
#include "mtproto/tl.h"

namespace {

using namespace ringway;
using namespace ringway::client;
using fuzz::require;
namespace ctor = mtproto::constructor;

constexpr int64_t kRecordsMax = 200;

class Server {
 public:
  Server() : session_(key(), options()) {}

  void record(uint8_t choice, ByteView body) {
    const int64_t step_ns = ((choice & 16) != 0 ? 60 : 0) * kNsPerSecond + kNsPerMs;
    now_.mono_ns += step_ns;
    now_.unix_ns += step_ns;
    speak();
    switch (choice & 7) {
      case 0:
        return deliver(Bytes(body.begin(), body.end()), choice);
      case 1:
        return deliver(packed(body), choice);
      case 2:
        return deliver(container(body), choice);
      case 3:
        return deliver(packed(container(body)), choice);
      case 4:
        return deliver(result(body), choice);
      case 5:
        return deliver(about_us(body), choice);
      case 6:
        return session_.on_reconnected();
      default:
        static_cast<void>(session_.drop(last_request_, now_));
    }
  }

 private:
  static SessionKey key() {
    SessionKey key;
    for (size_t i = 0; i < key.key.size(); ++i) key.key.data()[i] = static_cast<uint8_t>(i);
    key.auth_key_id = mtproto::auth_key_id(key.key);
    return key;
  }
  static SessionOptions options() {
    SessionOptions options = SessionOptions::lasting();
    options.session_id = 1;
    return options;
  }

  // What the client has to say: two requests, one after the other, and whatever it owes.
  void speak() {
    constexpr uint8_t kRequest[] = {1, 2, 3, 4};
    for (int i = 0; i < 2 && session_.pending() < 100; ++i) {
      const auto request = session_.send(kRequest, {.after_request = last_request_}, now_);
      require(request.ok());
      last_request_ = *request;
    }
    session_.prepare(now_);
    for (const OutgoingFrame& frame : session_.outgoing()) check(frame);
    session_.clear_outgoing();
  }
  void check(const OutgoingFrame& frame) {
    ByteReader reader(ByteView(frame.bytes).subspan(kMessageHeaderBytes + 8));
    const int64_t session_id = *reader.i64();
    const int64_t msg_id = *reader.i64();
    require(msg_id % 4 == 0);
    require(session_id != last_session_id_ || msg_id > last_msg_id_);
    last_session_id_ = session_id;
    last_msg_id_ = msg_id;
    const int32_t seq_no = *reader.i32();
    const ByteView body = *reader.bytes(*reader.u32());
    std::vector<InboundPart> parts;
    require(split_message({msg_id, seq_no, body}, parts).ok());
    require(parts.size() <= kSessionContainerMessagesMax);
    for (const InboundPart& part : parts) {
      require(part.msg_id <= msg_id);
      known_.push_back(part.msg_id);
    }
  }

  void deliver(const Bytes& body, uint8_t choice) {
    if (body.empty()) return;
    const size_t plaintext_bytes = kMessagePrefixBytes + body.size();
    Bytes frame(mtproto::sealed_bytes(plaintext_bytes));
    // As it is after opening: what the cipher refuses is another harness's.
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes, plaintext_bytes));
    const int64_t msg_id = next_msg_id();
    out.i64(0);
    out.i64(last_session_id_);
    out.i64(msg_id);
    out.i32((choice & 8) != 0 ? 1 : 0);
    out.u32(static_cast<uint32_t>(body.size()));
    out.bytes(body);
    mtproto::OpenJob job = session_.open_job(frame);
    job.header = {0, last_session_id_, msg_id, (choice & 8) != 0 ? 1 : 0,
                  static_cast<uint32_t>(body.size())};
    job.payload = ByteSpan(frame).subspan(kMessageHeaderBytes + 16, 16 + body.size());
    std::vector<SessionEvent> events;
    static_cast<void>(session_.on_opened(job, now_, events).ok());
    session_.expire(now_, events);
    size_t bytes = 0;
    for (const SessionEvent& event : events) {
      for (const uint8_t byte : event.body) bytes += byte;  // all of it is there to be read
    }
    require(bytes <= SIZE_MAX / 2);
    require(session_.pending() < 4096);
  }

  int64_t next_msg_id() { return (now_.unix_ns / kNsPerSecond << 32) + 4 * ++messages_ + 1; }
  static Bytes packed(ByteView body) {
    Bytes object;
    ByteAppender out(object);
    out.u32(ctor::kGzipPacked);
    const auto gzip = mtproto::deflate_gzip(body, body.size() + 64);
    mtproto::write_tl_string(out, gzip ? ByteView(*gzip) : body);
    return object;
  }
  Bytes container(ByteView body) {
    Bytes object;
    ByteAppender out(object);
    out.u32(ctor::kMsgContainer);
    out.u32(1);
    out.i64(next_msg_id());
    out.i32(1);
    out.u32(static_cast<uint32_t>(body.size()));
    out.bytes(body);
    return object;
  }
  Bytes result(ByteView body) {
    Bytes object;
    ByteAppender out(object);
    out.u32(ctor::kRpcResult);
    out.i64(ours());
    out.bytes(body);
    return object;
  }
  Bytes about_us(ByteView body) {
    Bytes object;
    ByteAppender out(object);
    out.bytes(body.first(std::min<size_t>(body.size(), 4)));
    out.i64(ours());
    out.bytes(body.subspan(std::min<size_t>(body.size(), 4)));
    return object;
  }
  // One of the last few msg_ids that we have sent.
  int64_t ours() {
    if (known_.empty()) return 4;
    return known_[known_.size() - 1 -
                  static_cast<size_t>(messages_) % std::min<size_t>(known_.size(), 8)];
  }

  Session session_;
  Now now_{5 * kNsPerSecond, 1'700'000'000 * kNsPerSecond};
  int64_t messages_ = 0;
  RequestId last_request_ = 0;
  int64_t last_session_id_ = 1;
  int64_t last_msg_id_ = 0;
  std::vector<int64_t> known_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader(ByteView(data, size));
  Server server;
  for (int64_t i = 0; i < kRecordsMax && reader.remaining() >= 2; ++i) {
    const uint8_t choice = *reader.u8();
    const size_t wanted = size_t{*reader.u8()} * 4;
    const size_t bytes = std::min(wanted, reader.remaining() / 4 * 4);
    server.record(choice, *reader.bytes(bytes));
  }
  return 0;
}
