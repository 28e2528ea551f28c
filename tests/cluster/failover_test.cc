// Shards that die, hang, leave and come back, in memory and one step at a time: what the dispatcher
// does with the messages that it has taken over. What comes in which order is the seed's.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <random>
#include <set>

#include "base/limits.h"
#include "cluster/recorder.h"
#include "support/memory_transport.h"

namespace ringway::cluster {
namespace {

const std::vector<std::string> kNodes = {"10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"};

struct WireCase {
  bool batch, stream, unary;
  const char* name;
  friend void PrintTo(const WireCase& wire, std::ostream* out) { *out << wire.name; }
};

class FailoverTest : public ::testing::TestWithParam<WireCase> {
 protected:
  // One delivery to one shard, in the order of all of them.
  struct Delivery {
    size_t shard = 0;
    int64_t key = 0;
    uint32_t number = 0;
  };

  void start(uint64_t seed, DispatcherOptions options = {}) {
    dispatcher_.reset();
    transport_ = std::make_unique<MemoryTransport>(MemoryTransport::Mode::kStepped, seed);
    deliveries_.clear();
    accepted_.clear();
    for (size_t i = 0; i < kNodes.size(); ++i) {
      MemoryShard& shard = transport_->shard(kNodes[i]);
      shard.set_wires(GetParam().batch, GetParam().stream, GetParam().unary);
      shard.on_message([this, i](MemoryShard&, const ShardMessage& m) {
        if (!m.close) deliveries_.push_back({i, m.perm_auth_key_id, number_of(m.payload)});
      });
    }
    options.server_id = "10.9.9.9:20110";
    dispatcher_ = std::make_unique<Dispatcher>(options, *transport_, events_, waker_, counters_);
    dispatcher_->set_shards(kNodes, now_);
    lost_before_ = counters_.read(Counter::kMessagesLost);
    settle();
  }

  MemoryShard& shard(size_t i) { return transport_->shard(kNodes[i]); }

  void turn(int64_t ns = kNsPerMs) {
    now_.mono_ns += ns;
    now_.unix_ns += ns;
    transport_->pass_time(ns);
    dispatcher_->poll(now_);
    dispatcher_->flush(now_);
  }
  std::vector<ShardStatus> status() const {
    std::vector<ShardStatus> all;
    dispatcher_->status(all);
    return all;
  }
  void settle() {
    for (int quiet = 0; quiet < 3;) {
      turn();
      quiet = transport_->step() ? 0 : quiet + 1;
      transport_->settle();
    }
  }
  void run_for(int64_t ns) {
    for (const int64_t end = now_.mono_ns + ns; now_.mono_ns < end;) {
      turn(50 * kNsPerMs);
      transport_->settle();
    }
  }

  bool send(int64_t key) {
    const NumberedMessage m(key, accepted_[key], 32);
    if (dispatcher_->send(m.message) != Submit::kAccepted) return false;
    ++accepted_[key];
    return true;
  }
  uint64_t breaks(size_t node) {
    for (const ShardStatus& status : status()) {
      if (status.address == kNodes[node]) return status.tally.breaks;
    }
    return 0;
  }
  size_t in_ring() {
    size_t count = 0;
    for (const ShardStatus& status : status()) count += status.in_ring ? 1 : 0;
    return count;
  }
  std::string owner(int64_t key) { return status().at(dispatcher_->shard_of(key)).address; }
  // A key that belongs to this node while all are there.
  int64_t key_of(size_t node) {
    int64_t key = 1;
    while (owner(key) != kNodes[node]) ++key;
    return key;
  }
  uint64_t lost() { return counters_.read(Counter::kMessagesLost) - lost_before_; }

  // Each accepted message was delivered, the first deliveries of each key in order.
  void check(uint64_t seed) {
    std::map<int64_t, uint32_t> next;
    for (const Delivery& d : deliveries_) {
      ASSERT_LE(d.number, next[d.key]) << "seed " << seed << " key " << d.key << " overtook";
      if (d.number == next[d.key]) ++next[d.key];
    }
    for (const auto& [key, count] : accepted_) {
      ASSERT_EQ(next[key], count) << "seed " << seed << " key " << key << " misses messages";
    }
    ASSERT_EQ(dispatcher_->unacknowledged(), 0U) << "seed " << seed;
    ASSERT_EQ(lost(), 0U) << "seed " << seed;
  }

  Now now_{.mono_ns = 1'000'000, .unix_ns = 1'700'000'000 * kNsPerSecond};
  CounterBlock counters_;
  CountingWaker waker_;
  Recorder events_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<Delivery> deliveries_;
  std::map<int64_t, uint32_t> accepted_;
  uint64_t lost_before_ = 0;
};

// Everything that can happen to three nodes, at random, under traffic.
class Mishaps {
 public:
  // `now` is the run's clock.
  Mishaps(MemoryTransport& transport, Dispatcher& dispatcher, std::mt19937_64& random,
          const Now& now)
      : transport_(transport), dispatcher_(dispatcher), random_(random), now_(now), set_(kNodes) {}

  void draw() {
    const std::string& node = kNodes[random_() % kNodes.size()];
    MemoryShard& shard = transport_.shard(node);
    switch (random_() % 9) {
      case 0:
        kill(shard);
        break;
      case 1:
      case 2:
        shard.set_up(true);
        break;
      case 3:
        shard.set_frozen(true);
        break;
      case 4:
        shard.set_answering(false);
        break;
      case 5:
        shard.set_frozen(false);
        shard.set_answering(true);
        break;
      case 6:
        std::erase(set_, node);
        dispatcher_.set_shards(set_, now_);
        break;
      case 7:
        if (std::find(set_.begin(), set_.end(), node) == set_.end()) set_.push_back(node);
        dispatcher_.set_shards(set_, now_);
        break;
      case 8:
        shard.break_streams(random_() % 2 == 0 ? kStatusUnavailable : kStatusCancelled);
        break;
      default:
        break;
    }
  }
  void heal() {
    for (const std::string& node : kNodes) {
      MemoryShard& shard = transport_.shard(node);
      shard.set_frozen(false);
      shard.set_answering(true);
      shard.set_up(true);
    }
    dispatcher_.set_shards(kNodes, now_);
  }

 private:
  static void kill(MemoryShard& shard) {
    shard.set_up(false);
    shard.set_frozen(false);
    shard.set_answering(true);
  }

  MemoryTransport& transport_;
  Dispatcher& dispatcher_;
  std::mt19937_64& random_;
  const Now& now_;
  std::vector<std::string> set_;
};

constexpr uint64_t kSeeds = 1500;

TEST_P(FailoverTest, NothingIsLostOrOvertakenWhateverTheSeed) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    // A small window, so that it fills as well.
    start(seed, {.window_messages_max = 48});
    std::mt19937_64 random(seed);
    Mishaps mishaps(*transport_, *dispatcher_, random, now_);
    for (int i = 0; i < 60; ++i) {
      for (uint64_t n = random() % 12; n > 0; --n) {
        (void)send(static_cast<int64_t>(1 + random() % 6));
      }
      turn(random() % 6 == 0 ? static_cast<int64_t>(random() % 700) * kNsPerMs : kNsPerMs);
      for (uint64_t n = random() % 8; n > 0; --n) (void)transport_->step();
      if (random() % 3 == 0) mishaps.draw();
      size_t waiting = 0;
      for (const ShardStatus& status : status()) waiting += status.window_messages;
      ASSERT_LE(waiting, kNodes.size() * 48 + 12) << seed;
    }
    mishaps.heal();
    run_for(60 * kNsPerSecond);
    ASSERT_EQ(in_ring(), kNodes.size()) << seed;
    check(seed);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(counters_.read(Counter::kMessagesHandedOver), kSeeds);
  EXPECT_GT(counters_.read(Counter::kShardReplays), kSeeds);
}

TEST_P(FailoverTest, ADeadShardsMessagesGoToTheNextOwnerAndItsKeysComeBack) {
  start(1);
  const int64_t key = key_of(0);
  shard(0).set_answering(false);  // takes what comes and tells nobody
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(send(key));
  settle();
  shard(0).set_up(false);
  run_for(3 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 2U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kShardsTakenOut), 1U);
  EXPECT_EQ(counters_.read(Counter::kMessagesHandedOver), 20U);
  const std::string heir = owner(key);
  EXPECT_NE(heir, kNodes[0]);
  ASSERT_TRUE(send(key));
  settle();
  // It comes back by being there: nobody has changed the node set.
  shard(0).set_answering(true);
  shard(0).set_up(true);
  run_for(10 * kNsPerSecond);
  EXPECT_EQ(owner(key), kNodes[0]);
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(deliveries_.back().shard, 0U);
  check(1);
}

TEST_P(FailoverTest, AHangingShardIsFoundOut) {
  start(1);
  const int64_t key = key_of(1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(key));
  settle();
  shard(1).set_frozen(true);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(send(key));
  run_for(8 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 2U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  shard(1).set_frozen(false);
  run_for(10 * kNsPerSecond);
  EXPECT_EQ(owner(key), kNodes[1]);
  ASSERT_TRUE(send(key));
  settle();
  check(1);
}

// Others are answered all the time, and one message never is.
TEST_P(FailoverTest, AMessageThatIsNeverAcknowledgedIsAHang) {
  start(1);
  const int64_t silent = key_of(0);
  std::vector<int64_t> others;  // so many that some share whatever the silent key travels on
  for (int64_t key = silent + 1; others.size() < 16; ++key) {
    if (owner(key) == kNodes[0]) others.push_back(key);
  }
  ASSERT_TRUE(send(silent));
  settle();
  shard(0).hold_key(silent);
  ASSERT_TRUE(send(silent));
  for (int i = 0; i < 48; ++i) {
    for (const int64_t key : others) ASSERT_TRUE(send(key));
    turn(50 * kNsPerMs);
    transport_->settle();
  }
  EXPECT_GE(breaks(0), 1U) << "after 2.4 s, with 2 s for an acknowledgement";
  EXPECT_EQ(counters_.read(Counter::kShardsTakenOut), 0U) << "once is no reason to go";
  shard(0).hold_key(0);
  run_for(20 * kNsPerSecond);
  check(1);
}

// What counts is how long ago a message was sent, not when the shard last said something.
TEST_P(FailoverTest, AnAcknowledgementOfOthersDoesNotMakeAMessageYounger) {
  if (!GetParam().stream) return;  // unary: a key has one call on its way
  start(1);
  const int64_t key = key_of(0);
  ASSERT_TRUE(send(key));
  settle();
  shard(0).set_answering(false);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(send(key));
    turn(0);
    transport_->settle();
  }
  run_for(1200 * kNsPerMs);
  shard(0).answer_one();
  run_for(700 * kNsPerMs);
  EXPECT_EQ(breaks(0), 0U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 7U);
  run_for(400 * kNsPerMs);
  EXPECT_EQ(breaks(0), 1U);
  shard(0).set_answering(true);
  run_for(20 * kNsPerSecond);
  check(1);
}

// Without traffic nothing is under way that would fail.
TEST_P(FailoverTest, AnIdleShardThatDiesIsNoticed) {
  start(1);
  for (size_t i = 0; i < kNodes.size(); ++i) ASSERT_TRUE(send(key_of(i)));
  settle();
  EXPECT_LE(dispatcher_->next_deadline_ns(),
            GetParam().stream ? INT64_MAX : now_.mono_ns + kNsPerSecond);
  shard(0).set_up(false);
  run_for(5 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 2U);
  shard(0).set_up(true);
  run_for(10 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 3U);
  check(1);
}

// A node that leaves in good order gets a moment to acknowledge, so nothing is sent twice.
TEST_P(FailoverTest, ALeavingShardHandsOverWithoutRepeating) {
  start(1);
  const int64_t key = key_of(2);
  ASSERT_TRUE(send(key));
  settle();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(send(key));
  turn();  // on their way
  dispatcher_->set_shards({kNodes[0], kNodes[1]}, now_);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(key)) << "taken while the handover lasts";
  settle();
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_NE(deliveries_.back().shard, 2U);
  EXPECT_EQ(deliveries_.size(), 37U) << "each once";
  EXPECT_EQ(counters_.read(Counter::kShardReplays), 0U);
  dispatcher_->set_shards(kNodes, now_);
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(deliveries_.back().shard, 2U);
  EXPECT_EQ(deliveries_.size(), 38U);
  check(1);
}

TEST_P(FailoverTest, ALeavingShardThatHangsIsNotWaitedForLong) {
  start(1);
  const int64_t key = key_of(2);
  ASSERT_TRUE(send(key));
  settle();
  shard(2).set_frozen(true);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(key));
  turn();
  dispatcher_->set_shards({kNodes[0], kNodes[1]}, now_);
  turn();
  EXPECT_EQ(owner(key), kNodes[2]) << "the handover lasts";
  EXPECT_LE(dispatcher_->next_deadline_ns(), now_.mono_ns + kHandoverNs);
  run_for(kHandoverNs + kNsPerSecond);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(status().size(), 2U);
  shard(2).set_frozen(false);
  settle();
  check(1);
}

TEST_P(FailoverTest, WithoutAnyShardWhatWasTakenWaits) {
  start(1, {.no_shard_timeout_ns = 10 * kNsPerSecond});
  for (size_t i = 0; i < kNodes.size(); ++i) {
    shard(i).set_answering(false);
    for (int n = 0; n < 10; ++n) ASSERT_TRUE(send(key_of(i)));
  }
  settle();
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).set_up(false);
  run_for(3 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 0U);
  EXPECT_EQ(dispatcher_->shard_of(1), kAnyShard);
  const NumberedMessage m(1, 0);
  EXPECT_EQ(dispatcher_->send(m.message), Submit::kNoShard);
  EXPECT_EQ(dispatcher_->unacknowledged(), 30U);
  EXPECT_EQ(events_.no_shards, 0);
  run_for(10 * kNsPerSecond);
  EXPECT_GT(events_.no_shards, 0);
  dispatcher_->close_session({.auth_key_id = 1, .perm_auth_key_id = 1, .session_id = 5});
  run_for(100 * kNsPerSecond);
  EXPECT_EQ(dispatcher_->unacknowledged(), 31U);
  events_.opened.clear();
  shard(1).set_answering(true);
  shard(1).set_up(true);
  run_for(30 * kNsPerSecond);
  EXPECT_EQ(in_ring(), 1U);
  EXPECT_EQ(std::count(events_.opened.begin(), events_.opened.end(), kAnyShard), 1);
  const int before = events_.no_shards;
  run_for(30 * kNsPerSecond);
  EXPECT_EQ(events_.no_shards, before);
  EXPECT_EQ(shard(1).received().back().session_id, 5);
  check(1);
}

// A message that no shard survives is given up before it has taken all of them out.
TEST_P(FailoverTest, AMessageThatKillsItsShardDoesNotKillThemAll) {
  for (const int32_t status : {kStatusUnavailable, kStatusInternal}) {
    start(1);
    constexpr int64_t kPoison = 77;
    for (size_t i = 0; i < kNodes.size(); ++i) {
      ASSERT_TRUE(send(key_of(i)));
      shard(i).choke_on(kPoison, status);
    }
    settle();
    ASSERT_TRUE(send(kPoison));
    for (int n = 0; n < 10; ++n) {
      for (size_t i = 0; i < kNodes.size(); ++i) {
        if (dispatcher_->shard_of(1) != kAnyShard) {
          ASSERT_TRUE(send(static_cast<int64_t>(1 + i)));
        }
      }
    }
    size_t fewest = kNodes.size();
    for (int i = 0; i < 4000; ++i) {
      turn(20 * kNsPerMs);
      transport_->settle();
      fewest = std::min(fewest, in_ring());
    }
    EXPECT_GE(fewest, 1U) << "status " << status;
    EXPECT_EQ(lost(), 1U) << "status " << status;
    EXPECT_EQ(in_ring(), kNodes.size());
    accepted_.erase(kPoison);
    lost_before_ = counters_.read(Counter::kMessagesLost);
    check(1);
  }
}

TEST_P(FailoverTest, AShardThatServesNothingStaysOutForLonger) {
  start(1);
  const int64_t key = key_of(0);
  ASSERT_TRUE(send(key));
  settle();
  uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    shard(0).break_streams(kStatusUnavailable);
    shard(0).set_up(i % 2 == 0);  // there and gone again
    run_for(500 * kNsPerMs);
    last = counters_.read(Counter::kShardsTakenOut);
  }
  EXPECT_GT(last, 1U);
  EXPECT_LT(last, 12U) << "50 seconds, and pauses that double from one second on";
}

TEST_P(FailoverTest, KeyQueriesGoToTheNextOwner) {
  start(1);
  const int64_t key = key_of(0);
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).put_key(make_key(key));
  ASSERT_TRUE(send(key));
  settle();
  shard(0).set_frozen(true);
  ASSERT_TRUE(send(key));
  ASSERT_TRUE(dispatcher_->query_auth_key(key, now_));
  run_for(8 * kNsPerSecond);
  EXPECT_EQ(events_.keys.size(), 1U);
  events_.keys.clear();
  ASSERT_TRUE(dispatcher_->query_auth_key(key, now_));
  settle();
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFound);
  // One that is refused the connection is asked once more, elsewhere if it is out by then.
  events_.keys.clear();
  for (size_t i = 1; i < kNodes.size(); ++i) shard(i).set_up(false);
  run_for(2 * kNsPerSecond);
  ASSERT_TRUE(dispatcher_->query_auth_key(key, now_)) << "nobody is trusted; the owner is asked";
  shard(0).set_frozen(false);
  run_for(kNsPerSecond);
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFound);
}

// All are out. The owner by the whole set is asked in vain; whoever comes back meanwhile is asked
// in its place, and while nobody does, the answer is that there is nobody.
TEST_P(FailoverTest, AKeyQueryGoesToWhoeverComesBack) {
  start(1);
  const int64_t key = key_of(0);
  for (size_t i = 0; i < kNodes.size(); ++i) {
    shard(i).put_key(make_key(key));
    ASSERT_TRUE(send(key_of(i)));
    settle();
    shard(i).set_frozen(true);
    ASSERT_TRUE(send(key_of(i)));
  }
  run_for(20 * kNsPerSecond);
  ASSERT_EQ(in_ring(), 0U);
  ASSERT_TRUE(dispatcher_->query_auth_key(key, now_));
  run_for(4 * kNsPerSecond);
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kNoShard);
  ASSERT_TRUE(dispatcher_->query_auth_key(key, now_));
  for (size_t i = 1; i < kNodes.size(); ++i) shard(i).set_frozen(false);
  run_for(60 * kNsPerSecond);
  ASSERT_EQ(events_.keys.size(), 2U);
  EXPECT_EQ(events_.keys[1].answer, KeyAnswer::kFound);
}

INSTANTIATE_TEST_SUITE_P(Wires, FailoverTest,
                         ::testing::Values(WireCase{true, true, true, "batch"},
                                           WireCase{false, true, true, "stream"},
                                           WireCase{false, false, true, "unary"}),
                         [](const auto& wire) { return std::string(wire.param.name); });

}  // namespace
}  // namespace ringway::cluster
