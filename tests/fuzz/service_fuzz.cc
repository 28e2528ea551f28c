// Fuzzing of the shard's service layer: one session, many messages, whatever they say.
//
// The input is a row of records: a choosing byte, a length byte (in words), the body. The choosing
// byte: bit 0 odd seq_no; bit 1 the body is the whole payload, with its own msg_id and length; bit
// 2 the body is packed first; bit 3 it goes in a container, behind a query; bit 4 the msg_id of the
// message before; bit 5 the clock moves on; bit 6 the session is new to its gateway; bit 7 a push
// had failed. What comes out must be well-formed and what is remembered must stay within its
// limits.
#include <zlib.h>

#include <cstring>

#include "base/limits.h"
#include "fuzz_support.h"
#include "mtproto/tl.h"
#include "shard/constructors.h"
#include "shard/service.h"

namespace {

using namespace ringway;
using namespace ringway::shard;
using ringway::fuzz::require;

constexpr int64_t kStartSeconds = 1'700'000'000;
constexpr size_t kInputBytesMax = 16 * 1024;

Bytes pack(ByteView plain) {
  z_stream stream{};
  require(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes packed(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kGzipPacked);
  mtproto::write_tl_string(out, packed);
  return object;
}

void write_message(ByteAppender& out, int64_t msg_id, int32_t seq_no, ByteView body) {
  out.i64(msg_id);
  out.i32(seq_no);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
}

// Messages that fill `bytes` exactly, with ids of the server's kind; returns how many.
uint32_t check_messages(ByteView bytes, uint32_t count_max) {
  ByteReader in(bytes);
  uint32_t count = 0;
  while (!in.empty()) {
    const auto msg_id = in.i64();
    require(msg_id.ok() && (*msg_id & 1) == 1);
    require(in.i32().ok());
    const auto length = in.u32();
    require(length.ok() && *length % 4 == 0 && *length >= 4);
    const auto body = in.bytes(*length);
    require(body.ok());
    require(++count <= count_max);
    if (load_le<uint32_t>(body->data()) == mtproto::constructor::kMsgContainer) {
      require(count_max == 1);  // a container stands alone
      const uint32_t inner = load_le<uint32_t>(body->data() + 4);
      require(inner >= 2 && check_messages(body->subspan(8), kShardContainerMessagesMax) == inner);
    }
  }
  return count;
}

class Peer {
 public:
  Peer() : service_(make_options()), key_(1, Bytes(256, 9), {}), session_(55) {}

  void send(uint8_t choice, ByteView body) {
    if ((choice & 32) != 0) now_.unix_ns += 7 * kNsPerSecond;
    if ((choice & 16) == 0 || last_id_ == 0) last_id_ = next_id();
    session_.undelivered = session_.undelivered || (choice & 128) != 0;
    Bytes payload;
    ByteAppender out(payload);
    if ((choice & 2) != 0) {
      out.bytes(body);
    } else {
      write_whole(out, choice, body);
    }
    const int64_t salt = key_.salts.current(now_.unix_seconds());
    const auto served =
        service_.serve(key_, session_, {salt, (choice & 64) != 0, payload}, now_, outbox_);
    if (served.ok()) check();
  }

 private:
  static ServiceOptions make_options() {
    ServiceOptions options;
    options.push_echo = true;
    return options;
  }
  int64_t next_id() { return (now_.unix_seconds() << 32) + 4 * ++ids_; }

  void write_whole(ByteAppender& out, uint8_t choice, ByteView body) {
    const Bytes object = (choice & 4) != 0 ? pack(body) : Bytes(body.begin(), body.end());
    const int32_t seq_no = 2 * ++contents_ + (choice & 1);
    if ((choice & 8) == 0) return write_message(out, last_id_, seq_no, object);
    Bytes container;
    ByteAppender inner(container);
    inner.u32(mtproto::constructor::kMsgContainer);
    inner.u32(2);
    uint8_t query[4];
    store_le(query, shard::constructor::kHelpGetConfig);
    write_message(inner, next_id(), 2 * ++contents_ + 1, query);
    write_message(inner, next_id(), seq_no, object);
    last_id_ = next_id();
    write_message(out, last_id_, 2 * contents_, container);
  }

  void check() const {
    for (size_t i = 0; i < outbox_.payload_count(); ++i) {
      require(outbox_.payload(i).size() > 16);
      require(load_le<int64_t>(outbox_.payload(i).data() + 8) == session_.session_id);
      require(check_messages(outbox_.payload(i).subspan(16), 1) == 1);
    }
    require(session_.unacked.size() <= kShardUnackedMax);
    require(session_.unacked_bytes <= kShardUnackedBytesMax);
    size_t bytes = 0;
    for (const UnackedMessage& kept : session_.unacked) bytes += kept.body.size();
    require(bytes == session_.unacked_bytes);
  }

  Service service_;
  KeyState key_;
  Session session_;
  Outbox outbox_;
  Now now_{0, kStartSeconds* kNsPerSecond};
  int64_t last_id_ = 0;
  int64_t ids_ = 0;
  int32_t contents_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kInputBytesMax) return 0;
  Peer peer;
  ByteReader in(ByteView(data, size));
  while (in.remaining() >= 2) {
    const uint8_t choice = *in.u8();
    const size_t length = size_t{*in.u8()} * 4;
    peer.send(choice, *in.bytes(std::min(length, in.remaining())));
  }
  return 0;
}
