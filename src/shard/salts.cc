#include "shard/salts.h"

#include <cstring>

#include "crypto/sha.h"

namespace ringway::shard {

Salts::Salts(ByteView auth_key, const Salt& first) noexcept : first_(first) {
  auto digest = crypto::sha256({as_bytes("ringway shard salts"), auth_key});
  std::memcpy(seed_.data(), digest.data(), seed_.size());
  cleanse(digest.data(), digest.size());
}

int64_t Salts::derive(int64_t period) const noexcept {
  uint8_t number[sizeof period];
  store_le(number, period);
  const auto digest = crypto::sha256({seed_.view(), number});
  return load_le<int64_t>(digest.data());
}

void Salts::turn_to(int64_t period) noexcept {
  if (period == period_) return;
  for (int64_t i = 0; i < 3; ++i) around_[i] = derive(period - 1 + i);
  period_ = period;
}

int64_t Salts::current(int64_t unix_seconds) noexcept {
  if (unix_seconds < first_.valid_until) return first_.salt;
  turn_to(unix_seconds / kSaltPeriodSeconds);
  return around_[1];
}

bool Salts::accepts(int64_t salt, int64_t unix_seconds) noexcept {
  if (first_.valid_until != 0 && salt == first_.salt &&
      unix_seconds < first_.valid_until + kSaltPeriodSeconds) {
    return true;
  }
  turn_to(unix_seconds / kSaltPeriodSeconds);
  return salt == around_[0] || salt == around_[1] || salt == around_[2];
}

std::vector<Salt> Salts::future(int64_t unix_seconds, size_t count) const {
  std::vector<Salt> salts;
  salts.reserve(count);
  if (count > 0 && unix_seconds < first_.valid_until) salts.push_back(first_);
  for (int64_t period = unix_seconds / kSaltPeriodSeconds; salts.size() < count; ++period) {
    salts.push_back(
        {period * kSaltPeriodSeconds, (period + 2) * kSaltPeriodSeconds, derive(period)});
  }
  return salts;
}

}  // namespace ringway::shard
