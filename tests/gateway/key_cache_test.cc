#include "gateway/key_cache.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace ringway::gateway {
namespace {

cluster::AuthKeyRecord record(int64_t id, uint8_t fill = 7) {
  cluster::AuthKeyRecord made;
  made.auth_key_id = id;
  made.perm_auth_key_id = id;
  std::fill(made.key.span().begin(), made.key.span().end(), fill);
  return made;
}

ConnectionRef connection(uint64_t serial) {
  ConnectionRef ref;
  ref.set_worker(0);
  ref.set_serial(serial);
  return ref;
}

TEST(KeyCache, FindsWhatWasInserted) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  EXPECT_EQ(cache.find(1, 100), nullptr);
  cache.insert(record(1), 0, 0);
  ASSERT_NE(cache.find(1, 100), nullptr);
  EXPECT_EQ(cache.find(1, 100)->record.auth_key_id, 1);
}

TEST(KeyCache, EvictsTheLeastRecentlyUsedWhenFull) {
  CounterBlock counters;
  KeyCache cache(3, counters);
  for (int64_t id = 1; id <= 3; ++id) cache.insert(record(id), 0, 0);
  ASSERT_NE(cache.find(1, 0), nullptr);  // 2 is now the oldest
  cache.insert(record(4), 0, 0);
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find(2, 0), nullptr);
  EXPECT_NE(cache.find(1, 0), nullptr);
  EXPECT_NE(cache.find(4, 0), nullptr);
  EXPECT_EQ(counters.read(Counter::kKeyCacheEvictions), 1U);
}

TEST(KeyCache, PinnedEntriesStayWhateverTheBudget) {
  CounterBlock counters;
  KeyCache cache(1, counters);
  KeyEntry& pinned = cache.insert(record(1), 0, 0);
  cache.pin(pinned, connection(10));
  for (int64_t id = 2; id <= 50; ++id) cache.insert(record(id), 0, 0);
  EXPECT_EQ(cache.find(1, 0), &pinned);
  EXPECT_LE(cache.size(), 2U);
  cache.unpin(pinned, connection(10));
  cache.insert(record(99), 0, 0);
  EXPECT_EQ(cache.find(1, 0), nullptr);
}

TEST(KeyCache, ExpiredKeysAreNotFound) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  cache.insert(record(1), 1000, 0);
  EXPECT_NE(cache.find(1, 999), nullptr);
  EXPECT_EQ(cache.find(1, 1000), nullptr);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(KeyCache, ALookUpKeepsTheExpiryOfAKeyMadeHere) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  cache.insert(record(1), 1000, 0);
  cache.insert(record(1), 0, 0);  // a shard does not tell the expiry
  EXPECT_EQ(cache.find(1, 1000), nullptr);
}

TEST(KeyCache, AShardsWordRevivesAnExpiredKeyInUse) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  KeyEntry& entry = cache.insert(record(1), 1000, 0);
  cache.pin(entry, connection(10));
  EXPECT_EQ(cache.find(1, 1000), nullptr);
  EXPECT_FALSE(entry.revoked);
  EXPECT_EQ(&cache.insert(record(1), 0, 1000), &entry);
  EXPECT_EQ(cache.find(1, 5000), &entry);
  cache.unpin(entry, connection(10));
}

TEST(KeyCache, ARevokedKeyInUseLeavesWithItsLastUser) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  KeyEntry& entry = cache.insert(record(1), 0, 0);
  cache.pin(entry, connection(10));
  cache.pin(entry, connection(11));
  cache.revoke(1);
  EXPECT_EQ(cache.find(1, 0), nullptr);
  EXPECT_FALSE(entry.usable(0));
  cache.unpin(entry, connection(10));
  EXPECT_EQ(cache.size(), 1U);
  cache.unpin(entry, connection(11));
  EXPECT_EQ(cache.size(), 0U);
}

TEST(KeyCache, AReinsertedKeyIsGoodAgainAtTheSameAddress) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  KeyEntry& entry = cache.insert(record(1), 0, 0);
  cache.pin(entry, connection(10));
  cache.revoke(1);
  EXPECT_EQ(&cache.insert(record(1), 0, 0), &entry);
  EXPECT_TRUE(entry.usable(0));
  EXPECT_EQ(entry.users.size(), 1U);
  cache.unpin(entry, connection(10));
}

cluster::AuthKeyRecord temporary(int64_t id, int64_t perm_auth_key_id) {
  cluster::AuthKeyRecord made = record(id);
  made.key_type = 1;
  made.perm_auth_key_id = perm_auth_key_id;
  return made;
}

TEST(KeyCache, AnUnboundKeyLeavesWithItsLastUser) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  KeyEntry& unbound = cache.insert(temporary(1, 0), 0, 0);
  KeyEntry& bound = cache.insert(temporary(2, 9), 0, 0);
  EXPECT_TRUE(unbound.unbound());
  EXPECT_FALSE(bound.unbound());
  EXPECT_NE(cache.find(1, 0), nullptr) << "fresh from its key exchange";
  for (KeyEntry* entry : {&unbound, &bound}) {
    cache.pin(*entry, connection(10));
    cache.unpin(*entry, connection(10));
  }
  EXPECT_EQ(cache.find(1, 0), nullptr) << "it may have been bound by another gateway meanwhile";
  EXPECT_NE(cache.find(2, 0), nullptr);
}

TEST(KeyCache, TimersFireOnceAndGoWithTheirKeys) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  EXPECT_EQ(cache.next_timer_ns(), net::kNoDeadline);
  constexpr int64_t kSecond = 1'000'000'000;
  for (int64_t id = 1; id <= 3; ++id) {
    cache.set_timer(cache.insert(record(id), 0, 0), id * kSecond, 0);
  }
  EXPECT_LE(cache.next_timer_ns(), 2 * kSecond);
  std::vector<int64_t> due;
  const auto run = [&](int64_t now_ns) {
    cache.run_timers(now_ns, [&](KeyEntry& entry) {
      due.push_back(entry.record.auth_key_id);
      if (entry.record.auth_key_id == 1) cache.revoke(1);
    });
  };
  run(kSecond / 2);
  EXPECT_TRUE(due.empty());
  run(kSecond + kSecond / 2);
  EXPECT_EQ(due, std::vector<int64_t>{1});
  EXPECT_EQ(cache.at(1), nullptr);
  cache.revoke(2);  // its timer goes along, and may be another key's
  cache.set_timer(cache.insert(record(4), 0, 0), 3 * kSecond, 2 * kSecond);
  cache.set_timer(*cache.at(3), net::kNoDeadline, 2 * kSecond);
  run(10 * kSecond);
  EXPECT_EQ(due, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(cache.next_timer_ns(), net::kNoDeadline);
}

TEST(KeyCache, EvictedKeysTakeTheirTimersAlong) {
  CounterBlock counters;
  KeyCache cache(2, counters);
  for (int64_t id = 1; id <= 100; ++id) {
    cache.set_timer(cache.insert(record(id), 0, 0), 1'000'000'000, 0);
  }
  size_t fired = 0;
  for (int round = 0; round < 3; ++round) {
    cache.run_timers(2'000'000'000, [&](KeyEntry&) { ++fired; });
  }
  EXPECT_EQ(fired, cache.size());
}

TEST(KeyCache, UnknownKeysAreRememberedForAWhile) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  cache.remember_unknown(5, 0);
  EXPECT_TRUE(cache.known_unknown(5, kNegativeKeyCacheNs - 1));
  EXPECT_FALSE(cache.known_unknown(5, kNegativeKeyCacheNs));
  EXPECT_FALSE(cache.known_unknown(6, 0));
  cache.remember_unknown(7, 0);
  cache.insert(record(7), 0, 0);
  EXPECT_FALSE(cache.known_unknown(7, 1));
}

TEST(KeyCache, TheMemoryOfUnknownKeysIsBounded) {
  CounterBlock counters;
  KeyCache cache(1 << 20, counters);
  for (size_t id = 0; id < 2 * kUnknownKeysRemembered; ++id) {
    cache.remember_unknown(static_cast<int64_t>(id), 0);
  }
  EXPECT_TRUE(cache.known_unknown(0, 1));
  EXPECT_FALSE(cache.known_unknown(static_cast<int64_t>(2 * kUnknownKeysRemembered - 1), 1));
}

}  // namespace
}  // namespace ringway::gateway
