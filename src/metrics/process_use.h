// metrics/process_use: what the kernel says about this process. Linux only: it reads /proc.
#pragma once

#include <cstdint>

namespace ringway::metrics {

struct ProcessUse {
  double cpu_seconds = 0;  // user and system, all threads
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t threads = 0;
  uint64_t open_files = 0;
  uint64_t open_files_max = 0;  // the soft limit
  double start_unix_seconds = 0;
};

// Any thread. Zeros where the kernel does not tell.
[[nodiscard]] ProcessUse read_process_use();

}  // namespace ringway::metrics
