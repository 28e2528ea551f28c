#include "net/uring_gather.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/clock.h"

namespace ringway::net {
namespace {

// linux/io_uring.h since 6.12; the field was padding before.
constexpr unsigned kFeatureMinTimeout = 1U << 15;
struct WaitArgument {
  uint64_t signal_mask = 0;
  uint32_t signal_mask_bytes = _NSIG / 8;
  uint32_t gather_us = 0;
  uint64_t timeout = 0;
};
static_assert(sizeof(WaitArgument) == sizeof(io_uring_getevents_arg));

// Shows the kernel what io_uring_get_sqe() has handed out; how many entries it has not taken yet.
unsigned flush_queue(io_uring& ring) noexcept {
  io_uring_sq& queue = ring.sq;
  for (; queue.sqe_head != queue.sqe_tail; ++queue.sqe_head) {
    queue.array[queue.sqe_head & queue.ring_mask] = queue.sqe_head & queue.ring_mask;
  }
  io_uring_smp_store_release(queue.ktail, queue.sqe_tail);
  return queue.sqe_tail - io_uring_smp_load_acquire(queue.khead);
}

}  // namespace

bool can_gather(const io_uring& ring) noexcept {
  return (ring.features & kFeatureMinTimeout) != 0 && (ring.features & IORING_FEAT_EXT_ARG) != 0;
}

int submit_and_gather(io_uring& ring, unsigned count, int64_t gather_ns, int64_t timeout_ns,
                      bool registered) noexcept {
  __kernel_timespec timeout{};
  timeout.tv_sec = timeout_ns / kNsPerSecond;
  timeout.tv_nsec = timeout_ns % kNsPerSecond;
  WaitArgument argument;
  argument.gather_us = static_cast<uint32_t>(gather_ns / 1000);
  argument.timeout = reinterpret_cast<uintptr_t>(&timeout);
  unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  if (registered) flags |= IORING_ENTER_REGISTERED_RING;
  const long result = syscall(SYS_io_uring_enter, ring.enter_ring_fd, flush_queue(ring), count,
                              flags, &argument, sizeof argument);
  return result < 0 ? -errno : static_cast<int>(result);
}

}  // namespace ringway::net
