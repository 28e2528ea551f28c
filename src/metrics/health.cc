#include "metrics/health.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::metrics {
namespace {

bool reaches_a_shard(const gateway::GatewayStatus& status) {
  return std::any_of(status.workers.begin(), status.workers.end(), [](const auto& worker) {
    return std::any_of(worker.gauges.links.begin(), worker.gauges.links.end(),
                       [](const auto& link) { return link.reached; });
  });
}

}  // namespace

Health judge_liveness(const gateway::GatewayStatus& status, int64_t now_ns) {
  for (size_t i = 0; i < status.workers.size(); ++i) {
    const int64_t age_ns = now_ns - status.workers[i].last_turn_ns;
    // Before its first turn a worker has nothing to be late with: start-up waits for it.
    if (status.workers[i].last_turn_ns == 0 || age_ns < kWorkerStuckNs) continue;
    return {false, fmt::format("worker {} has not turned for {} s", i, age_ns / kNsPerSecond)};
  }
  return {true, "ok"};
}

Health judge_readiness(const gateway::GatewayStatus& status, int64_t now_ns) {
  if (status.draining) return {false, "draining"};
  if (Health alive = judge_liveness(status, now_ns); !alive.good) return alive;
  if (status.listeners.empty()) return {false, "no listener is open"};
  if (!reaches_a_shard(status)) return {false, "no session shard can be reached"};
  return {true, "ok"};
}

}  // namespace ringway::metrics
