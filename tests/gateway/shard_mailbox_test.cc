#include "gateway/shard_mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace ringway::gateway {
namespace {

TEST(ShardMailbox, TheLatestSetWinsAndIsAnnouncedOnce) {
  ShardMailbox mailbox;
  EXPECT_EQ(mailbox.take(), nullptr);
  EXPECT_TRUE(mailbox.put({"a:1"}));
  EXPECT_FALSE(mailbox.put({"a:1", "b:1"})) << "the worker has been told already";
  const auto set = mailbox.take();
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(*set, (ShardMailbox::Set{"a:1", "b:1"}));
  EXPECT_EQ(mailbox.take(), nullptr);
  EXPECT_TRUE(mailbox.put({})) << "an empty set is a set";
}

TEST(ShardMailbox, TheLastSetArrivesWhateverTheThreadsDo) {
  constexpr int kSets = 20'000;
  ShardMailbox mailbox;
  std::atomic<int> announced{0};
  std::thread discovery([&] {
    for (int i = 1; i <= kSets; ++i) {
      if (mailbox.put({std::to_string(i)})) announced.fetch_add(1);
    }
  });
  int taken = 0;
  int last = 0;
  while (last < kSets) {
    const auto set = mailbox.take();
    if (set == nullptr) continue;
    ++taken;
    const int number = std::stoi(set->front());
    EXPECT_GT(number, last);
    last = number;
  }
  discovery.join();
  EXPECT_EQ(announced.load(), taken);
}

}  // namespace
}  // namespace ringway::gateway
