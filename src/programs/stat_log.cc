#include "programs/stat_log.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/process_use.h"

namespace ringway::programs {

StatLog::StatLog() {
  last_.mono_ns = read_clocks().mono_ns;
  last_.cpu_seconds = metrics::read_process_use().cpu_seconds;
}

void StatLog::write(const gateway::GatewayStatus& status) {
  const metrics::ProcessUse use = metrics::read_process_use();
  Point now{.mono_ns = read_clocks().mono_ns, .cpu_seconds = use.cpu_seconds};
  uint64_t connections = 0;
  for (const gateway::WorkerStatus& worker : status.workers) {
    const auto count = [&worker](Counter counter) {
      return worker.counters[static_cast<size_t>(counter)];
    };
    connections += worker.gauges.connections;
    now.messages += count(Counter::kMessagesRouted);
    now.pushes += count(Counter::kPushesDelivered);
    now.exchanges += count(Counter::kHandshakesDone);
  }
  const double seconds =
      static_cast<double>(std::max<int64_t>(now.mono_ns - last_.mono_ns, 1)) / 1e9;
  const auto rate = [seconds](uint64_t a, uint64_t b) {
    return static_cast<double>(b - a) / seconds;
  };
  log_info("stat",
           "cpu {:.2f} cores, resident {:.1f} MiB, {} connections, {:.1f} messages/s, "
           "{:.1f} pushes/s, {:.1f} key exchanges/s",
           (now.cpu_seconds - last_.cpu_seconds) / seconds,
           static_cast<double>(use.resident_bytes) / (1 << 20), connections,
           rate(last_.messages, now.messages), rate(last_.pushes, now.pushes),
           rate(last_.exchanges, now.exchanges));
  last_ = now;
}

}  // namespace ringway::programs
