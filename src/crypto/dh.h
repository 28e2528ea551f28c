// crypto/dh: Diffie-Hellman over the one 2048-bit prime that clients accept, with g = 3.
//
// Secret exponents of our own have 256 bits, of which the highest is set. That is all the security
// there is to have: p is a safe prime, so that g generates a group of prime order (p - 1) / 2, and
// no small subgroup tells anything of the exponent. The best way to an exponent of n bits in such a
// group takes 2^(n/2) steps, here 2^128, while the field itself falls in about 2^112, whatever
// the length of the exponent. NIST SP 800-56A (revision 3, 5.6.1.1) and RFC 7919 (5.2) ask for 224
// and 225 bits at this size of the field, and OpenSSL draws no more for its named groups. A power
// takes time in proportion to its exponent: an eighth of what 2048 bits cost.
//
// A modular exponentiation takes a good part of a millisecond, with a long exponent several: never
// on a worker thread. Otherwise any thread; nothing of what is passed in is kept.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace ringway::crypto {

inline constexpr size_t kDhBytes = 256;
inline constexpr size_t kDhExponentBytes = 32;
inline constexpr int32_t kDhG = 3;

using DhExponent = Secret<kDhExponentBytes>;

// The prime, big-endian.
[[nodiscard]] std::span<const uint8_t, kDhBytes> dh_prime() noexcept;

// True when 2^1984 <= value <= p - 2^1984 (which implies 1 < value < p - 1). `value` is big-endian
// of any length; leading zero bytes do not matter.
[[nodiscard]] bool dh_value_in_range(ByteView value) noexcept;

// Sets the highest bit of 32 random bytes, so that every secret exponent has its full length.
void set_dh_exponent_length(DhExponent& exponent) noexcept;

// g^exponent mod p, and base^exponent mod p; 256 bytes big-endian, left-padded. Exponents are
// big-endian, of 1 to kDhBytes bytes; the time depends on their length, which is public, and, but
// for whole words of zeros at the front of one above kDhExponentBytes, on nothing else of them.
// dh_power: kBadDh when base is not dh_value_in_range.
void dh_public(ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept;
Result<void> dh_power(ByteView base, ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept;

}  // namespace ringway::crypto
