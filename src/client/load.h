// client/load: a load run from the first connection to the report.
//
// run_load() blocks its caller; the workers are threads of its own. The caller's thread
// coordinates: it waits until the connections are ready, gives the sign to begin, and stops the run
// when its time is over or `stop` was set.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "client/histogram.h"
#include "client/load_options.h"

namespace ringway::client {

struct LoadReport {
  std::string failure;  // empty: the run is valid; else why it is not
  bool interrupted = false;
  uint32_t connections_ready = 0;  // when the traffic began
  uint32_t connections_failed = 0;
  uint64_t keys_made = 0;
  double setup_seconds = 0;
  double measured_seconds = 0;
  uint64_t sent = 0;  // within the measured time
  uint64_t completed = 0;
  double cpu_ns_per_message = 0;  // of this program, user and system, within the measured time
  Histogram latency;              // nanoseconds
  Histogram exchange;             // key exchanges, nanoseconds
  std::map<std::string, uint64_t> errors;

  [[nodiscard]] double per_second() const noexcept;
};

// How a run goes, for people who wait.
struct LoadProgress {
  enum class Phase : uint8_t { kSetup, kWarmup, kMeasure };
  Phase phase = Phase::kSetup;
  double seconds = 0;        // in this phase
  uint32_t connections = 0;  // wanted
  uint32_t connected = 0;
  uint32_t ready = 0;
  uint32_t failed = 0;
  uint64_t keys_made = 0;
  uint64_t completed = 0;  // whole run
  double per_second = 0;   // since the last report
};

// `options` has passed check(). `on_progress` (may be empty) is called about five times a second on
// the caller's thread.
[[nodiscard]] LoadReport run_load(const LoadOptions& options, const std::atomic<bool>& stop,
                                  const std::function<void(const LoadProgress&)>& on_progress);

// The report for people, several lines; and as one JSON object, one line.
[[nodiscard]] std::string to_text(const LoadOptions& options, const LoadReport& report);
[[nodiscard]] std::string to_json(const LoadOptions& options, const LoadReport& report);
[[nodiscard]] std::string to_line(const LoadProgress& progress);

}  // namespace ringway::client
