// client/load_probe: what the kernel says about the processor time and memory of a process or of
// one of our threads. Linux only: it reads /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace ringway::client {

struct ProcessUse {
  int64_t cpu_ns = 0;  // user and system, all threads
  uint64_t resident_bytes = 0;
};
// Nothing when there is no such process.
[[nodiscard]] std::optional<ProcessUse> read_process_use(pid_t pid);

struct ThreadUse {
  int64_t cpu_ns = 0;   // ran
  int64_t wait_ns = 0;  // could have run, and waited for a core
};
// A thread of this process; zeros when it has gone.
[[nodiscard]] ThreadUse read_thread_use(pid_t tid);

// The calling thread's number, for read_thread_use().
[[nodiscard]] pid_t current_thread() noexcept;

}  // namespace ringway::client
