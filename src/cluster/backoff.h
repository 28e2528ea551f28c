// cluster/backoff: the pause before a further attempt.
//
// It doubles from the least to the most, and each is cut by up to a quarter, so that many who lost
// the same peer do not all knock at the same moment. One owner; no clock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ringway::cluster {

class Backoff {
 public:
  // `seed` tells those who share a peer apart.
  Backoff(int64_t least_ns, int64_t most_ns, uint64_t seed) noexcept
      : least_ns_(least_ns), most_ns_(most_ns), noise_(seed) {}

  [[nodiscard]] int64_t next() noexcept {
    pause_ns_ = std::clamp(pause_ns_ * 2, least_ns_, most_ns_);
    noise_ = noise_ * 6364136223846793005U + 1442695040888963407U;
    return pause_ns_ -
           static_cast<int64_t>((noise_ >> 33) % static_cast<uint64_t>(pause_ns_ / 4 + 1));
  }
  void reset() noexcept { pause_ns_ = 0; }

 private:
  const int64_t least_ns_;
  const int64_t most_ns_;
  uint64_t noise_;
  int64_t pause_ns_ = 0;
};

}  // namespace ringway::cluster
