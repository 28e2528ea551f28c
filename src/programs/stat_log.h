// programs/stat_log: the line about the process that the log gets each minute (Log.Stat).
//
// Owned by the main thread.
#pragma once

#include <array>
#include <cstdint>

#include "base/counters.h"
#include "gateway/status.h"

namespace ringway::programs {

class StatLog {
 public:
  // Rates count from the construction, then from one line to the next.
  StatLog();
  void write(const gateway::GatewayStatus& status);

 private:
  struct Point {
    int64_t mono_ns = 0;
    double cpu_seconds = 0;
    uint64_t messages = 0;
    uint64_t pushes = 0;
    uint64_t exchanges = 0;
  };
  Point last_;
};

}  // namespace ringway::programs
