// A key, a session and a clock around the service layer: bytes in, decoded answers out.
#pragma once

#include <zlib.h>

#include <string>
#include <vector>

#include "mtproto/tl.h"
#include "shard/constructors.h"
#include "shard/service.h"

namespace ringway::shard {

inline constexpr int64_t kStartSeconds = 1'700'000'000;

struct Answer {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  uint32_t constructor = 0;
  Bytes body;  // after the constructor

  [[nodiscard]] ByteReader reader() const { return ByteReader(body); }
};

// Splits a payload (salt, session_id, message) into its messages; containers are opened.
inline std::vector<Answer> read_payload(ByteView payload, int64_t* salt, int64_t* session_id) {
  std::vector<Answer> answers;
  ByteReader in(payload);
  *salt = *in.i64();
  *session_id = *in.i64();
  const auto read_one = [](ByteReader& from) {
    Answer answer;
    answer.msg_id = *from.i64();
    answer.seq_no = *from.i32();
    const uint32_t length = *from.u32();
    ByteReader body(*from.bytes(length));
    answer.constructor = *body.u32();
    answer.body.assign(body.rest().begin(), body.rest().end());
    return answer;
  };
  Answer outer = read_one(in);
  RW_ASSERT(in.empty());
  if (outer.constructor != mtproto::constructor::kMsgContainer) return {outer};
  ByteReader container(outer.body);
  const uint32_t count = *container.u32();
  for (uint32_t i = 0; i < count; ++i) answers.push_back(read_one(container));
  RW_ASSERT(container.empty());
  for (const Answer& answer : answers) RW_ASSERT(answer.msg_id < outer.msg_id);
  return answers;
}

// Words and strings of a TL object.
class Tl {
 public:
  explicit Tl(uint32_t constructor) { out_.u32(constructor); }
  Tl& i32(int32_t value) { return out_.i32(value), *this; }
  Tl& u32(uint32_t value) { return out_.u32(value), *this; }
  Tl& i64(int64_t value) { return out_.i64(value), *this; }
  Tl& text(std::string_view value) {
    return mtproto::write_tl_string(out_, as_bytes(value)), *this;
  }
  Tl& bytes(ByteView value) { return mtproto::write_tl_string(out_, value), *this; }
  Tl& raw(ByteView value) { return out_.bytes(value), *this; }
  Tl& ids(const std::vector<int64_t>& values) {
    out_.u32(mtproto::constructor::kVector);
    out_.u32(static_cast<uint32_t>(values.size()));
    for (const int64_t value : values) out_.i64(value);
    return *this;
  }
  operator Bytes() const { return bytes_; }     // NOLINT(google-explicit-constructor)
  operator ByteView() const { return bytes_; }  // NOLINT(google-explicit-constructor)

 private:
  Bytes bytes_;
  ByteAppender out_{bytes_};
};

inline Bytes ping(int64_t ping_id) { return Tl(mtproto::constructor::kPing).i64(ping_id); }
inline Bytes get_config() { return Tl(constructor::kHelpGetConfig); }
inline Bytes with_layer(int32_t layer, ByteView query) {
  return Tl(constructor::kInvokeWithLayer)
      .i32(layer)
      .raw(Tl(constructor::kInitConnection)
               .u32(0)
               .i32(4)
               .text("device")
               .text("system")
               .text("app 1.0")
               .text("en")
               .text("")
               .text("en")
               .raw(query));
}

inline Bytes gzip(ByteView plain) {
  z_stream stream{};
  RW_ASSERT(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  RW_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
inline Bytes gzip_packed(ByteView plain) {
  return Tl(mtproto::constructor::kGzipPacked).bytes(gzip(plain));
}

// A message of a container, or alone.
struct Outgoing {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  Bytes body;
};

inline Bytes write_message(const Outgoing& message) {
  Bytes bytes;
  ByteAppender out(bytes);
  out.i64(message.msg_id);
  out.i32(message.seq_no);
  out.u32(static_cast<uint32_t>(message.body.size()));
  out.bytes(message.body);
  return bytes;
}

inline Bytes container(const std::vector<Outgoing>& messages) {
  Tl tl(mtproto::constructor::kMsgContainer);
  tl.u32(static_cast<uint32_t>(messages.size()));
  for (const Outgoing& message : messages) tl.raw(write_message(message));
  return tl;
}

class ServiceBench {
 public:
  explicit ServiceBench(ServiceOptions options = {})
      : service_(std::move(options)),
        key_(77, Bytes(256, 7), Salt{}),
        session_(add_session(1001)) {}

  Now now{0, kStartSeconds* kNsPerSecond};
  bool first_on_gateway = false;

  // The next client msg_id, and one that was sent `ago` seconds before now.
  int64_t new_id() { return (now.unix_seconds() << 32) + 4 * ++ids_; }
  int64_t old_id(int64_t ago) { return ((now.unix_seconds() - ago) << 32) + 4 * ++ids_; }
  // seq_no of a content-related message, and of any other.
  int32_t content() { return 2 * contents_++ + 1; }
  [[nodiscard]] int32_t other() const { return 2 * contents_; }
  int64_t salt() { return key_.salts.current(now.unix_seconds()); }

  std::vector<Answer> send(int64_t msg_id, int32_t seq_no, ByteView body) {
    return send(msg_id, seq_no, body, salt());
  }
  std::vector<Answer> send(int64_t msg_id, int32_t seq_no, ByteView body, int64_t salt) {
    return send_payload(write_message({msg_id, seq_no, Bytes(body.begin(), body.end())}), salt);
  }
  // A query with right numbers.
  std::vector<Answer> query(ByteView body) { return send(new_id(), content(), body); }
  // A service message with right numbers.
  std::vector<Answer> tell(ByteView body) { return send(new_id(), other(), body); }

  std::vector<Answer> send_payload(ByteView payload, int64_t salt) {
    const auto served =
        service_.serve(key_, session_, {salt, first_on_gateway, payload}, now, outbox_);
    ok_ = served.ok();
    if (!served.ok()) return {};
    last_ = *served;
    std::vector<Answer> answers;
    for (size_t i = 0; i < outbox_.payload_count(); ++i) {
      int64_t session_id = 0;
      for (Answer& answer : read_payload(outbox_.payload(i), &sent_salt_, &session_id)) {
        answers.push_back(std::move(answer));
      }
      RW_ASSERT(session_id == session_.session_id);
    }
    return answers;
  }

  // Starts the session, so that new_session_created does not stand before every answer.
  void settle() { tell(ping(0)); }

  Session& add_session(int64_t id) {
    auto& place = key_.sessions[id];
    place = std::make_unique<Session>(id);
    return *place;
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] const Served& last() const { return last_; }
  [[nodiscard]] int64_t sent_salt() const { return sent_salt_; }
  KeyState& key() { return key_; }
  Session& session() { return session_; }

 private:
  Service service_;
  KeyState key_;
  Session& session_;
  Outbox outbox_;
  Served last_;
  bool ok_ = false;
  int64_t sent_salt_ = 0;
  int64_t ids_ = 0;
  int32_t contents_ = 0;
};

}  // namespace ringway::shard
