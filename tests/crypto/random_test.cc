#include "crypto/random.h"

#include <algorithm>
#include <new>
#include <set>
#include <thread>

#include "base/secret.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

TEST(Random, FillsEverySizeAndNothingElse) {
  for (const auto draw : {random_bytes, random_padding}) {
    for (const size_t size : {size_t{1}, size_t{15}, size_t{4095}, size_t{4096}, size_t{4097},
                              size_t{100000}, size_t{3} << 20}) {
      Bytes data(size + 2, 0);
      draw(ByteSpan(data).subspan(1, size));
      EXPECT_EQ(data.front(), 0);
      EXPECT_EQ(data.back(), 0);
      // Runs of zeros this long come up once in 2^128 tries.
      if (size < 64) continue;
      for (size_t at = 1; at + 16 <= size; at += 16) {
        ASSERT_FALSE(equal(ByteView(data).subspan(at, 16), Bytes(16, 0))) << size << " " << at;
      }
    }
    draw({});
  }
}

TEST(Random, PaddingIsHandedOutOnce) {
  std::set<Bytes> seen;
  for (int i = 0; i < 2000; ++i) {
    Bytes data(16);
    random_padding(data);
    EXPECT_TRUE(seen.insert(data).second);
  }
}

TEST(Random, ThreadsDrawDifferentBytes) {
  Bytes first(64);
  Bytes second(64);
  std::thread one([&] { random_padding(first); });
  std::thread two([&] { random_padding(second); });
  one.join();
  two.join();
  EXPECT_NE(first, second);
}

TEST(Random, NumbersCoverTheirRange) {
  uint32_t ones = 0;
  uint32_t zeros = 0;
  for (int i = 0; i < 200; ++i) {
    const uint32_t value = random_u32();
    ones |= value;
    zeros |= ~value;
  }
  EXPECT_EQ(ones, UINT32_MAX);
  EXPECT_EQ(zeros, UINT32_MAX);
}

// Key material is overwritten when its owner dies: looked at in storage that outlives the object.
TEST(Secret, IsCleansedWhenItDies) {
  alignas(Secret<32>) std::array<uint8_t, sizeof(Secret<32>)> storage{};
  const auto key =
      hex_array<32>("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  auto* secret = new (storage.data()) Secret<32>(key);
  EXPECT_TRUE(std::equal(key.begin(), key.end(), storage.begin()));
  secret->~Secret();
  EXPECT_TRUE(std::all_of(storage.begin(), storage.end(), [](uint8_t byte) { return byte == 0; }));
}

TEST(Secret, CopiesAreIndependent) {
  const auto key =
      hex_array<32>("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  Secret<32> copy;
  {
    const Secret<32> original(key);
    copy = original;
  }
  EXPECT_TRUE(equal(copy.view(), key));
}

}  // namespace
}  // namespace ringway::crypto
