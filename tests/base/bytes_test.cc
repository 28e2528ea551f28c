#include "base/bytes.h"

#include <gtest/gtest.h>

namespace ringway {
namespace {

// Every length around the words that are compared at once, and a difference in every bit.
TEST(Bytes, EqualInConstantTimeSeesEveryBit) {
  for (size_t size = 0; size <= 40; ++size) {
    Bytes a(size);
    for (size_t i = 0; i < size; ++i) a[i] = static_cast<uint8_t>(i * 37 + 1);
    Bytes b = a;
    EXPECT_TRUE(equal_constant_time(a, b)) << size;
    for (size_t bit = 0; bit < size * 8; ++bit) {
      b[bit / 8] = static_cast<uint8_t>(b[bit / 8] ^ 1U << bit % 8);
      EXPECT_FALSE(equal_constant_time(a, b)) << size << " bit " << bit;
      b[bit / 8] = a[bit / 8];
    }
  }
}

TEST(Bytes, EqualInConstantTimeSeesTheLength) {
  const Bytes zeros(16);
  EXPECT_FALSE(equal_constant_time(zeros, ByteView(zeros).first(15)));
  EXPECT_FALSE(equal_constant_time({}, zeros));
  EXPECT_TRUE(equal_constant_time({}, {}));
}

}  // namespace
}  // namespace ringway
