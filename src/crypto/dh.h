// crypto/dh: Diffie-Hellman over the one 2048-bit prime that clients accept, with g = 3.
//
// A modular exponentiation takes milliseconds: never on a worker thread. Otherwise any thread;
// nothing of what is passed in is kept.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace ringway::crypto {

inline constexpr size_t kDhBytes = 256;
inline constexpr int32_t kDhG = 3;

// The prime, big-endian.
[[nodiscard]] std::span<const uint8_t, kDhBytes> dh_prime() noexcept;

// True when 2^1984 <= value <= p - 2^1984 (which implies 1 < value < p - 1). `value` is big-endian
// of any length; leading zero bytes do not matter.
[[nodiscard]] bool dh_value_in_range(ByteView value) noexcept;

// g^exponent mod p, and base^exponent mod p; constant-time in the exponent. 256 bytes big-endian,
// left-padded. dh_power: kBadDh when base is not dh_value_in_range.
void dh_public(std::span<const uint8_t, kDhBytes> exponent,
               std::span<uint8_t, kDhBytes> out) noexcept;
Result<void> dh_power(ByteView base, std::span<const uint8_t, kDhBytes> exponent,
                      std::span<uint8_t, kDhBytes> out) noexcept;

}  // namespace ringway::crypto
