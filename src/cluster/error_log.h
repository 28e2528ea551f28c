// cluster/error_log: what goes wrong on a link, told once a second.
//
// A shard in trouble refuses thousands of messages a second. Each kind of trouble gets one line per
// second with how many more there were. One worker owns a log; counting is for the caller.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace ringway::cluster {

enum class Trouble : uint8_t { kRefused, kBroken, kMalformed, kKeyQuery, kKeyStore, kLost, kCount };

class ErrorLog {
 public:
  explicit ErrorLog(std::string address) : address_(std::move(address)) {}

  void note(Trouble trouble, int32_t code, std::string_view text, Now now);

 private:
  struct Kind {
    int64_t quiet_until_ns = 0;
    uint64_t suppressed = 0;
  };

  std::string address_;
  std::array<Kind, static_cast<size_t>(Trouble::kCount)> kinds_{};
};

}  // namespace ringway::cluster
