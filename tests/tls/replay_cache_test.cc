#include "tls/replay_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace ringway::tls {
namespace {

using Verdict = ReplayCache::Verdict;
using Id = std::array<uint8_t, 16>;

constexpr int64_t kWindow = kFakeHelloAgeMaxSeconds + kFakeHelloAheadMaxSeconds;

Id id_of(uint64_t number) {
  Id id{};
  store_le(id.data() + 4, number);
  return id;
}

TEST(ReplayCache, KnowsWhatItHasSeen) {
  ReplayCache cache;
  for (uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(cache.insert(id_of(i), 100), Verdict::kNew);
  for (uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(cache.insert(id_of(i), 100), Verdict::kSeen);
  EXPECT_EQ(cache.size(), 20'000u);
}

TEST(ReplayCache, EveryByteOfAnIdCounts) {
  ReplayCache cache;
  const Id id = id_of(7);
  EXPECT_EQ(cache.insert(id, 0), Verdict::kNew);
  for (size_t at = 0; at < id.size(); ++at) {
    Id other = id;
    other[at] ^= 0x80;
    EXPECT_EQ(cache.insert(other, 0), Verdict::kNew) << at;
  }
}

TEST(ReplayCache, RemembersForLongWhereThereIsRoom) {
  ReplayCache cache;
  EXPECT_EQ(cache.insert(id_of(1), 0), Verdict::kNew);
  EXPECT_EQ(cache.insert(id_of(1), kWindow + 1), Verdict::kSeen);
  EXPECT_EQ(cache.insert(id_of(1), kFakeHelloRememberedSeconds), Verdict::kSeen);
  for (uint64_t i = 2; i < 10'000; ++i) {
    ASSERT_EQ(cache.insert(id_of(i), kFakeHelloRememberedSeconds + 1), Verdict::kNew);
  }
  // Its part has forgotten it with the first that came after its time.
  EXPECT_EQ(cache.insert(id_of(1), kFakeHelloRememberedSeconds + 1), Verdict::kNew);
}

TEST(ReplayCache, FullRefusesWithinTheWindowAndForgetsTheOldestBehindIt) {
  ReplayCache cache(0);  // one for each part
  uint64_t number = 0;
  std::vector<uint64_t> kept;
  while (kept.size() < kFakeHelloStripes && number < 100'000) {
    if (cache.insert(id_of(number), 1000) == Verdict::kNew) kept.push_back(number);
    ++number;
  }
  ASSERT_EQ(kept.size(), kFakeHelloStripes);
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(cache.insert(id_of(number + i), 1000 + kWindow), Verdict::kFull);
  }
  for (const uint64_t i : kept) EXPECT_EQ(cache.insert(id_of(i), 1000 + kWindow), Verdict::kSeen);
  EXPECT_EQ(cache.insert(id_of(number), 1000 + kWindow + 1), Verdict::kNew);
  EXPECT_EQ(cache.insert(id_of(number), 1000 + kWindow + 1), Verdict::kSeen);
  EXPECT_EQ(cache.size(), kFakeHelloStripes);
}

TEST(ReplayCache, AClockThatGoesBackOpensNothing) {
  ReplayCache cache(0);
  uint64_t number = 0;
  while (cache.size() < kFakeHelloStripes) (void)cache.insert(id_of(number++), 10'000);
  EXPECT_EQ(cache.insert(id_of(number), 0), Verdict::kFull);
}

// Against a plain set, with parts that are full, empty again and in between.
TEST(ReplayCache, ForgettingLosesNobodyElse) {
  constexpr uint64_t kPerPart = 8;
  ReplayCache cache(kPerPart * kFakeHelloStripes);
  std::mt19937_64 random(5);
  std::vector<std::pair<uint64_t, int64_t>> inserted;
  int64_t now = 0;
  for (int i = 0; i < 30'000; ++i) {
    now += random() % 2;
    const uint64_t number = random();
    if (cache.insert(id_of(number), now) == Verdict::kNew) inserted.emplace_back(number, now);
    // One that is still within the window must be there.
    const auto& [seen, at] =
        inserted[inserted.size() - 1 - random() % std::min<size_t>(inserted.size(), 1000)];
    if (now - at > kWindow) continue;
    ASSERT_EQ(cache.insert(id_of(seen), now), Verdict::kSeen) << i;
  }
  EXPECT_LE(cache.size(), kPerPart * kFakeHelloStripes);
  EXPECT_GT(inserted.size(), 5 * kPerPart * kFakeHelloStripes);
}

TEST(ReplayCache, OneOfManyThreadsIsLetIn) {
  constexpr uint64_t kIds = 20'000;
  ReplayCache cache;
  std::atomic<uint64_t> let_in = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kIds; ++i) {
        if (cache.insert(id_of(i), 0) == Verdict::kNew) ++let_in;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(let_in.load(), kIds);
}

}  // namespace
}  // namespace ringway::tls
