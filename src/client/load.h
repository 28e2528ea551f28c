// client/load: a load run from the first connection to the report.
//
// run_load() blocks its caller; the workers are threads of its own. The caller's thread
// coordinates (client/load_coordinator.h): it waits until the connections are ready, begins and
// ends the measurements, and stops the run when its time is over or `stop` was set.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/histogram.h"
#include "client/load_options.h"
#include "client/load_shared.h"

namespace ringway::client {

// What a process or a thread did during a measurement.
struct LoadUse {
  double cpu_seconds = 0;
  uint64_t resident_begin_bytes = 0;
  uint64_t resident_end_bytes = 0;
};

// One measurement.
struct LoadResult {
  double rate = 0;  // asked for; 0: closed loop
  double seconds = 0;
  uint64_t sent = 0;
  uint64_t completed = 0;
  uint64_t unfinished = 0;  // not answered when the drain was over
  uint64_t overdue = 0;     // open loop: due and not even sent
  uint64_t errors = 0;
  Histogram latency;       // nanoseconds
  double cpu_seconds = 0;  // of this program
  double thread_busy = 0;  // share of the time that its busiest thread ran
  double thread_wait = 0;  // and that it waited for a core
  std::optional<LoadUse> gateway;
  std::string missed;  // empty: all that was promised was kept; else what was not

  [[nodiscard]] double per_second() const noexcept;
  // Empty, or why this program and not the gateway set the limit.
  [[nodiscard]] std::string own_limit() const;
};

// The traffic of a short time, for the plot and the live view.
struct LoadPoint {
  double at_seconds = 0;  // since the traffic began; the end of the time
  double rate = 0;        // asked for
  double per_second = 0;
  int64_t p50_ns = 0;
  int64_t p99_ns = 0;
  int64_t p999_ns = 0;
  int64_t max_ns = 0;
  double own_cores = 0;  // processor time per time
  double gateway_cores = 0;
  uint64_t gateway_resident_bytes = 0;
};

struct LoadReport {
  std::string failure;  // empty: the run is valid; else why it is not
  bool interrupted = false;
  uint32_t connections_ready = 0;  // when the traffic began
  uint32_t connections_failed = 0;
  uint64_t keys_made = 0;
  uint64_t keys_reused = 0;
  double setup_seconds = 0;
  LoadResult result;              // with steps: the last one that passed, or else the last
  std::vector<LoadResult> steps;  // empty without steps
  std::vector<LoadPoint> series;
  Histogram exchange;                      // key exchanges of the set-up, nanoseconds
  std::map<std::string, uint64_t> errors;  // whole run
  std::optional<LoadVerdict> verdict;      // when it was verified
};

// How a run goes, for people who wait.
struct LoadProgress {
  enum class Phase : uint8_t { kSetup, kWait, kWarmup, kMeasure, kDrain };
  Phase phase = Phase::kSetup;
  double seconds = 0;        // in this phase
  double phase_seconds = 0;  // how long it takes; 0: unknown
  uint32_t step = 0;         // from 1; 0: there are no steps
  uint32_t connections = 0;  // wanted
  uint32_t connected = 0;
  uint32_t ready = 0;
  uint32_t failed = 0;
  uint64_t keys_made = 0;
  uint64_t completed = 0;  // whole run
  uint64_t under_way = 0;
  LoadPoint recent;
  bool watches_gateway = false;
  std::map<std::string, uint64_t> errors;  // so far
};

// `options` has passed check(). `on_progress` (may be empty) is called about four times a second on
// the caller's thread.
[[nodiscard]] LoadReport run_load(const LoadOptions& options, const std::atomic<bool>& stop,
                                  const std::function<void(const LoadProgress&)>& on_progress);

// The report for people, several lines; and as one JSON object, one line.
[[nodiscard]] std::string to_text(const LoadOptions& options, const LoadReport& report);
[[nodiscard]] std::string to_json(const LoadOptions& options, const LoadReport& report);
// For the live view: some lines, each ended.
[[nodiscard]] std::string to_lines(const LoadOptions& options, const LoadProgress& progress);

}  // namespace ringway::client
