// net/uring_gather: waiting for several completions at once, but only for a short while.
//
// Linux 6.12 lets a wait ask for a number of completions and name the time after which any number
// will do. liburing 2.3 does not know of it, so the system call is made here.
#pragma once

#include <liburing.h>

#include <cstdint>

namespace ringway::net {

[[nodiscard]] bool can_gather(const io_uring& ring) noexcept;

// Submits what is queued and waits until `count` completions are there, those that lie in the queue
// already included. Once `gather_ns` have passed since the wait began one is enough, and after
// `timeout_ns` (positive) none is needed. `registered`: io_uring_register_ring_fd() was done. How
// many were submitted, or -errno: -ETIME for a wait that ended by time, whatever it has brought.
[[nodiscard]] int submit_and_gather(io_uring& ring, unsigned count, int64_t gather_ns,
                                    int64_t timeout_ns, bool registered) noexcept;

}  // namespace ringway::net
