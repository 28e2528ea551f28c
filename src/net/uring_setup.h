// net/uring_setup: what the kernel offers, and what to tell an operator when that is not enough.
#pragma once

#include <liburing.h>

#include <string>
#include <string_view>

namespace ringway::net {

// What the machine looks like, as far as it explains a failure.
struct UringEnvironment {
  std::string kernel_release;  // "6.1.0-18-amd64"
  int io_uring_disabled = -1;  // kernel.io_uring_disabled; -1: no such sysctl
  uint64_t memlock_bytes = 0;  // soft RLIMIT_MEMLOCK

  [[nodiscard]] static UringEnvironment read();
};

// One sentence or two: the cause and the remedy. `step` is "set up io_uring" or the like.
[[nodiscard]] std::string explain_uring_error(std::string_view step, int error,
                                              const UringEnvironment& environment);

// Sets up a disabled ring with the best set of flags that the kernel takes. Returns 0 or -errno;
// `flags_text` names the flags.
[[nodiscard]] int set_up_uring(io_uring& ring, unsigned entries, std::string& flags_text);
// The same with a thread of the kernel that takes the submissions, on a core or (below 0) anywhere.
[[nodiscard]] int set_up_polled_uring(io_uring& ring, unsigned entries, int core, uint32_t idle_ms,
                                      std::string& flags_text);

// Turns on NAPI busy polling. 0 or -errno: -EINVAL before Linux 6.9, -EOPNOTSUPP in a kernel that
// was built without it.
[[nodiscard]] int register_busy_poll(io_uring& ring, uint32_t microseconds);

// What to tell an operator when these two fail, by the keys that ask for them.
[[nodiscard]] std::string explain_submission_poll_error(int error, int core,
                                                        const UringEnvironment& environment);
[[nodiscard]] std::string explain_busy_poll_error(int error, const UringEnvironment& environment);

// Makes the calling thread the issuer of a disabled ring. 0 or -errno. (liburing 2.3 declares
// io_uring_enable_rings() but Debian's library does not export it.)
[[nodiscard]] int enable_uring(io_uring& ring);

// Whether the kernel has multishot receive (Linux 6.0), which no probe tells directly.
[[nodiscard]] bool has_multishot_receive(io_uring& ring);

}  // namespace ringway::net
