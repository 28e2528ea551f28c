// The dispatcher while shards come and go.
#include <map>
#include <random>

#include "base/limits.h"
#include "cluster/dispatcher_test.h"
#include "cluster/hash_ring.h"

namespace ringway::cluster {
namespace {

TEST_F(DispatcherTest, MessagesFollowTheRing) {
  make();
  dispatcher_->set_shards({kShard, kOther, kShard}, now_);
  settle();
  EXPECT_EQ(status().size(), 2U);
  HashRing ring;
  for (const char* node : {kShard, kOther}) ring.add(node);
  ring.add(kShard);
  std::map<std::string, std::set<int64_t>> expected;
  for (int64_t key = -200; key < 200; ++key) {
    ASSERT_EQ(send(key, 0), Submit::kAccepted);
    expected[ring.nodes()[ring.pick(key)]].insert(key);
  }
  settle();
  for (const char* node : {kShard, kOther}) {
    std::set<int64_t> got;
    for (const ShardMessage& m : shard(node).received()) got.insert(m.auth_key_id);
    EXPECT_EQ(got, expected[node]);
    EXPECT_GT(got.size(), 50U);
  }
}

class NodeSetTest : public DispatcherTest, public ::testing::WithParamInterface<int> {
 protected:
  void make_set(const std::vector<std::string>& nodes, DispatcherOptions options = {}) {
    make(std::move(options));
    set_wires(nodes);
    dispatcher_->set_shards(nodes, now_);
    settle();
  }
  void set_wires(const std::vector<std::string>& nodes) {
    for (const std::string& node : nodes) {
      transport_->shard(node).set_wires(GetParam() == 0, GetParam() <= 1, true);
    }
  }
  // The numbers that `node` took of `key`, as they came.
  std::vector<uint32_t> taken(const std::string& node, int64_t key) {
    std::vector<uint32_t> all;
    for (const ShardMessage& m : transport_->shard(node).received()) {
      if (m.auth_key_id == key && !m.close) all.push_back(number_of(m.payload));
    }
    return all;
  }
  // The numbers of `key` in the order in which any of the nodes took them for the first time.
  std::vector<uint32_t> first_deliveries(const std::vector<std::string>& nodes, int64_t key) {
    std::map<uint64_t, uint32_t> by_order;
    for (const std::string& node : nodes) {
      for (const ShardMessage& m : transport_->shard(node).received()) {
        if (m.auth_key_id == key && !m.close) by_order[m.order] = number_of(m.payload);
      }
    }
    std::vector<uint32_t> all;
    std::set<uint32_t> seen;
    for (const auto& [order, number] : by_order) {
      if (seen.insert(number).second) all.push_back(number);
    }
    return all;
  }
  // A key that `owner` has among `nodes`, the `n`th.
  static int64_t key_of(const std::vector<std::string>& nodes, const std::string& owner,
                        int n = 0) {
    HashRing ring;
    ring.assign(nodes);
    for (int64_t key = 1;; ++key) {
      if (ring.nodes()[ring.pick(key)] == owner && n-- == 0) return key;
    }
  }
};

TEST_P(NodeSetTest, WhatANodeThatGoesHasNotAcknowledgedGoesToTheOthersInOrder) {
  const std::vector<std::string> all = {"a:1", "b:1", "c:1"};
  make_set(all);
  transport_->shard("c:1").set_answering(false);
  const std::vector<int64_t> keys = {key_of(all, "c:1", 0), key_of(all, "c:1", 1),
                                     key_of(all, "c:1", 2), key_of(all, "c:1", 3),
                                     key_of(all, "a:1"),    key_of(all, "b:1")};
  for (uint32_t i = 0; i < 20; ++i) {
    for (const int64_t key : keys) ASSERT_EQ(send(key, i), Submit::kAccepted);
    if (i == 10) settle();  // some of it has reached the node, some not
  }
  for (const int64_t key : keys) {
    dispatcher_->close_session({.auth_key_id = key, .perm_auth_key_id = key});
  }
  dispatcher_->set_shards({"a:1", "b:1"}, now_);
  wait(kHandoverNs);  // a moment in which the node might still acknowledge
  for (const int64_t key : keys) ASSERT_EQ(send(key, 20), Submit::kAccepted);
  settle();
  HashRing ring;
  ring.assign({"a:1", "b:1"});
  for (const int64_t key : keys) {
    const std::string& owner = ring.nodes()[ring.pick(key)];
    EXPECT_EQ(taken(owner, key), counting(21)) << key;
    std::vector<bool> closes;
    for (const ShardMessage& m : transport_->shard(owner).received()) {
      if (m.auth_key_id == key) closes.push_back(m.close);
    }
    ASSERT_EQ(closes.size(), 22U);
    EXPECT_TRUE(closes[20]) << "the close keeps its place";
  }
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kMessagesHandedOver), 4U * 21);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  EXPECT_EQ(status().size(), 2U) << "its link is gone";
  for (const char* node : {"a:1", "b:1"}) EXPECT_EQ(transport_->opened(node), 1U);
}

TEST_P(NodeSetTest, AKeyThatChangesItsOwnerWaitsForWhatTheOldOneHas) {
  make_set({"a:1"});
  transport_->shard("a:1").set_answering(false);
  const std::vector<std::string> both = {"a:1", "b:1"};
  set_wires(both);
  const int64_t moves = key_of(both, "b:1");
  const int64_t idle = key_of(both, "b:1", 1);
  const int64_t stays = key_of(both, "a:1");
  for (uint32_t i = 0; i < 3; ++i) {
    for (const int64_t key : {moves, stays}) ASSERT_EQ(send(key, i), Submit::kAccepted);
  }
  settle();
  dispatcher_->set_shards(both, now_);
  settle();
  events_.opened.clear();
  EXPECT_EQ(send(moves, 3), Submit::kAccepted);
  EXPECT_EQ(send(stays, 3), Submit::kAccepted);
  EXPECT_EQ(send(idle, 0), Submit::kAccepted);
  // Its session's end stays behind the session's messages.
  dispatcher_->close_session({.auth_key_id = moves, .perm_auth_key_id = moves});
  settle();
  EXPECT_EQ(transport_->shard("b:1").received_count(), 0U);
  EXPECT_TRUE(events_.opened.empty());
  transport_->shard("a:1").set_answering(true);
  settle();
  EXPECT_EQ(events_.opened, std::vector<uint32_t>{kAnyShard}) << "who waits tries again";
  // Before the first answer all wires but the batched one have one message on its way.
  const uint32_t sent = GetParam() == 0 ? 3 : 1;
  EXPECT_EQ(taken("a:1", moves), counting(sent)) << "nothing was sent to both";
  std::vector<uint32_t> rest;
  for (uint32_t i = sent; i <= 3; ++i) rest.push_back(i);
  EXPECT_EQ(taken("b:1", moves), rest);
  EXPECT_EQ(taken("b:1", idle), counting(1));
  EXPECT_EQ(taken("a:1", stays), counting(4));
  std::vector<bool> closes;
  for (const ShardMessage& m : transport_->shard("b:1").received()) {
    if (m.auth_key_id == moves) closes.push_back(m.close);
  }
  std::vector<bool> all_of_it(rest.size(), false);
  all_of_it.push_back(true);
  EXPECT_EQ(closes, all_of_it);
  EXPECT_EQ(counters_.read(Counter::kMessagesHandedOver), rest.size() + 2)
      << "the close and idle's";
  EXPECT_EQ(counters_.read(Counter::kShardReplays), 0U);
}

TEST_P(NodeSetTest, AnEmptySetTakesNothingAndLosesNothing) {
  make_set({"a:1"});
  transport_->shard("a:1").set_up(false);
  settle();
  for (uint32_t i = 0; i < 7; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  dispatcher_->set_shards({}, now_);
  EXPECT_EQ(send(1, 7), Submit::kNoShard);
  EXPECT_EQ(dispatcher_->shard_of(1), kAnyShard);
  for (int minute = 0; minute < 10; ++minute) wait(60 * kNsPerSecond);
  EXPECT_EQ(dispatcher_->unacknowledged(), 7U);
  EXPECT_EQ(send(1, 7), Submit::kNoShard);
  set_wires({"b:1"});
  dispatcher_->set_shards({"b:1"}, now_);
  ASSERT_EQ(send(1, 7), Submit::kAccepted);
  settle();
  EXPECT_EQ(taken("b:1", 1), counting(8));
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
}

TEST_P(NodeSetTest, ASetMayChangeWhileAnotherChangeIsUnderWay) {
  const std::vector<std::string> all = {"a:1", "b:1", "c:1", "d:1"};
  make({}, 7);
  set_wires(all);
  std::map<int64_t, uint32_t> sent;
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> nodes;
    for (const std::string& node : all) {
      if (random() % 2 == 0) nodes.push_back(node);
    }
    dispatcher_->set_shards(nodes, now_);
    for (const std::string& node : all) transport_->shard(node).set_answering(random() % 3 != 0);
    for (int i = 0; i < 40; ++i) {
      const auto key = static_cast<int64_t>(random() % 12);
      if (send(key, sent[key]) == Submit::kAccepted) ++sent[key];
    }
    turn();
    for (uint64_t steps = random() % 60; steps > 0; --steps) (void)transport_->step();
    turn();
  }
  for (const std::string& node : all) transport_->shard(node).set_answering(true);
  dispatcher_->set_shards(all, now_);
  reconnect();
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  EXPECT_GT(counters_.read(Counter::kMessagesHandedOver), 0U);
  for (const auto& [key, count] : sent) {
    EXPECT_EQ(first_deliveries(all, key), counting(count)) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Wires, NodeSetTest, ::testing::Values(0, 1, 2));

// What moves may lift a window above its limit, for it was promised; but then it takes nothing new,
// and neither does any other while all together hold more than the nodes that there are.
TEST_F(DispatcherTest, AWindowAboveItsLimitTakesNothingNew) {
  constexpr size_t kNodes = 12;
  constexpr size_t kEach = 4;
  make({.window_messages_max = kEach});
  std::vector<std::string> nodes;
  for (size_t i = 0; i < kNodes; ++i) {
    nodes.push_back("n" + std::to_string(i) + ":1");
    shard(nodes.back().c_str()).set_up(false);
  }
  dispatcher_->set_shards(nodes, now_);
  turn();
  size_t accepted = 0;
  for (int64_t key = 0; key < 10'000; ++key) {
    if (send(key, 0) == Submit::kAccepted) ++accepted;
  }
  ASSERT_EQ(accepted, kNodes * kEach);
  dispatcher_->set_shards({kShard}, now_);
  EXPECT_EQ(dispatcher_->unacknowledged(), kNodes * kEach);
  EXPECT_EQ(send(1, 0), Submit::kWindowFull);
  shard(kOther).set_up(true);
  shard(kOther).set_answering(false);
  shard().set_answering(false);
  settle();
  dispatcher_->set_shards({kShard, kOther}, now_);
  wait(kHandoverNs);
  for (int64_t key = 0; key < 100; ++key) EXPECT_EQ(send(key, 1), Submit::kWindowFull);
  shard().set_answering(true);
  shard(kOther).set_answering(true);
  settle();
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  EXPECT_EQ(send(1, 0), Submit::kAccepted);
}

TEST_F(DispatcherTest, KeyQueriesOfANodeThatGoesAreAnswered) {
  start();
  shard().put_key(make_key(5));
  shard().set_answering(false);
  ASSERT_TRUE(dispatcher_->query_auth_key(5, now_));
  settle();
  dispatcher_->set_shards({kOther}, now_);
  settle();
  EXPECT_TRUE(events_.keys.empty());
  EXPECT_EQ(status().size(), 2U);
  shard().set_answering(true);
  settle();
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFound);
  EXPECT_EQ(status().size(), 1U);
}

// Both calls end in the poll that drops their link, and who hears of the first gives up the other.
TEST_F(DispatcherTest, TheLastCallOfANodeThatHasGoneMayBeCancelled) {
  start();
  shard().set_http_answer(0, "late");
  shard().set_answering(false);
  const NumberedMessage m(5, 0);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
  ASSERT_TRUE(dispatcher_->send_http(m.message, 2, now_));
  settle();
  dispatcher_->set_shards({kOther}, now_);
  settle();
  ASSERT_EQ(status().size(), 2U);
  events_.on_http = [this](uint64_t cookie) { dispatcher_->cancel_http(3 - cookie); };
  shard().set_answering(true);
  settle();
  EXPECT_EQ(events_.http.size(), 1U);
  EXPECT_EQ(counters_.read(Counter::kHttpCallsCancelled), 1U);
  EXPECT_EQ(status().size(), 1U);
}

TEST_F(DispatcherTest, ANodeThatComesBackIsUsedAgain) {
  start();
  const std::string node = kShard;
  shard().set_answering(false);
  ASSERT_TRUE(dispatcher_->query_auth_key(5, now_));  // keeps its link for a while
  settle();
  dispatcher_->set_shards({kOther}, now_);
  settle();
  ASSERT_EQ(status().size(), 2U);
  dispatcher_->set_shards({node}, now_);
  shard().set_answering(true);
  for (uint32_t i = 0; i < 7; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  settle();
  EXPECT_EQ(numbers(1), counting(7));
  EXPECT_EQ(transport_->opened(kShard), 1U);
}

}  // namespace
}  // namespace ringway::cluster
