// What the harnesses share. A harness aborts when something that must hold does not.
#pragma once

#include <cstdlib>

#include "base/bytes.h"

namespace ringway::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

// A small generator seeded from the input, for choices that are not worth bytes of it.
class Choices {
 public:
  explicit Choices(uint64_t seed) noexcept : state_(seed * 2 + 1) {}
  // Uniform enough in [0, bound).
  size_t below(size_t bound) noexcept {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state_ >> 33) % bound);
  }

 private:
  uint64_t state_;
};

}  // namespace ringway::fuzz
