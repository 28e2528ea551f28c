#include "shard/message_check.h"

#include "base/limits.h"
#include "mtproto/tl.h"
#include "shard/constructors.h"

namespace ringway::shard {

Relation relation_of(uint32_t number) noexcept {
  switch (number) {
    case mtproto::constructor::kMsgsAck:
    case mtproto::constructor::kMsgContainer:
      return Relation::kNotContent;
    case mtproto::constructor::kGzipPacked:
    case mtproto::constructor::kPing:
    case mtproto::constructor::kPingDelayDisconnect:
    case constructor::kPushEcho:
    case constructor::kLoadCounted:
    case constructor::kLoadGetTally:
      return Relation::kEither;
    default:
      break;
  }
  return mtproto::is_client_service(number) ? Relation::kEither : Relation::kContent;
}

Verdict check_msg_id(int64_t msg_id, Now now) noexcept {
  if ((msg_id & 3) != 0) return Verdict::kMsgIdBadBits;
  const int64_t sent_seconds = msg_id >> 32;
  if (sent_seconds < now.unix_seconds() - kShardMsgAgeMaxSeconds) return Verdict::kMsgIdTooLow;
  if (sent_seconds > now.unix_seconds() + kShardMsgAheadMaxSeconds) return Verdict::kMsgIdTooHigh;
  return Verdict::kGood;
}

Verdict check_seq_no(Session& session, int64_t msg_id, int32_t seq_no, Relation relation) noexcept {
  const bool odd = (seq_no & 1) != 0;
  if (relation == Relation::kNotContent && odd) return Verdict::kSeqNoNotEven;
  if (relation == Relation::kContent && !odd) return Verdict::kSeqNoNotOdd;
  // Only content-related messages have a number of their own; the others share their predecessor's.
  if (!odd) return Verdict::kGood;
  if (msg_id < session.content_msg_id) {
    return seq_no >= session.content_seq_no ? Verdict::kSeqNoTooHigh : Verdict::kGood;
  }
  if (seq_no <= session.content_seq_no) return Verdict::kSeqNoTooLow;
  session.content_msg_id = msg_id;
  session.content_seq_no = seq_no;
  return Verdict::kGood;
}

}  // namespace ringway::shard
