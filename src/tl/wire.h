// tl/wire: protobuf's numbers on the wire. Pure; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringway::tl {

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

inline constexpr size_t kVarintBytesMax = 10;

[[nodiscard]] inline size_t varint_bytes(uint64_t value) noexcept {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Writes at most kVarintBytesMax; returns what is behind.
inline uint8_t* put_varint(uint8_t* out, uint64_t value) noexcept {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

// Reads one and moves `from` behind it; false when it runs past `end` or is overlong.
[[nodiscard]] inline bool get_varint(const uint8_t*& from, const uint8_t* end,
                                     uint64_t& value) noexcept {
  if (from == end) return false;
  uint64_t result = *from++;
  if (result < 0x80) {
    value = result;
    return true;
  }
  result &= 0x7f;
  for (unsigned shift = 7; shift < 70; shift += 7) {
    if (from == end) return false;
    const uint64_t byte = *from++;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = result;
      return true;
    }
  }
  return false;
}

}  // namespace ringway::tl
