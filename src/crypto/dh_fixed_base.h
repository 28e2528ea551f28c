// crypto/dh_fixed_base: powers of one base that never changes.
//
// A comb after Lim and Lee: the exponent's bits stand in kTeeth rows; a column of kTeeth bits picks
// one product of precomputed powers. The columns are cut into kBlocks blocks with a table each, so
// that a power takes kColumnsPerBlock - 1 squarings and one multiplication per column, less than a
// fifth of what an unknown base needs. Every power does the same operations whatever the exponent;
// table entries are picked by reading the whole table.
//
// Made once, read-only afterwards, for any thread; scratch space comes from the caller's BN_CTX.
// Source: Lim, Lee, "More flexible exponentiation with precomputation", CRYPTO '94.
#pragma once

#include <openssl/bn.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "crypto/dh.h"

namespace ringway::crypto {

class FixedBase {
 public:
  // `mont` is of an odd 2048-bit modulus and outlives this; `base` is below the modulus.
  FixedBase(const BIGNUM* base, BN_MONT_CTX* mont, BN_CTX* scratch) noexcept;

  // base^exponent mod the modulus, both big-endian.
  void power(std::span<const uint8_t, kDhExponentBytes> exponent, std::span<uint8_t, kDhBytes> out,
             BN_CTX* scratch) const noexcept;

 private:
  static constexpr size_t kBits = kDhExponentBytes * 8;
  static constexpr size_t kTeeth = 6;
  static constexpr size_t kBlocks = 11;
  static constexpr size_t kEntries = size_t{1} << kTeeth;
  static constexpr size_t kColumnsPerBlock = (kBits + kTeeth * kBlocks - 1) / (kTeeth * kBlocks);
  static constexpr size_t kColumns = kColumnsPerBlock * kBlocks;
  // In Montgomery form, least significant word first.
  using Number = std::array<uint64_t, kDhBytes / sizeof(uint64_t)>;
  using Table = std::array<std::array<Number, kEntries>, kBlocks>;

  static void pick(const std::array<Number, kEntries>& entries, size_t wanted,
                   Number& out) noexcept;

  BN_MONT_CTX* const mont_;
  const std::unique_ptr<Table> table_;
};

}  // namespace ringway::crypto
