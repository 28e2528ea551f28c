// mtproto/unencrypted: messages of the key exchange: 8 zero bytes, msg_id, length, TL object.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::mtproto {

struct UnencryptedMessage {
  int64_t msg_id = 0;
  ByteView data;  // the TL object and whatever random words the client put behind it; borrowed
};

// kTruncated, kBadLength (declared length beyond the frame, under 20 or above
// kUnencryptedBytesMax), kMalformed (msg_id % 4 != 0 from a client). No time window: the client's
// clock is not set yet.
Result<UnencryptedMessage> read_unencrypted(ByteView frame) noexcept;

// The frame payload that carries `object`.
[[nodiscard]] Bytes write_unencrypted(int64_t msg_id, ByteView object);

// msg_ids of answers: unix time * 2^32, 1 mod 4, strictly increasing. One per connection.
class ServerMsgId {
 public:
  explicit ServerMsgId(int64_t last = 0) noexcept : last_(last) {}
  [[nodiscard]] int64_t next(int64_t unix_ns) noexcept;
  [[nodiscard]] int64_t last() const noexcept { return last_; }

 private:
  int64_t last_;
};

}  // namespace ringway::mtproto
