// crypto/dh_group: Diffie-Hellman in a group that a server names, and whether it can be trusted.
// https://core.telegram.org/mtproto/auth_key
//
// The prime must be a safe one of 2048 bits, and g, of 2 to 7, generate the subgroup of prime order
// (p - 1) / 2. In the group of crypto/dh.h everything is as fast as there. For another prime the
// first check takes about half a second, later ones on the same thread nothing: it remembers those
// that are good.
//
// A power takes milliseconds: never on a worker thread. Otherwise any thread.
#pragma once

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/dh.h"

namespace ringway::crypto {

struct DhGroup {
  DhGroup() noexcept { std::ranges::copy(dh_prime(), prime.begin()); }

  int32_t g = kDhG;
  std::array<uint8_t, kDhBytes> prime{};  // big-endian

  // The one of crypto/dh.h, whatever g is.
  [[nodiscard]] bool has_known_prime() const noexcept { return equal(prime, dh_prime()); }
};

// Takes what a server says, and checks what can be checked in microseconds: the prime's size, and
// that g generates the subgroup if the prime is safe. kBadDh.
Result<DhGroup> read_dh_group(int32_t g, ByteView prime) noexcept;
// The rest: that the prime is a safe one. kBadDh.
Result<void> check_dh_prime(const DhGroup& group);

// As crypto/dh.h has them, for a group of read_dh_group.
[[nodiscard]] bool dh_value_in_range(const DhGroup& group, ByteView value) noexcept;
void dh_public(const DhGroup& group, ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept;
Result<void> dh_power(const DhGroup& group, ByteView base, ByteView exponent,
                      std::span<uint8_t, kDhBytes> out) noexcept;

}  // namespace ringway::crypto
