#include "cluster/shard_health.h"

#include <algorithm>

#include "base/limits.h"

namespace ringway::cluster {

void ShardHealth::count(int& in_a_row, Now now) noexcept {
  // A stream that is broken once an hour says nothing about a shard that nobody has used between.
  if (now.mono_ns - last_failure_ns_ > kShardFailuresForgottenNs && !out_) {
    link_failures_ = 0;
    call_failures_ = 0;
  }
  last_failure_ns_ = now.mono_ns;
  in_a_row = std::min(in_a_row + 1, kShardFailuresMax);
  if (out_ || in_a_row < kShardFailuresMax) return;
  out_ = true;
  readmit_ns_ = now.mono_ns + pause_ns_;
  pause_ns_ = std::clamp(pause_ns_ * 2, kShardReadmitPauseMinNs, kShardReadmitPauseMaxNs);
}

void ShardHealth::served() noexcept {
  link_failures_ = 0;
  call_failures_ = 0;
  if (!out_) pause_ns_ = 0;
}

void ShardHealth::readmit() noexcept {
  out_ = false;
  link_failures_ = kShardFailuresMax - 1;
  call_failures_ = 0;
}

}  // namespace ringway::cluster
