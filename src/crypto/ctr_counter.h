// crypto/ctr_counter: the 128-bit big-endian block counter of counter mode, as two native halves.
// Only for kernels.
#pragma once

#include <array>

#include "base/bytes.h"

namespace ringway::crypto {

struct CtrCounter {
  uint64_t high;
  uint64_t low;

  explicit CtrCounter(const std::array<uint8_t, 16>& bytes) noexcept
      : high(__builtin_bswap64(load_le<uint64_t>(bytes.data()))),
        low(__builtin_bswap64(load_le<uint64_t>(bytes.data() + 8))) {}
  void save(std::array<uint8_t, 16>& bytes) const noexcept {
    store_le(bytes.data(), __builtin_bswap64(high));
    store_le(bytes.data() + 8, __builtin_bswap64(low));
  }
  void count_up(uint64_t by) noexcept {
    low += by;
    high += low < by ? 1 : 0;
  }
};

}  // namespace ringway::crypto
