// shard/message_check: the rules on msg_id and seq_no, as "Service messages about messages" of the
// MTProto documentation states them.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "shard/session.h"

namespace ringway::shard {

// error_code of bad_msg_notification; kGood is ours.
enum class Verdict : int32_t {
  kGood = 0,
  kMsgIdTooLow = 16,
  kMsgIdTooHigh = 17,
  kMsgIdBadBits = 18,
  kContainerIdReused = 19,
  kMsgTooOld = 20,
  kSeqNoTooLow = 32,
  kSeqNoTooHigh = 33,
  kSeqNoNotEven = 34,
  kSeqNoNotOdd = 35,
  kBadServerSalt = 48,
  kBadContainer = 64,
};

// How a message counts for seq_no: queries are content-related, acknowledgements and containers are
// not, and of the rest (ping, what is packed) clients send either.
enum class Relation : uint8_t { kContent, kNotContent, kEither };
[[nodiscard]] Relation relation_of(uint32_t constructor) noexcept;

// The id of a message that came alone or of a container, against the clock.
[[nodiscard]] Verdict check_msg_id(int64_t msg_id, Now now) noexcept;
// The number of a message, against the messages of its session; notes it when it is good.
[[nodiscard]] Verdict check_seq_no(Session& session, int64_t msg_id, int32_t seq_no,
                                   Relation relation) noexcept;

}  // namespace ringway::shard
