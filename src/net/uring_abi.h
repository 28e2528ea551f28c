// net/uring_abi: what newer kernels take and liburing's 2.3 headers do not name yet.
//
// Numbers and layouts are the kernel's (include/uapi/linux/io_uring.h) and never change. Everything
// here is asked of the running kernel, which may refuse it.
#pragma once

#include <cstdint>

namespace ringway::net {

// Linux 6.9: the kernel polls the network cards of a ring's sockets before it sleeps.
inline constexpr unsigned kRegisterNapi = 27;

struct NapiSettings {
  uint32_t busy_poll_us = 0;
  uint8_t prefer_busy_poll = 0;
  uint8_t reserved[3] = {};
  uint64_t reserved_too = 0;
};
static_assert(sizeof(NapiSettings) == 16);

}  // namespace ringway::net
