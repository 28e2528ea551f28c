// metrics/health: is the process alive, and may clients be sent to it?
//
// Pure functions over the gateway's status.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/status.h"

namespace ringway::metrics {

struct Health {
  bool good = false;
  std::string reason;  // why not; "ok" when good
};

// Alive: every worker turns. A worker that sleeps looks around every half second; one that has not
// for kWorkerStuckNs is stuck, and restarting the process is what helps. `now_ns` is monotonic.
[[nodiscard]] Health judge_liveness(const gateway::GatewayStatus& status, int64_t now_ns);

// Ready: alive, the listeners are open, some shard can be reached, and it is not draining.
[[nodiscard]] Health judge_readiness(const gateway::GatewayStatus& status, int64_t now_ns);

}  // namespace ringway::metrics
