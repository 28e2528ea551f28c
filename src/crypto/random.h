// crypto/random: bytes from OpenSSL's CSPRNG.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ringway::crypto {

// Fills `out` with unpredictable bytes for keys, nonces and exponents. Any thread. Aborts if the
// system has no entropy: going on without it would be worse.
void random_bytes(ByteSpan out) noexcept;

// Unpredictable bytes for message padding, cheap enough for every message: drawn from a per-thread
// pool that random_bytes() refills. Bytes are handed out once and cleansed.
void random_padding(ByteSpan out) noexcept;

// Uniform in [0, 2^32).
[[nodiscard]] uint32_t random_u32() noexcept;

}  // namespace ringway::crypto
