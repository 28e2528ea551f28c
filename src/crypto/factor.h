// crypto/factor: the pq of the key exchange: making one (server) and taking one apart (client).
// Pure functions on any thread.
#pragma once

#include <cstdint>

namespace ringway::crypto {

struct PrimePair {
  uint32_t p = 0;  // p < q, both prime, about 31 bits
  uint32_t q = 0;
  [[nodiscard]] uint64_t product() const noexcept { return uint64_t{p} * q; }
};

// Two distinct random primes with a product below 2^63. Microseconds.
[[nodiscard]] PrimePair make_prime_pair() noexcept;

// The factors of a product below 2^63 of two distinct primes that fit 32 bits; {0, 0} when it is
// none. Some milliseconds.
[[nodiscard]] PrimePair factor(uint64_t pq) noexcept;

// Deterministic for 64-bit numbers.
[[nodiscard]] bool is_prime(uint64_t n) noexcept;

}  // namespace ringway::crypto
