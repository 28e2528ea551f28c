// What the crypto tests share: bytes from hexadecimal text and bytes from a seed.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string_view>

#include "base/bytes.h"
#include "base/hex.h"

namespace ringway::crypto {

inline Bytes hex(std::string_view text) {
  Result<Bytes> bytes = from_hex(text);
  EXPECT_TRUE(bytes.ok()) << text;
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

template <size_t N>
std::array<uint8_t, N> hex_array(std::string_view text) {
  const Bytes bytes = hex(text);
  std::array<uint8_t, N> out{};
  EXPECT_EQ(bytes.size(), N);
  if (bytes.size() == N) std::memcpy(out.data(), bytes.data(), N);
  return out;
}

inline Bytes seeded_bytes(size_t size, uint32_t seed) {
  std::mt19937 generator(seed);
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(generator());
  return out;
}

// The generator of tdlib's crypto tests: its known answers start from these bytes.
class TdlibBytes {
 public:
  explicit TdlibBytes(uint32_t seed) : seed_(seed) {}
  void fill(ByteSpan out) {
    for (uint8_t& byte : out) {
      seed_ = seed_ * 123457567u + 987651241u;
      byte = static_cast<uint8_t>(seed_ >> 23);
    }
  }

 private:
  uint32_t seed_;
};

}  // namespace ringway::crypto
