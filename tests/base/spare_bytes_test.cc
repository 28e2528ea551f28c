#include "base/spare_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace ringway {
namespace {

TEST(SpareBytes, ABufferComesBack) {
  Bytes bytes = take_spare_bytes(300);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(bytes.capacity(), 512U);
  bytes.assign(400, 7);
  const uint8_t* memory = bytes.data();
  give_spare_bytes(std::move(bytes));
  const Bytes again = take_spare_bytes(512);
  EXPECT_TRUE(again.empty());
  EXPECT_EQ(again.data(), memory);
}

TEST(SpareBytes, NobodyGetsMoreThanTwiceWhatWasAskedFor) {
  give_spare_bytes(take_spare_bytes(kSpareBytesMax));
  for (size_t size = 0; size <= 2 * kSpareBytesMax; size += 37) {
    const Bytes bytes = take_spare_bytes(size);
    EXPECT_GE(bytes.capacity(), size);
    EXPECT_LE(bytes.capacity(), std::max(kSpareBytesMin, 2 * size));
  }
}

TEST(SpareBytes, OddOnesHaveRoomForWhatTheyAreTakenFor) {
  for (const size_t capacity : {0U, 1U, 63U, 64U, 65U, 127U, 700U, 65535U, 65536U, 65537U}) {
    Bytes odd;
    odd.reserve(capacity);
    give_spare_bytes(std::move(odd));
  }
  for (size_t size = 1; size <= kSpareBytesMax; size += 61) {
    EXPECT_GE(take_spare_bytes(size).capacity(), size);
  }
}

TEST(SpareBytes, OnlyAFewAreKept) {
  std::vector<Bytes> taken;
  constexpr size_t kKept = kSpareBytesPerSize / 1024;
  for (size_t i = 0; i < 3 * kKept; ++i) taken.push_back(take_spare_bytes(1024));
  std::vector<const uint8_t*> places;
  for (Bytes& bytes : taken) {
    places.push_back(bytes.data());
    give_spare_bytes(std::move(bytes));
  }
  for (size_t i = 0; i < kKept; ++i) {
    taken[i] = take_spare_bytes(1024);
    EXPECT_EQ(taken[i].data(), places[kKept - 1 - i]);
  }
}

// A buffer that changes threads stays with the one that it was given by, until that one ends.
TEST(SpareBytes, EachThreadHasItsOwn) {
  Bytes bytes = take_spare_bytes(4096);
  const uint8_t* memory = bytes.data();
  const uint8_t* found = nullptr;
  std::thread([&] {
    give_spare_bytes(std::move(bytes));
    found = take_spare_bytes(4096).data();
  }).join();
  EXPECT_EQ(found, memory);
}

}  // namespace
}  // namespace ringway
