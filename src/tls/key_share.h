// tls/key_share: the public half of an X25519 key, for hellos that nobody exchanges a key with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringway::tls {

inline constexpr size_t kKeyShareBytes = 32;
using KeyShare = std::array<uint8_t, kKeyShareBytes>;

// A new point of the curve, as libraries of clients and servers make one: half of all random
// numbers are none, and a censor could tell. Any thread; some tens of microseconds.
[[nodiscard]] KeyShare draw_key_share();

}  // namespace ringway::tls
