// client/salt_table: a session's salt and those that come after it.
//
// Pure; times are the server's, in unix nanoseconds. Bounded by kSessionSaltsMax.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "client/session_limits.h"

namespace ringway::client {

struct FutureSalt {
  int64_t valid_since_ns = 0;
  int64_t valid_until_ns = 0;
  int64_t salt = 0;
};

class SaltTable {
 public:
  explicit SaltTable(int64_t salt) noexcept : current_(salt) {}

  [[nodiscard]] int64_t current() const noexcept { return current_; }
  // Salts whose time is still to come.
  [[nodiscard]] size_t remaining() const noexcept { return next_.size(); }

  // The server named the salt that it takes now.
  void set(int64_t salt) noexcept { current_ = salt; }

  void learn(std::vector<FutureSalt> salts, int64_t server_ns) {
    std::erase_if(salts, [server_ns](const FutureSalt& salt) {
      return salt.valid_until_ns - kSessionSaltMarginNs <= server_ns;
    });
    std::sort(salts.begin(), salts.end(), [](const FutureSalt& a, const FutureSalt& b) {
      return a.valid_since_ns < b.valid_since_ns;
    });
    salts.resize(std::min(salts.size(), kSessionSaltsMax));
    next_.assign(salts.begin(), salts.end());
    advance(server_ns);
  }

  // Changes to the latest salt that is valid; true when that is another one.
  bool advance(int64_t server_ns) noexcept {
    const int64_t before = current_;
    while (!next_.empty() && next_.front().valid_since_ns <= server_ns) {
      if (next_.front().valid_until_ns - kSessionSaltMarginNs > server_ns) {
        current_ = next_.front().salt;
      }
      next_.pop_front();
    }
    return current_ != before;
  }

  // When advance() has something to do (server's time).
  [[nodiscard]] std::optional<int64_t> next_change_ns() const noexcept {
    if (next_.empty()) return std::nullopt;
    return next_.front().valid_since_ns;
  }

 private:
  int64_t current_;
  std::deque<FutureSalt> next_;  // ascending valid_since_ns
};

}  // namespace ringway::client
