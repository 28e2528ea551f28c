// shard/salts: the server salts of one authorization key.
//
// The salt that came with the key (it follows from the key exchange) holds while it is valid. After
// it come salts that change every kSaltPeriodSeconds and are derived from the key, so that a shard
// knows them again after a restart without having stored them. A salt is accepted one period past
// its own, and one ahead for clients that asked for future salts and have a fast clock.
//
// A plain value; its owner provides the locking.
#pragma once

#include <cstdint>
#include <vector>

#include "base/secret.h"

namespace ringway::shard {

inline constexpr int64_t kSaltPeriodSeconds = 3600;

struct Salt {
  int64_t valid_since = 0;  // unix seconds
  int64_t valid_until = 0;
  int64_t salt = 0;
};

class Salts {
 public:
  // `first` is the salt of the key exchange; valid_until = 0 when there is none.
  Salts(ByteView auth_key, const Salt& first) noexcept;

  // The salt that a client should use now.
  [[nodiscard]] int64_t current(int64_t unix_seconds) noexcept;
  [[nodiscard]] bool accepts(int64_t salt, int64_t unix_seconds) noexcept;
  // `count` salts, the current one first, each beginning before its predecessor ends.
  [[nodiscard]] std::vector<Salt> future(int64_t unix_seconds, size_t count) const;

 private:
  [[nodiscard]] int64_t derive(int64_t period) const noexcept;
  void turn_to(int64_t period) noexcept;

  Secret<32> seed_;
  Salt first_;
  int64_t period_ = INT64_MIN;
  int64_t around_[3] = {};  // the salts of period_ - 1, period_, period_ + 1
};

}  // namespace ringway::shard
