#include "cluster/send_pace.h"

#include <gtest/gtest.h>

namespace ringway::cluster {
namespace {

constexpr int64_t kTimeout = 1600;

TEST(SendPace, GrowsWithQuickAnswersUpToTheWindow) {
  SendPace pace(4000, kTimeout);
  EXPECT_EQ(pace.limit(), SendPace::kStart);
  pace.answered(199, 1000);
  pace.answered(0, 1199);
  EXPECT_EQ(pace.limit(), 2048U);
  pace.answered(0, 1200);
  EXPECT_EQ(pace.limit(), 4000U);
  EXPECT_EQ(SendPace(100, kTimeout).limit(), 100U) << "a small window";
}

TEST(SendPace, HalvesOnceForAllThatIsOnItsWay) {
  SendPace pace(4000, kTimeout);
  pace.answered(401, 10'000);
  EXPECT_EQ(pace.limit(), 512U);
  pace.answered(600, 10'399);
  EXPECT_EQ(pace.limit(), 512U);
  pace.answered(600, 10'400);
  EXPECT_EQ(pace.limit(), 256U);
  pace.answered(300, 20'000);
  EXPECT_EQ(pace.limit(), 256U) << "neither soon nor late";
  for (int i = 0; i < 20; ++i) pace.stalled(30'000);
  EXPECT_EQ(pace.limit(), SendPace::kLeast);
  pace.answered(0, 40'000);
  EXPECT_EQ(pace.limit(), 32U) << "and grows again";
}

// A shard that works 400 messages in the time that is given: what it is offered at once settles
// where none gets old.
TEST(SendPace, ASlowShardIsNotTakenForAHangingOne) {
  SendPace pace(16 * 1024, kTimeout);
  constexpr int64_t kEach = kTimeout / 400;
  int64_t now = 100'000;
  int hangs = 0;
  for (int round = 0; round < 50; ++round) {
    const auto burst = static_cast<int64_t>(pace.limit());
    const int64_t sent = now;
    for (int64_t i = 1; i <= burst; ++i) {
      now = sent + i * kEach;
      if (now - sent >= kTimeout) {
        ++hangs;
        pace.stalled(now);
        break;
      }
      pace.answered(now - sent, now);
    }
  }
  EXPECT_LE(hangs, 2) << "while it finds out";
}

TEST(SendAges, TheOldestCountsAndAnswersTellTheirAge) {
  SendAges ages(kTimeout);
  ages.sent(10, 1000);
  ages.sent(20, 1099);  // the same slice: not before its last
  ages.sent(30, 1100);
  EXPECT_EQ(ages.oldest_ns(), 1099);
  EXPECT_EQ(ages.acknowledged(5), 1099);
  EXPECT_EQ(ages.oldest_ns(), 1099);
  EXPECT_EQ(ages.acknowledged(20), 1099);
  EXPECT_EQ(ages.oldest_ns(), 1100);
  EXPECT_EQ(ages.acknowledged(30), 1100);
  ages.sent(31, 5000);
  EXPECT_EQ(ages.oldest_ns(), 5000);
}

TEST(SendAges, MoreSlicesThanItKeepsJoinTheLast) {
  SendAges ages(kTimeout);
  for (int64_t i = 1; i <= 40; ++i) ages.sent(static_cast<uint64_t>(i), i * 100);
  for (uint64_t i = 1; i < 32; ++i) {
    EXPECT_EQ(ages.oldest_ns(), static_cast<int64_t>(i) * 100);
    (void)ages.acknowledged(i);
  }
  EXPECT_EQ(ages.oldest_ns(), 4000);
  EXPECT_EQ(ages.acknowledged(39), 4000);
  EXPECT_EQ(ages.oldest_ns(), 4000);
}

}  // namespace
}  // namespace ringway::cluster
