// client/msg_id: the msg_ids that a client draws: unix time * 2^32, 0 mod 4, strictly increasing.
//
// One per session, and one per connection for the unencrypted messages of the key exchange.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace ringway::client {

class ClientMsgId {
 public:
  // `unix_ns` is the server's time as far as it is known.
  [[nodiscard]] int64_t next(int64_t unix_ns) noexcept {
    const int64_t seconds = unix_ns / kNsPerSecond;
    const auto remainder = static_cast<uint64_t>(unix_ns % kNsPerSecond);
    const auto fraction = static_cast<int64_t>((remainder << 32) / kNsPerSecond);
    const int64_t msg_id = ((seconds << 32) | fraction) & ~int64_t{3};
    last_ = std::max(msg_id, last_ + 4);
    return last_;
  }
  void restart() noexcept { last_ = 0; }

 private:
  int64_t last_ = 0;
};

}  // namespace ringway::client
