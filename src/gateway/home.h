// gateway/home: which worker an authorization key belongs to.
//
// A key's home worker holds it, its sessions and the decision where its pushes go, so that nothing
// about a key is shared between cores. Pure arithmetic, the same on every thread.
#pragma once

#include <cstdint>

#include "base/slab.h"

namespace ringway::gateway {

// A connection anywhere in the process. `serial` is unique for the life of the process, so that a
// ref kept too long matches nothing even after a slot's generation has wrapped.
struct ConnectionRef {
  uint32_t worker = UINT32_MAX;
  SlabHandle handle;
  uint64_t serial = 0;

  friend bool operator==(const ConnectionRef& a, const ConnectionRef& b) noexcept {
    return a.serial == b.serial;
  }
};

// Mixes all bits: auth_key_ids are hashes already, but a hostile client may choose them.
[[nodiscard]] inline uint64_t mix64(uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  x ^= x >> 33;
  return x;
}

[[nodiscard]] inline uint32_t home_of(int64_t auth_key_id, uint32_t workers) noexcept {
  return static_cast<uint32_t>(mix64(static_cast<uint64_t>(auth_key_id)) % workers);
}

}  // namespace ringway::gateway
