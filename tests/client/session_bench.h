// For tests of client/session: a session's key, a clock, and a server of a few lines that opens
// what the session sends and seals answers.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "client/objects.h"
#include "client/session.h"
#include "crypto/random.h"
#include "mtproto/tl.h"

namespace ringway::client {

using Kind = SessionEvent::Kind;
namespace ctor = mtproto::constructor;

struct ClientMessage {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  int64_t salt = 0;
  int64_t session_id = 0;
  uint32_t quick_ack_token = 0;
  Bytes body;
};

class SessionBench : public ::testing::Test {
 protected:
  SessionBench() {
    crypto::random_bytes(key_.key.span());
    key_.auth_key_id = mtproto::auth_key_id(key_.key);
    key_.salt = 1111;
    now_.mono_ns = 5 * kNsPerSecond;
    now_.unix_ns = 1'700'000'000 * kNsPerSecond + 250 * kNsPerMs;
  }

  Session make(SessionOptions options = {}) { return Session(key_, options); }

  // Opens every frame that waits, as the server would.
  std::vector<ClientMessage> take(Session& session) {
    std::vector<ClientMessage> messages;
    for (const OutgoingFrame& frame : session.seal(now_)) {
      Bytes copy = frame.bytes;
      mtproto::OpenJob job;
      job.key = &key_.key;
      job.frame = copy;
      job.sender = mtproto::Sender::kClient;
      mtproto::open_many({&job, 1});
      EXPECT_EQ(job.error, Error::kNone);
      ClientMessage message;
      message.msg_id = job.header.msg_id;
      message.seq_no = job.header.seq_no;
      message.salt = job.header.salt;
      message.session_id = job.header.session_id;
      message.quick_ack_token = job.quick_ack_token;
      message.body.assign(job.payload.begin() + 16, job.payload.end());
      messages.push_back(std::move(message));
    }
    session.clear_outgoing();
    return messages;
  }

  Bytes seal_from_server(int64_t session_id, int64_t msg_id, int32_t seq_no, ByteView body) {
    const size_t plaintext_bytes = kMessagePrefixBytes + body.size();
    Bytes frame(mtproto::sealed_bytes(plaintext_bytes));
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes, plaintext_bytes));
    out.i64(key_.salt);
    out.i64(session_id);
    out.i64(msg_id);
    out.i32(seq_no);
    out.u32(static_cast<uint32_t>(body.size()));
    out.bytes(body);
    mtproto::SealJob job;
    job.key = &key_.key;
    job.auth_key_id = key_.auth_key_id;
    job.out = frame;
    job.plaintext_bytes = plaintext_bytes;
    job.sender = mtproto::Sender::kServer;
    mtproto::seal_many({&job, 1});
    return frame;
  }

  int64_t server_msg_id() { return (now_.unix_ns / kNsPerSecond << 32) + 4 * ++server_count_ + 1; }

  Result<void> answer(Session& session, ByteView body, std::vector<SessionEvent>& events,
                      int32_t seq_no = 0) {
    frame_ = seal_from_server(session.session_id(), server_msg_id(), seq_no, body);
    return session.receive(frame_, now_, events);
  }

  // As answer(), which must succeed.
  std::vector<SessionEvent> answered(Session& session, ByteView body, int32_t seq_no = 0) {
    std::vector<SessionEvent> events;
    EXPECT_TRUE(answer(session, body, events, seq_no).ok());
    return events;
  }

  static Bytes object(std::initializer_list<int64_t> longs, uint32_t id) {
    Bytes bytes;
    ByteAppender out(bytes);
    out.u32(id);
    for (const int64_t value : longs) out.i64(value);
    return bytes;
  }
  static Bytes rpc_result(int64_t msg_id, ByteView result) {
    Bytes bytes = object({msg_id}, ctor::kRpcResult);
    bytes.insert(bytes.end(), result.begin(), result.end());
    return bytes;
  }
  static Bytes bad_salt(int64_t msg_id, int64_t salt) {
    Bytes bytes;
    ByteAppender out(bytes);
    out.u32(ctor::kBadServerSalt);
    out.i64(msg_id);
    out.i32(1);
    out.i32(48);
    out.i64(salt);
    return bytes;
  }
  static Bytes bad_msg(int64_t msg_id, int32_t code) {
    Bytes bytes;
    ByteAppender out(bytes);
    out.u32(ctor::kBadMsgNotification);
    out.i64(msg_id);
    out.i32(1);
    out.i32(code);
    return bytes;
  }

  void pass(int64_t ns) {
    now_.mono_ns += ns;
    now_.unix_ns += ns;
  }

  // What is in a message, taken out of its container if it is one.
  // They borrow from the message.
  static std::vector<InboundPart> parts_of(ClientMessage&&) = delete;
  static std::vector<InboundPart> parts_of(const ClientMessage& message) {
    std::vector<InboundPart> parts;
    EXPECT_TRUE(split_message({message.msg_id, message.seq_no, message.body}, parts).ok());
    return parts;
  }

  SessionKey key_;
  Now now_;
  int64_t server_count_ = 0;
  Bytes frame_;
};

inline const Bytes kRequest = {1, 2, 3, 4, 5, 6, 7, 8};

}  // namespace ringway::client
