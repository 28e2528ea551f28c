#include "net/timing_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace ringway::net {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1000 * kMs;
constexpr int64_t kHour = 3600 * kSecond;

std::set<uint32_t> advance(TimingWheel& wheel, int64_t now_ns, size_t work_max = SIZE_MAX) {
  std::set<uint32_t> due;
  wheel.advance(now_ns, work_max, [&](uint32_t id) { EXPECT_TRUE(due.insert(id).second); });
  return due;
}

TEST(TimingWheel, FiresOnceAndNotEarly) {
  TimingWheel wheel(5 * kSecond);
  wheel.set(3, 6 * kSecond);
  EXPECT_TRUE(wheel.is_set(3));
  EXPECT_TRUE(advance(wheel, 6 * kSecond - 1).empty());
  EXPECT_EQ(advance(wheel, 6 * kSecond + kWheelTickNs), std::set<uint32_t>{3});
  EXPECT_FALSE(wheel.is_set(3));
  EXPECT_TRUE(advance(wheel, 100 * kSecond).empty());
  EXPECT_EQ(wheel.next_event_ns(), kNoDeadline);
}

TEST(TimingWheel, PastDeadlineFiresWithTheNextTick) {
  TimingWheel wheel(5 * kSecond);
  wheel.set(0, 0);
  EXPECT_EQ(advance(wheel, 5 * kSecond + kWheelTickNs), std::set<uint32_t>{0});
}

TEST(TimingWheel, CancelAndMove) {
  TimingWheel wheel(0);
  wheel.set(1, kSecond);
  wheel.set(2, kSecond);
  wheel.cancel(1);
  wheel.cancel(1);
  wheel.cancel(99);
  wheel.set(2, 3 * kSecond);
  EXPECT_EQ(wheel.size(), 1U);
  EXPECT_TRUE(advance(wheel, 2 * kSecond).empty());
  EXPECT_EQ(advance(wheel, 4 * kSecond), std::set<uint32_t>{2});
}

TEST(TimingWheel, DueMaySetAndCancel) {
  TimingWheel wheel(0);
  for (uint32_t id = 0; id < 10; ++id) wheel.set(id, kSecond);
  size_t fired = 0;
  wheel.advance(2 * kSecond, SIZE_MAX, [&](uint32_t id) {
    ++fired;
    wheel.cancel((id + 1) % 10);
    wheel.set(id, 10 * kSecond);
  });
  EXPECT_LE(fired, 10U);
  EXPECT_GE(fired, 5U);
}

TEST(TimingWheel, WorkIsBounded) {
  TimingWheel wheel(0);
  constexpr uint32_t kCount = 10'000;
  for (uint32_t id = 0; id < kCount; ++id) wheel.set(id, 100 * kSecond);
  size_t fired = 0;
  size_t calls = 0;
  while (wheel.size() > 0) {
    const size_t now_fired = advance(wheel, 101 * kSecond, 100).size();
    EXPECT_LE(now_fired, 100U);
    fired += now_fired;
    ASSERT_LT(++calls, 1000U);
    if (wheel.size() > 0) {
      EXPECT_LE(wheel.next_event_ns(), 101 * kSecond);
    }
  }
  EXPECT_EQ(fired, kCount);
}

TEST(TimingWheel, FarDeadlinesWaitTheirTurn) {
  TimingWheel wheel(0);
  wheel.set(1, 1000 * kHour);
  int64_t now_ns = 0;
  size_t wakes = 0;
  while (wheel.size() > 0) {
    now_ns = wheel.next_event_ns();
    const auto due = advance(wheel, now_ns);
    if (!due.empty()) {
      EXPECT_GE(now_ns, 1000 * kHour);
      EXPECT_LE(now_ns, 1000 * kHour + kWheelTickNs);
    }
    ASSERT_LT(++wakes, 100U) << "an idle wheel must not wake often";
  }
}

// Against a plain ordered map, with jumps of every length.
TEST(TimingWheel, MatchesAModel) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    int64_t now_ns = static_cast<int64_t>(random() % (50 * kHour));
    TimingWheel wheel(now_ns);
    std::map<uint32_t, int64_t> model;
    for (int step = 0; step < 500; ++step) {
      const auto id = static_cast<uint32_t>(random() % 64);
      switch (random() % 4) {
        case 0: {
          constexpr int64_t kReaches[] = {100 * kMs, 10 * kSecond, kHour, 200 * kHour};
          const int64_t reach = kReaches[random() % 4];
          model[id] = now_ns + static_cast<int64_t>(random()) % reach / 2 + reach / 2;
          wheel.set(id, model[id]);
          break;
        }
        case 1:
          model.erase(id);
          wheel.cancel(id);
          break;
        default: {
          constexpr int64_t kJumps[] = {0, 5 * kMs, kSecond, 100 * kSecond, 5 * kHour, 300 * kHour};
          const int64_t jump = kJumps[random() % (step % 50 == 0 ? 6 : 4)];
          now_ns += jump == 0 ? 0 : static_cast<int64_t>(random() % static_cast<uint64_t>(jump));
          for (const uint32_t due : advance(wheel, now_ns)) {
            ASSERT_TRUE(model.contains(due)) << "seed " << seed;
            ASSERT_LE(model[due], now_ns) << "early, seed " << seed;
            model.erase(due);
          }
          for (const auto& [left, deadline_ns] : model) {
            ASSERT_GT(deadline_ns + kWheelTickNs, now_ns) << "late, seed " << seed;
          }
        }
      }
      ASSERT_EQ(wheel.size(), model.size());
      int64_t earliest = kNoDeadline;
      for (const auto& [left, deadline_ns] : model) earliest = std::min(earliest, deadline_ns);
      if (earliest != kNoDeadline) {
        ASSERT_LE(wheel.next_event_ns(), std::max(earliest, now_ns) + 2 * kWheelTickNs);
      } else {
        ASSERT_EQ(wheel.next_event_ns(), kNoDeadline);
      }
    }
  }
}

}  // namespace
}  // namespace ringway::net
