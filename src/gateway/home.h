// gateway/home: which worker an authorization key belongs to.
//
// A key's home worker holds it, its sessions and the decision where its pushes go, so that nothing
// about a key is shared between cores. A key exchange over HTTP has a home by its nonce. Pure
// arithmetic, the same on every thread.
#pragma once

#include <array>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/slab.h"

namespace ringway::gateway {

// A connection anywhere in the process. `serial` is unique for the life of the process, so that a
// ref kept too long matches nothing even after a slot's generation has wrapped.
struct ConnectionRef {
  static constexpr int kSerialBits = 55;
  static constexpr uint32_t kNoWorker = 0x1ff;

  SlabHandle handle;
  uint64_t serial : kSerialBits = 0;
  uint64_t worker : 64 - kSerialBits = kNoWorker;

  void set_serial(uint64_t value) noexcept {
    RW_ASSERT(value >> kSerialBits == 0);
    serial = value & ((uint64_t{1} << kSerialBits) - 1);
  }
  void set_worker(uint32_t value) noexcept {
    RW_ASSERT(value < kNoWorker);
    worker = value & kNoWorker;
  }

  friend bool operator==(const ConnectionRef& a, const ConnectionRef& b) noexcept {
    return a.serial == b.serial;
  }
};
static_assert(sizeof(ConnectionRef) == 16, "sessions and keys keep one for each connection");
static_assert(kWorkersMax <= ConnectionRef::kNoWorker);

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

// The worker that keeps a key exchange of HTTP clients, which may come by any connection.
[[nodiscard]] inline uint32_t home_of_nonce(const std::array<uint8_t, 16>& nonce,
                                            uint32_t workers) noexcept {
  return home_of(load_le<int64_t>(nonce.data()) ^ load_le<int64_t>(nonce.data() + 8), workers);
}

}  // namespace ringway::gateway
