// The dispatcher over each transport to a real gRPC server, on each wire. Which transport it is the
// binary says: see link_harness.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <ostream>
#include <set>
#include <thread>

#include "base/limits.h"
#include "cluster/grpc_shard.h"
#include "cluster/link_harness.h"
#include "cluster/recorder.h"

namespace ringway::cluster {
namespace {

constexpr int64_t kGiveUpNs = 30 * kNsPerSecond;

class GrpcTest : public ::testing::Test {
 protected:
  void open(GrpcShardWires wires, DispatcherOptions options = {}) {
    shard_ = std::make_unique<GrpcShard>(wires);
    ASSERT_TRUE(shard_->start());
    connect(options);
  }
  void connect(DispatcherOptions options = {}) {
    options.server_id = "127.0.0.1:1";
    dispatcher_ = std::make_unique<Dispatcher>(options, harness_->transport(), events_,
                                               harness_->waker(), counters_);
    dispatcher_->set_shards({shard_->address()}, read_clocks());
  }

  // One turn of a worker; none may wait for anything.
  void turn() {
    const int64_t before = read_clocks().mono_ns;
    harness_->begin_turn(read_clocks());
    dispatcher_->poll(read_clocks());
    dispatcher_->flush(read_clocks());
    harness_->finish_turn(read_clocks());
    longest_turn_ns_ = std::max(longest_turn_ns_, read_clocks().mono_ns - before);
  }
  template <typename Done>
  [[nodiscard]] bool run_until(Done&& done, int64_t give_up_ns = kGiveUpNs) {
    const int64_t end = read_clocks().mono_ns + give_up_ns;
    while (read_clocks().mono_ns < end) {
      turn();
      if (done()) return true;
      if (!dispatcher_->has_work()) harness_->sleep();
    }
    return done();
  }
  void run_for(int64_t ns) {
    (void)run_until([] { return false; }, ns);
  }
  [[nodiscard]] bool drained() {
    return run_until([this] { return dispatcher_->unacknowledged() == 0; });
  }

  Submit send(int64_t key, uint32_t number, size_t size = 32) {
    const NumberedMessage m(key, number, size);
    return dispatcher_->send(m.message);
  }
  std::vector<ShardStatus> status() {
    std::vector<ShardStatus> all;
    dispatcher_->status(all);
    return all;
  }
  std::string wire() { return status().at(0).wire; }

  // A second shard beside the first, both in the ring, and a key of the first.
  int64_t add_shard(GrpcShardWires wires) {
    other_ = std::make_unique<GrpcShard>(wires);
    EXPECT_TRUE(other_->start());
    dispatcher_->set_shards({shard_->address(), other_->address()}, read_clocks());
    EXPECT_TRUE(run_until([this] { return dispatcher_->shard_of(1) != kAnyShard; }));
    int64_t key = 1;
    while (status().at(dispatcher_->shard_of(key)).address != shard_->address()) ++key;
    return key;
  }

  // What came from a key, in order and without repetitions.
  std::vector<uint32_t> numbers(int64_t key) { return numbers(key, *shard_); }
  static std::vector<uint32_t> numbers(int64_t key, const GrpcShard& shard) {
    std::vector<uint32_t> all;
    std::set<uint32_t> seen;
    for (const GrpcShard::Message& m : shard.received()) {
      if (m.auth_key_id != key || m.close) continue;
      const uint32_t n = number_of(as_bytes(m.payload));
      if (seen.insert(n).second) all.push_back(n);
    }
    return all;
  }
  static std::vector<uint32_t> counting(uint32_t count) {
    std::vector<uint32_t> all(count);
    for (uint32_t i = 0; i < count; ++i) all[i] = i;
    return all;
  }

  CounterBlock counters_;
  Recorder events_;
  int64_t longest_turn_ns_ = 0;
  std::unique_ptr<GrpcShard> shard_;
  std::unique_ptr<GrpcShard> other_;
  std::unique_ptr<LinkHarness> harness_ = make_link_harness();
  std::unique_ptr<Dispatcher> dispatcher_;
};

struct WireCase {
  GrpcShardWires wires;
  const char* name;
  friend void PrintTo(const WireCase& wire, std::ostream* out) { *out << wire.name; }
};

class GrpcWireTest : public GrpcTest, public ::testing::WithParamInterface<WireCase> {};

TEST_P(GrpcWireTest, IsFoundAndKeepsOrder) {
  open(GetParam().wires);
  const uint32_t count = 300;
  for (uint32_t i = 0; i < count; ++i) {
    for (int64_t key = 1; key <= 4; ++key) ASSERT_EQ(send(key, i), Submit::kAccepted);
    if (i % 50 == 0) turn();
  }
  dispatcher_->close_session({1, 0, 1, 10, "192.0.2.1"});
  ASSERT_TRUE(drained());
  EXPECT_EQ(wire(), GetParam().name);
  for (int64_t key = 1; key <= 4; ++key) EXPECT_EQ(numbers(key), counting(count));
  const auto received = shard_->received();
  EXPECT_EQ(received.size(), count * 4 + 1);
  EXPECT_TRUE(std::any_of(received.begin(), received.end(),
                          [](const auto& m) { return m.close && m.session_id == 10; }));
  for (const GrpcShard::Message& m : received) EXPECT_EQ(m.wire, GetParam().name);
}

TEST_P(GrpcWireTest, LargeMessagesPass) {
  open(GetParam().wires);
  for (uint32_t i = 0; i < 3; ++i) ASSERT_EQ(send(1, i, kFrameBytesMax), Submit::kAccepted);
  ASSERT_EQ(send(1, 3), Submit::kAccepted);
  ASSERT_TRUE(drained());
  EXPECT_EQ(numbers(1), counting(4));
  EXPECT_EQ(shard_->received()[0].payload.size(), kFrameBytesMax);
}

TEST_P(GrpcWireTest, UnacknowledgedMessagesSurviveARestartOfTheShard) {
  open(GetParam().wires);
  for (uint32_t i = 0; i < 10; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  ASSERT_TRUE(drained());
  shard_->hold(true);
  for (uint32_t i = 10; i < 50; ++i) {
    for (int64_t key = 1; key <= 3; ++key) ASSERT_EQ(send(key, i), Submit::kAccepted);
  }
  ASSERT_TRUE(run_until([this] { return shard_->received_count() > 11; }));
  shard_->stop();
  EXPECT_EQ(dispatcher_->unacknowledged(), 120U);
  ASSERT_EQ(send(1, 50), Submit::kAccepted) << "the window takes on when the shard goes";
  ASSERT_TRUE(run_until([this] { return dispatcher_->shard_of(1) == kAnyShard; }))
      << "and nothing more once it counts as gone";
  shard_->hold(false);
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(drained());
  EXPECT_EQ(numbers(1), counting(51));
  std::vector<uint32_t> expected = counting(50);
  expected.erase(expected.begin(), expected.begin() + 10);
  EXPECT_EQ(numbers(2), expected);
  EXPECT_EQ(wire(), GetParam().name);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
}

TEST_P(GrpcWireTest, ADeadShardsMessagesGoToAnother) {
  open(GetParam().wires);
  const int64_t key = add_shard(GetParam().wires);
  ASSERT_EQ(send(key, 0), Submit::kAccepted);
  ASSERT_TRUE(drained());
  shard_->hold(true);
  for (uint32_t i = 1; i < 60; ++i) ASSERT_EQ(send(key, i), Submit::kAccepted);
  ASSERT_TRUE(run_until([this] { return shard_->received_count() > 1; }));
  shard_->stop();
  ASSERT_TRUE(drained());
  std::vector<uint32_t> expected = counting(60);
  expected.erase(expected.begin());
  EXPECT_EQ(numbers(key, *other_), expected);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  // It comes back by itself, and its keys with it.
  shard_->hold(false);
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(run_until(
      [&] { return status().at(dispatcher_->shard_of(key)).address == shard_->address(); }));
  ASSERT_EQ(send(key, 60), Submit::kAccepted);
  ASSERT_TRUE(drained());
  EXPECT_EQ(numbers(key).back(), 60U);
}

TEST_P(GrpcWireTest, ARedirectIsFollowedInOrder) {
  open(GetParam().wires);
  const int64_t key = add_shard(GetParam().wires);
  shard_->redirect_key(key, other_->address());
  for (uint32_t i = 0; i < 40; ++i) {
    ASSERT_EQ(send(key, i), Submit::kAccepted);
    if (i % 9 == 0) turn();
  }
  dispatcher_->close_session({key, 0, key, 10, "192.0.2.1"});
  ASSERT_TRUE(drained());
  EXPECT_EQ(numbers(key, *other_), counting(40));
  EXPECT_TRUE(other_->received().back().close);
  EXPECT_EQ(shard_->received_count(), 0U);
}

TEST_P(GrpcWireTest, UnregisteredKeyIsTold) {
  open(GetParam().wires);
  mtproto::AuthKeyInfo key;
  key.set_auth_key_id(1);
  shard_->put_key(key);
  shard_->check_keys(true);
  ASSERT_EQ(send(2, 0), Submit::kAccepted);
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  ASSERT_TRUE(drained());
  EXPECT_EQ(events_.unregistered, std::vector<int64_t>{2});
  EXPECT_EQ(numbers(1), counting(1));
}

TEST_P(GrpcWireTest, AHangingShardHoldsUpNoTurn) {
  open(GetParam().wires, {.window_messages_max = 512});
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  ASSERT_TRUE(drained());
  shard_->hold(true);
  longest_turn_ns_ = 0;
  uint32_t taken = 1;
  while (send(1, taken, 2000) == Submit::kAccepted) {
    ++taken;
    turn();
    ASSERT_LE(taken, 513U);
  }
  EXPECT_EQ(taken, 513U);
  run_for(300 * kNsPerMs);
  EXPECT_EQ(dispatcher_->unacknowledged(), 512U);
  // Generous: the machine that runs this is busy. A turn that waited for the shard would take
  // seconds.
  EXPECT_LT(longest_turn_ns_, kNsPerSecond);
  shard_->hold(false);
  ASSERT_TRUE(drained());
  EXPECT_EQ(numbers(1), counting(513));
  ASSERT_FALSE(events_.opened.empty());
  EXPECT_EQ(events_.opened.back(), dispatcher_->shard_of(1));
}

// Streams stay for good: where a shard allows few on a connection, they leave room for calls.
TEST_P(GrpcWireTest, AShardThatAllowsFewStreamsServesMessagesAndCalls) {
  for (const int streams_max : {2, 3, 5}) {
    shard_ = std::make_unique<GrpcShard>(GetParam().wires);
    shard_->allow_streams(streams_max);
    ASSERT_TRUE(shard_->start());
    connect({.call_timeout_ns = 5 * kNsPerSecond});
    events_ = {};
    constexpr int64_t kKeys = 12;
    constexpr uint32_t kMessages = 60;
    for (uint32_t i = 0; i < kMessages; ++i) {
      for (int64_t key = 1; key <= kKeys; ++key) ASSERT_EQ(send(key, i), Submit::kAccepted);
      if (i % 20 == 0) turn();
    }
    ASSERT_TRUE(drained()) << streams_max;
    EXPECT_EQ(wire(), GetParam().name);
    for (int64_t id = 100; id < 110; ++id) {
      ASSERT_TRUE(dispatcher_->query_auth_key(id, read_clocks()));
    }
    ASSERT_TRUE(dispatcher_->set_auth_key(make_key(7), -1, 0, 1, read_clocks()));
    ASSERT_TRUE(
        run_until([this] { return events_.keys.size() == 10 && events_.stores.size() == 1; }));
    for (const KeyResult& result : events_.keys) {
      EXPECT_EQ(result.answer, KeyAnswer::kUnregistered) << streams_max;
    }
    EXPECT_EQ(events_.stores[1], StoreAnswer::kStored);
    for (int64_t key = 1; key <= kKeys; ++key) EXPECT_EQ(numbers(key), counting(kMessages));
    EXPECT_EQ(shard_->received_count(), kKeys * kMessages) << "nothing was sent twice";
    dispatcher_.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Wires, GrpcWireTest,
                         ::testing::Values(WireCase{{true, true, true}, "batch"},
                                           WireCase{{false, true, true}, "stream"},
                                           WireCase{{false, false, true}, "unary"}),
                         [](const auto& wire) { return std::string(wire.param.name); });

TEST_F(GrpcTest, ARestartedShardMayOfferAnotherWire) {
  open({false, false, true});
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  ASSERT_TRUE(drained());
  EXPECT_EQ(wire(), "unary");
  shard_->stop();
  shard_->set_wires({true, true, true});
  ASSERT_EQ(send(1, 1), Submit::kAccepted);
  run_for(200 * kNsPerMs);
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(drained());
  EXPECT_EQ(wire(), "batch");
  shard_->stop();
  shard_->set_wires({false, true, true});
  ASSERT_EQ(send(1, 2), Submit::kAccepted);
  run_for(200 * kNsPerMs);
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(drained());
  EXPECT_EQ(wire(), "stream");
  EXPECT_EQ(numbers(1), counting(3));
}

TEST_F(GrpcTest, KeysAreLookedUpAndStored) {
  open({});
  mtproto::AuthKeyInfo key;
  key.set_auth_key_id(5);
  key.set_auth_key(std::string(256, 'x'));
  key.set_auth_key_type(1);
  key.set_perm_auth_key_id(-9);
  shard_->put_key(key);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(dispatcher_->query_auth_key(5, read_clocks()));
  ASSERT_TRUE(dispatcher_->query_auth_key(6, read_clocks()));
  ASSERT_TRUE(dispatcher_->set_auth_key(make_key(7), -1, 0, 1, read_clocks()));
  ASSERT_TRUE(run_until([this] { return events_.keys.size() == 2 && events_.stores.size() == 1; }));
  EXPECT_EQ(shard_->key_queries(), 2);
  std::map<int64_t, KeyAnswer> answers;
  for (const KeyResult& result : events_.keys) answers[result.auth_key_id] = result.answer;
  EXPECT_EQ(answers[5], KeyAnswer::kFound);
  EXPECT_EQ(answers[6], KeyAnswer::kUnregistered);
  EXPECT_EQ(events_.stores[1], StoreAnswer::kStored);
  const std::string stored = shard_->stored_key(7);
  EXPECT_TRUE(equal(as_bytes(stored), make_key(7).key.view()));
  // An id that is taken: the shard answers false.
  ASSERT_TRUE(dispatcher_->set_auth_key(make_key(7), -1, 0, 2, read_clocks()));
  ASSERT_TRUE(run_until([this] { return events_.stores.size() == 2; }));
  EXPECT_EQ(events_.stores[2], StoreAnswer::kRefused);
}

TEST_F(GrpcTest, HttpCallsAreAnsweredOrHeldOpen) {
  open({});
  const NumberedMessage m(1, 0x41414141, 8);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 7, read_clocks()));
  ASSERT_TRUE(run_until([this] { return events_.http.contains(7); }));
  EXPECT_EQ(events_.http.at(7).first, HttpAnswer::kAnswered);
  EXPECT_EQ(events_.http.at(7).second.substr(0, 7), "to AAAA");
  EXPECT_EQ(shard_->received().at(0).wire, "http");
  shard_->hold(true);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 8, read_clocks()));
  run_for(200 * kNsPerMs);
  EXPECT_FALSE(events_.http.contains(8));
  shard_->hold(false);
  ASSERT_TRUE(run_until([this] { return events_.http.contains(8); }));
  EXPECT_EQ(events_.http.at(8).first, HttpAnswer::kAnswered);
  shard_->check_keys(true);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 9, read_clocks()));
  ASSERT_TRUE(run_until([this] { return events_.http.contains(9); }));
  EXPECT_EQ(events_.http.at(9).first, HttpAnswer::kUnregistered);
}

TEST_F(GrpcTest, AKeyQueryToAHangingShardEndsAtItsDeadline) {
  open({}, {.call_timeout_ns = 200 * kNsPerMs});
  shard_->hold(true);
  const int64_t before = read_clocks().mono_ns;
  ASSERT_TRUE(dispatcher_->query_auth_key(5, read_clocks()));
  ASSERT_TRUE(run_until([this] { return !events_.keys.empty(); }));
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFailed);
  EXPECT_GE(read_clocks().mono_ns - before, 190 * kNsPerMs);
}

TEST_F(GrpcTest, AKeyQueryWaitsForAShardThatIsJustStarting) {
  open({}, {.call_timeout_ns = 20 * kNsPerSecond});
  shard_->stop();
  mtproto::AuthKeyInfo key;
  key.set_auth_key_id(5);
  key.set_auth_key(std::string(256, 'x'));
  shard_->put_key(key);
  run_for(100 * kNsPerMs);
  ASSERT_TRUE(dispatcher_->query_auth_key(5, read_clocks()));
  run_for(200 * kNsPerMs);
  EXPECT_TRUE(events_.keys.empty());
  ASSERT_TRUE(shard_->start());
  ASSERT_TRUE(run_until([this] { return !events_.keys.empty(); }));
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFound);
}

TEST_F(GrpcTest, NobodyListens) {
  open({}, {.call_timeout_ns = 300 * kNsPerMs});
  shard_->stop();
  for (uint32_t i = 0; i < 10; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  ASSERT_TRUE(run_until([this] { return !status()[0].in_ring; }));
  ASSERT_TRUE(dispatcher_->query_auth_key(5, read_clocks()));
  ASSERT_TRUE(run_until([this] { return !events_.keys.empty(); }));
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kNoShard);
  EXPECT_EQ(dispatcher_->unacknowledged(), 10U);
  EXPECT_EQ(wire(), "connecting");
  EXPECT_FALSE(status()[0].up);
}

TEST_F(GrpcTest, PushesOfAFastShardAreAllTakenAndAnswered) {
  open({});
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  ASSERT_TRUE(drained());
  events_.deliver_pushes = true;
  constexpr uint64_t kPushes = 3000;
  std::thread pusher([this] {
    for (uint64_t id = 1; id <= kPushes; ++id) {
      shard_->push(id, 1, 10, std::to_string(id) + std::string(3000, 'p'));
    }
  });
  // Nobody takes anything for a while: reading stops instead of memory growing.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(run_until([this] { return shard_->push_results().size() == kPushes; }));
  pusher.join();
  ASSERT_EQ(events_.pushes.size(), kPushes);
  for (uint64_t id = 1; id <= kPushes; ++id) {
    const std::string expected = std::to_string(id) + "p";
    ASSERT_EQ(as_text(events_.pushes[id - 1].payload).substr(0, expected.size()), expected);
  }
  for (const auto& [id, delivered] : shard_->push_results()) EXPECT_TRUE(delivered) << id;
}

TEST_F(GrpcTest, ALinkMayGoWithEverythingUnderWay) {
  for (int round = 0; round < 10; ++round) {
    open({round % 2 == 0, true, true});
    shard_->hold(round % 3 == 0);
    for (uint32_t i = 0; i < 300; ++i) (void)send(static_cast<int64_t>(i % 7), i, 500);
    (void)dispatcher_->query_auth_key(1, read_clocks());
    for (int i = 0; i <= round; ++i) {
      turn();
      std::this_thread::sleep_for(std::chrono::milliseconds(round));
    }
    dispatcher_ = nullptr;
    shard_->hold(false);
    shard_ = nullptr;
  }
  harness_ = nullptr;  // waits for what is still under way
}

}  // namespace
}  // namespace ringway::cluster
