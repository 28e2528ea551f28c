// cluster/shard_health: whether a shard is to be trusted with keys, as one worker sees it.
//
//              kShardFailuresMax failures in a row
//       in the ring -----------------------------> out of the ring
//            ^                                          |
//            +---- has answered, and the pause is over -+
//
// Failures are streams that broke, connections that were refused, calls that ended with UNAVAILABLE
// or DEADLINE_EXCEEDED, and silence. Those of the link and those of calls are counted apart, for a
// shard may answer calls and take no messages; one that takes messages is trusted. A shard that
// comes back is on probation: until it has taken a message the next failure takes it out again,
// each time for longer.
//
// Owned by its ShardLink, on the worker's thread.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ringway::cluster {

class ShardHealth {
 public:
  // The stream broke or could not be opened, or nothing was heard for too long.
  void link_failed(Now now) noexcept { count(link_failures_, now); }
  // A call ended without an answer of the shard's own.
  void call_failed(Now now) noexcept { count(call_failures_, now); }
  void call_answered() noexcept { call_failures_ = 0; }
  // The shard has taken a message.
  void served() noexcept;

  [[nodiscard]] bool out() const noexcept { return out_; }
  // The earliest time at which an answer brings the shard back; of one that is out.
  [[nodiscard]] int64_t readmit_ns() const noexcept { return readmit_ns_; }
  // Brings the shard back, on probation.
  void readmit() noexcept;

 private:
  void count(int& in_a_row, Now now) noexcept;

  int link_failures_ = 0;
  int call_failures_ = 0;
  int64_t last_failure_ns_ = 0;
  bool out_ = false;
  int64_t readmit_ns_ = 0;
  int64_t pause_ns_ = 0;  // of the next time that it is taken out
};

}  // namespace ringway::cluster
