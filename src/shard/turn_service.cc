// The protocol's own messages; see turn.h.
#include <algorithm>

#include "mtproto/tl.h"
#include "shard/constructors.h"
#include "shard/turn.h"

namespace ringway::shard {
namespace {

// The bytes of msgs_state_info.
constexpr uint8_t kStateForgotten = 1;
constexpr uint8_t kStateNotReceived = 2;
constexpr uint8_t kStateNotReceivedTooHigh = 3;
constexpr uint8_t kStateReceived = 4;

}  // namespace

Result<std::vector<int64_t>> read_msg_ids(ByteReader& reader) {
  RW_TRY_ASSIGN(const uint32_t number, reader.u32());
  if (number != mtproto::constructor::kVector) return Error::kMalformed;
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > kShardVectorMax) return Error::kTooLarge;
  if (count > reader.remaining() / 8) return Error::kTruncated;
  std::vector<int64_t> msg_ids(count);
  for (int64_t& msg_id : msg_ids) {
    RW_TRY_ASSIGN(msg_id, reader.i64());
  }
  return msg_ids;
}

// True when the message got an answer or needs none, kNotFound when it is not a service message.
Result<bool> Turn::serve_service(const InnerMessage& message, uint32_t number,
                                 ByteReader arguments) {
  switch (number) {
    case mtproto::constructor::kMsgsAck: {
      RW_TRY(on_msgs_ack(arguments));
      return true;
    }
    case mtproto::constructor::kPing:
    case mtproto::constructor::kPingDelayDisconnect: {
      RW_TRY(on_ping(message, arguments));
      return true;
    }
    case constructor::kHttpWait: {
      RW_TRY(on_http_wait(arguments));
      return false;
    }
    case constructor::kMsgsStateReq: {
      RW_TRY(on_state_req(message, arguments));
      return true;
    }
    case constructor::kMsgResendReq:
    case constructor::kMsgResendAnsReq: {
      RW_TRY(on_resend_req(message, arguments, number == constructor::kMsgResendAnsReq));
      return true;
    }
    case constructor::kGetFutureSalts: {
      RW_TRY(on_get_future_salts(message, arguments));
      return true;
    }
    case constructor::kDestroySession: {
      RW_TRY(on_destroy_session(message, arguments));
      return true;
    }
    case constructor::kRpcDropAnswer: {
      RW_TRY(on_drop_answer(message, arguments));
      return true;
    }
    case constructor::kDestroyAuthKey:
      on_destroy_auth_key(message);
      return true;
    case constructor::kMsgsStateInfo:
    case constructor::kMsgsAllInfo:
    case constructor::kMsgDetailedInfo:
    case constructor::kMsgNewDetailedInfo:
      return false;  // nothing was asked, so nothing is waited for
    case constructor::kPushEcho:
      if (!options_.push_echo) return Error::kNotFound;
      echo(message);
      return true;
    case constructor::kLoadCounted:
    case constructor::kLoadGetTally: {
      if (!options_.load_tally) return Error::kNotFound;
      RW_TRY_ASSIGN(const int64_t argument, arguments.i64());
      if (number == constructor::kLoadGetTally) {
        answer_tally(message, argument);
      } else {
        session_.load_tally.add(static_cast<uint64_t>(argument));
      }
      return true;
    }
    default:
      return Error::kNotFound;
  }
}

Result<void> Turn::on_msgs_ack(ByteReader arguments) {
  RW_TRY_ASSIGN(const auto msg_ids, read_msg_ids(arguments));
  if (session_.unacked.empty()) return {};
  for (const int64_t msg_id : msg_ids) drop_unacked(session_, msg_id);
  return {};
}

Result<void> Turn::on_ping(const InnerMessage& message, ByteReader arguments) {
  RW_TRY_ASSIGN(const int64_t ping_id, arguments.i64());
  ByteAppender& out = outbox_.open(Reply::kPlain, message.msg_id);
  out.u32(mtproto::constructor::kPong);
  out.i64(message.msg_id);
  out.i64(ping_id);
  outbox_.close();
  return {};
}

Result<void> Turn::on_http_wait(ByteReader arguments) {
  RW_TRY_ASSIGN(const int32_t delay_max, arguments.i32());
  RW_TRY_ASSIGN(const int32_t after, arguments.i32());
  RW_TRY_ASSIGN(const int32_t wait_max, arguments.i32());
  const auto bounded = [](int64_t ms) { return std::clamp<int64_t>(ms, 0, kShardHttpWaitMaxMs); };
  http_wait_ = {bounded(delay_max), bounded(after), bounded(wait_max)};
  return {};
}

Result<void> Turn::on_state_req(const InnerMessage& message, ByteReader arguments) {
  RW_TRY_ASSIGN(const auto msg_ids, read_msg_ids(arguments));
  write_state_info(message.msg_id, msg_ids);
  return {};
}

void Turn::write_state_info(int64_t answered_msg_id, const std::vector<int64_t>& msg_ids) {
  Bytes info;
  info.reserve(msg_ids.size());
  for (const int64_t msg_id : msg_ids) {
    if (msg_id > session_.recent_ids.highest()) {
      info.push_back(kStateNotReceivedTooHigh);
      continue;
    }
    switch (session_.recent_ids.look(msg_id)) {
      case RecentIds::Seen::kNew:
        info.push_back(kStateNotReceived);
        break;
      case RecentIds::Seen::kForgotten:
        info.push_back(kStateForgotten);
        break;
      case RecentIds::Seen::kMessage:
      case RecentIds::Seen::kContainer:
        info.push_back(kStateReceived);
        break;
    }
  }
  ByteAppender& out = outbox_.open(Reply::kPlain, answered_msg_id);
  out.u32(constructor::kMsgsStateInfo);
  out.i64(answered_msg_id);
  mtproto::write_tl_string(out, info);
  outbox_.close();
}

// `by_question`: the ids are those of the client's messages whose answers it wants again.
Result<void> Turn::on_resend_req(const InnerMessage& message, ByteReader arguments,
                                 bool by_question) {
  RW_TRY_ASSIGN(const auto msg_ids, read_msg_ids(arguments));
  bool all_found = true;
  for (const int64_t msg_id : msg_ids) {
    const auto found = std::find_if(
        session_.unacked.begin(), session_.unacked.end(), [&](const UnackedMessage& kept) {
          return (by_question ? kept.answered_msg_id : kept.msg_id) == msg_id;
        });
    if (found != session_.unacked.end()) {
      outbox_.add_again(*found);
    } else {
      all_found = false;
    }
  }
  if (!all_found) write_state_info(message.msg_id, msg_ids);
  return {};
}

Result<void> Turn::on_get_future_salts(const InnerMessage& message, ByteReader arguments) {
  RW_TRY_ASSIGN(const int32_t wanted, arguments.i32());
  const auto count = static_cast<size_t>(
      std::clamp<int64_t>(wanted, 1, static_cast<int64_t>(kShardFutureSaltsMax)));
  const auto salts = key_.salts.future(now_.unix_seconds(), count);
  ByteAppender& out = outbox_.open(Reply::kPlain, message.msg_id);
  out.u32(constructor::kFutureSalts);
  out.i64(message.msg_id);
  out.i32(static_cast<int32_t>(now_.unix_seconds()));
  // A bare vector of bare future_salt: no constructors.
  out.u32(static_cast<uint32_t>(salts.size()));
  for (const Salt& salt : salts) {
    out.i32(static_cast<int32_t>(salt.valid_since));
    out.i32(static_cast<int32_t>(salt.valid_until));
    out.i64(salt.salt);
  }
  outbox_.close();
  return {};
}

Result<void> Turn::on_destroy_session(const InnerMessage& message, ByteReader arguments) {
  RW_TRY_ASSIGN(const int64_t session_id, arguments.i64());
  // A session cannot end itself: its answer would have nowhere to go.
  const bool found = session_id != session_.session_id && key_.sessions.contains(session_id);
  if (found) destroyed_sessions_.push_back(session_id);
  ByteAppender& out = outbox_.open(Reply::kPlain, message.msg_id);
  out.u32(found ? constructor::kDestroySessionOk : constructor::kDestroySessionNone);
  out.i64(session_id);
  outbox_.close();
  return {};
}

// Teamgram's shard says that it destroyed the key and keeps it; gateways count on being asked
// again.
void Turn::on_destroy_auth_key(const InnerMessage& message) {
  outbox_.open(Reply::kPlain, message.msg_id).u32(constructor::kDestroyAuthKeyOk);
  outbox_.close();
}

Result<void> Turn::on_drop_answer(const InnerMessage& message, ByteReader arguments) {
  RW_TRY_ASSIGN(const int64_t question, arguments.i64());
  const auto kept = std::find_if(
      session_.unacked.begin(), session_.unacked.end(),
      [question](const UnackedMessage& answer) { return answer.answered_msg_id == question; });
  const bool found = kept != session_.unacked.end();
  UnackedMessage dropped;
  if (found) {
    dropped.msg_id = kept->msg_id;
    dropped.seq_no = kept->seq_no;
    dropped.body = kept->body;
    drop_unacked(session_, dropped.msg_id);
  }
  ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(message.msg_id);
  if (found) {
    out.u32(constructor::kRpcAnswerDropped);
    out.i64(dropped.msg_id);
    out.i32(dropped.seq_no);
    out.i32(static_cast<int32_t>(dropped.body.size()));
  } else {
    out.u32(constructor::kRpcAnswerUnknown);
  }
  outbox_.close();
  return {};
}

void Turn::answer_tally(const InnerMessage& message, int64_t session_id) {
  const auto found = key_.sessions.find(session_id);
  if (found == key_.sessions.end()) {
    answer_rpc_error(message.msg_id, kBadRequest, "SESSION_UNKNOWN");
    return;
  }
  ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(message.msg_id);
  write_tally(out, session_id, found->second->load_tally);
  outbox_.close();
}

void Turn::echo(const InnerMessage& message) {
  outbox_.open(Reply::kNotice).bytes(message.body);
  outbox_.close();
}

}  // namespace ringway::shard
