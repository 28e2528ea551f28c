// The dispatcher over shards in memory: windows, wires, calls and pushes.
#include "cluster/dispatcher_test.h"

#include <algorithm>
#include <random>
#include <thread>

#include "base/limits.h"

namespace ringway::cluster {
namespace {

TEST_F(DispatcherTest, NoShardTakesNothing) {
  make();
  EXPECT_EQ(send(1, 0), Submit::kNoShard);
  EXPECT_EQ(dispatcher_->shard_of(1), kAnyShard);
  dispatcher_->close_session({.auth_key_id = 1, .perm_auth_key_id = 1});
  EXPECT_EQ(dispatcher_->unacknowledged(), 1U) << "a close waits for a shard";
  ASSERT_TRUE(dispatcher_->query_auth_key(1, now_));
  EXPECT_TRUE(dispatcher_->set_auth_key(make_key(1), 0, 0, 77, now_));
  EXPECT_TRUE(dispatcher_->has_work());
  turn();
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kNoShard);
  EXPECT_EQ(events_.stores.at(77), StoreAnswer::kRefused);
  dispatcher_->set_shards({kShard}, now_);
  turn();
  EXPECT_EQ(events_.opened, std::vector<uint32_t>{kAnyShard});
  EXPECT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  ASSERT_EQ(shard().received_count(), 2U);
  EXPECT_TRUE(shard().received()[0].close);
}

TEST_F(DispatcherTest, MessageArrivesWithAllItsFields) {
  start();
  const Bytes payload(20, 0xab);
  ClientMessage m;
  m.conn_type = 1;
  m.auth_key_id = 11;
  m.key_type = 1;
  m.perm_auth_key_id = -12;
  m.session_id = 13;
  m.client_ip = "192.0.2.9";
  m.quick_ack = true;
  m.salt = -14;
  m.payload = payload;
  EXPECT_EQ(dispatcher_->send(m), Submit::kAccepted);
  dispatcher_->close_session({11, 1, -12, 13, "192.0.2.9"});
  EXPECT_EQ(dispatcher_->unacknowledged(), 2U);
  settle();
  const auto received = shard().received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0].wire, "batch");
  EXPECT_EQ(received[0].server_id, "10.9.9.9:20110");
  EXPECT_EQ(received[0].conn_type, 1);
  EXPECT_EQ(received[0].auth_key_id, 11);
  EXPECT_EQ(received[0].key_type, 1);
  EXPECT_EQ(received[0].perm_auth_key_id, -12);
  EXPECT_EQ(received[0].session_id, 13);
  EXPECT_EQ(received[0].client_ip, "192.0.2.9");
  EXPECT_TRUE(received[0].quick_ack);
  EXPECT_EQ(received[0].salt, -14);
  EXPECT_EQ(received[0].payload, payload);
  EXPECT_TRUE(received[1].close);
  EXPECT_EQ(received[1].session_id, 13);
  EXPECT_EQ(received[1].perm_auth_key_id, -12);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
}

TEST_F(DispatcherTest, MessagesBeforeTheGreetingWaitForIt) {
  make();
  dispatcher_->set_shards({kShard}, now_);
  for (uint32_t i = 0; i < 10; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  turn();
  turn();
  EXPECT_EQ(counters_.read(Counter::kShardMessages), 0U);
  settle();
  EXPECT_EQ(numbers(1), counting(10));
  EXPECT_EQ(counters_.read(Counter::kShardMessages), 10U);
}

TEST_F(DispatcherTest, OneTurnIsOneBatchUpToTheCap) {
  start();
  for (uint32_t i = 0; i < 100; ++i) ASSERT_EQ(send(i, i), Submit::kAccepted);
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 1U);
  const uint32_t many = kBatchMessagesMax * 2 + 1;
  for (uint32_t i = 0; i < many; ++i) ASSERT_EQ(send(1000 + i, i), Submit::kAccepted);
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 1U + 3U);
  // A message above the byte cap goes alone.
  ASSERT_EQ(send(5000, 0), Submit::kAccepted);
  ASSERT_EQ(send(5000, 1, kBatchBytesMax + 1), Submit::kAccepted);
  ASSERT_EQ(send(5000, 2), Submit::kAccepted);
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 4U + 3U);
  EXPECT_EQ(numbers(5000), counting(3));
}

TEST_F(DispatcherTest, BatchesKeepToTheOptions) {
  start({.batch_messages_max = 10, .batch_bytes_max = 4096, .batches_per_write_max = 2});
  for (uint32_t i = 0; i < 45; ++i) ASSERT_EQ(send(i, i), Submit::kAccepted);
  turn();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 2U) << "what one write may take";
  EXPECT_EQ(counters_.read(Counter::kShardMessages), 20U);
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 5U);
  // Of messages of 1,500 bytes two fit.
  for (uint32_t i = 0; i < 4; ++i) ASSERT_EQ(send(5000, i, 1500), Submit::kAccepted);
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardBatches), 7U);
  EXPECT_EQ(numbers(5000), counting(4));
}

// The three wires: which one is found, and that order and content hold on each.
struct WireCase {
  bool batch, stream, unary;
  const char* name;
  friend void PrintTo(const WireCase& wire, std::ostream* out) { *out << wire.name; }
};
class WireTest : public DispatcherTest, public ::testing::WithParamInterface<WireCase> {
 protected:
  void start_wire(DispatcherOptions options = {}, uint64_t seed = 1) {
    make(options, seed);
    shard().set_wires(GetParam().batch, GetParam().stream, GetParam().unary);
    dispatcher_->set_shards({kShard}, now_);
  }

  // 120 messages of each of three keys, with a mishap in every turn that draws one.
  template <typename Mishap>
  void send_amid(uint64_t seed, Mishap mishap) {
    std::mt19937_64 random(seed);
    for (uint32_t i = 0; i < 120; ++i) {
      for (int64_t key = 1; key <= 3; ++key) {
        // While the shard is out nothing is taken; its fate goes on.
        while (send(key, i) != Submit::kAccepted) {
          mishap(random);
          wait(100 * kNsPerMs);
        }
      }
      turn();
      for (uint64_t n = random() % 4; n > 0; --n) (void)transport_->step();
      mishap(random);
      if (random() % 20 == 0) now_.mono_ns += kNsPerSecond;
    }
  }
};

TEST_P(WireTest, KeepsTheOrderOfEachKeyWhateverTheSeed) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    start_wire({}, seed);
    for (uint32_t i = 0; i < 50; ++i) {
      for (int64_t key = 1; key <= 5; ++key) ASSERT_EQ(send(key, i), Submit::kAccepted);
      if (i % 7 == 0) turn();
      if (i % 3 == 0) (void)transport_->step();
    }
    settle();
    EXPECT_EQ(wire(), GetParam().name);
    for (int64_t key = 1; key <= 5; ++key) EXPECT_EQ(numbers(key), counting(50));
    EXPECT_EQ(shard().received_count(), 250U) << "nothing twice without a break";
    EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
    for (const ShardMessage& m : shard().received()) EXPECT_EQ(m.wire, GetParam().name);
  }
}

TEST_P(WireTest, WhatABreakLeftUnacknowledgedIsSentAgainInOrder) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    start_wire({}, seed);
    send_amid(seed, [this](std::mt19937_64& random) {
      if (random() % 30 == 0) shard().break_streams(kStatusUnavailable);
      if (random() % 30 == 0) shard().set_up(false);
      if (random() % 10 == 0) shard().set_up(true);
    });
    shard().set_up(true);
    reconnect();
    for (int64_t key = 1; key <= 3; ++key) EXPECT_EQ(numbers(key), counting(120)) << seed;
    EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
    EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
    EXPECT_EQ(wire(), GetParam().name);
  }
}

// One message makes the shard end the stream each time it comes: that one is found among those that
// were on their way with it and given up; no other is.
TEST_P(WireTest, AMessageThatTheShardChokesOnIsFoundAndGivenUp) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    start_wire({}, seed);
    const uint64_t lost = counters_.read(Counter::kMessagesLost);
    shard().choke_on(77, kStatusInternal);
    for (uint32_t i = 0; i < 40; ++i) {
      for (int64_t key = 1; key <= 3; ++key) ASSERT_EQ(send(key, i), Submit::kAccepted);
      if (i == 20) {
        ASSERT_EQ(send(77, 0), Submit::kAccepted);
      }
      if (i % 8 == 0) turn();
    }
    reconnect();
    for (int64_t key = 1; key <= 3; ++key) EXPECT_EQ(numbers(key), counting(40)) << seed;
    EXPECT_TRUE(numbers(77).empty());
    EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
    EXPECT_EQ(counters_.read(Counter::kMessagesLost), lost + 1);
    for (int64_t key = 1; key <= 3; ++key) ASSERT_EQ(send(key, 40), Submit::kAccepted);
    settle();
    for (int64_t key = 1; key <= 3; ++key) EXPECT_EQ(numbers(key), counting(41)) << seed;
  }
}

// A shard that goes away, or ends streams for reasons of its own, costs no message.
TEST_P(WireTest, StreamsThatDieWithAnErrorLoseNothing) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    start_wire({}, seed);
    send_amid(seed, [this](std::mt19937_64& random) {
      if (random() % 20 == 0) shard().break_streams(kStatusInternal);
    });
    reconnect();
    for (int64_t key = 1; key <= 3; ++key) EXPECT_EQ(numbers(key), counting(120)) << seed;
    EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  }
}

TEST_P(WireTest, UnregisteredKeysAreTold) {
  start_wire();
  shard().set_checks_keys(true);
  shard().put_key(make_key(1));
  for (uint32_t i = 0; i < 3; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  ASSERT_EQ(send(2, 0), Submit::kAccepted);
  settle();
  EXPECT_EQ(events_.unregistered, std::vector<int64_t>{2});
  EXPECT_EQ(numbers(1), counting(3));
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kShardErrors), 0U);
}

TEST_P(WireTest, RefusalsAreFinalAndCounted) {
  start_wire();
  shard().refuse_messages(2, 3, "INVALID");
  for (uint32_t i = 0; i < 5; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  settle();
  EXPECT_EQ(numbers(1), (std::vector<uint32_t>{2, 3, 4}));
  EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 2U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_TRUE(events_.unregistered.empty());
}

TEST_P(WireTest, AHangingShardFillsTheWindowAndNothingElse) {
  start_wire({.window_messages_max = 64});
  settle();
  shard().set_answering(false);
  uint32_t taken = 0;
  while (send(static_cast<int64_t>(taken % 4), taken / 4) == Submit::kAccepted) {
    ++taken;
    turn();
    transport_->settle();
    ASSERT_LE(taken, 64U);
  }
  EXPECT_EQ(taken, 64U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 64U);
  settle();
  EXPECT_TRUE(std::find(events_.opened.begin(), events_.opened.end(), dispatcher_->shard_of(0)) ==
              events_.opened.end());
  shard().set_answering(true);
  settle();
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(std::count(events_.opened.begin(), events_.opened.end(), dispatcher_->shard_of(0)), 1);
  for (int64_t key = 0; key < 4; ++key) EXPECT_EQ(numbers(key), counting(16));
}

TEST_P(WireTest, AcceptsAMessageThatIsLargerThanTheWindow) {
  start_wire({.window_bytes_max = 100'000});
  ASSERT_EQ(send(1, 0, 200'000), Submit::kAccepted);
  EXPECT_EQ(send(1, 1), Submit::kWindowFull);
  settle();
  EXPECT_EQ(send(1, 1), Submit::kAccepted);
  settle();
  EXPECT_EQ(numbers(1), counting(2));
}

TEST_P(WireTest, AMessageThatTheShardNeverTakesDoesNotBlockTheOthers) {
  start_wire();
  shard().set_payload_max(100'000);
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  ASSERT_EQ(send(1, 1, 150'000), Submit::kAccepted);
  for (uint32_t i = 2; i < 5; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  ASSERT_EQ(send(2, 0, 90'000), Submit::kAccepted);
  reconnect();
  EXPECT_EQ(numbers(1), (std::vector<uint32_t>{0, 2, 3, 4}));
  EXPECT_EQ(numbers(2), counting(1));
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 1U);
}

TEST_P(WireTest, TheShardIsSeenToBeThereBeforeTheFirstMessage) {
  start_wire();
  settle();
  EXPECT_TRUE(status().at(0).reached);
  EXPECT_EQ(status().at(0).up, GetParam().batch) << "the others say nothing before a message";
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  EXPECT_TRUE(status().at(0).up);
  EXPECT_EQ(status().at(0).tally.messages, 1U);
  EXPECT_EQ(status().at(0).tally.batches, 1U);
  shard().set_answering(false);
  ASSERT_EQ(send(1, 1), Submit::kAccepted);
  ASSERT_EQ(send(2, 0), Submit::kAccepted);
  settle();
  shard().set_up(false);
  settle();
  EXPECT_FALSE(status().at(0).reached);
  EXPECT_EQ(status().at(0).tally.breaks, 1U);
  EXPECT_EQ(status().at(0).tally.replays, 0U);
  shard().set_answering(true);
  shard().set_up(true);
  reconnect();
  EXPECT_GE(status().at(0).tally.replays, 2U) << "calls may find a shard away more than once";
  EXPECT_EQ(counters_.read(Counter::kShardReplays), status().at(0).tally.replays);
  EXPECT_TRUE(status().at(0).reached);
  EXPECT_EQ(status().at(0).tally.breaks, 1U) << "attempts are no breaks";
  EXPECT_EQ(status().at(0).window_messages, 0U);
}

INSTANTIATE_TEST_SUITE_P(Wires, WireTest,
                         ::testing::Values(WireCase{true, true, true, "batch"},
                                           WireCase{false, true, true, "stream"},
                                           WireCase{false, false, true, "unary"}),
                         [](const auto& wire) { return std::string(wire.param.name); });

TEST_F(DispatcherTest, ABetterWireIsFoundAfterARestart) {
  make();
  shard().set_wires(false, false, true);
  dispatcher_->set_shards({kShard}, now_);
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  EXPECT_EQ(wire(), "unary");
  shard().set_up(false);
  ASSERT_EQ(send(1, 1), Submit::kAccepted);
  settle();
  EXPECT_EQ(wire(), "connecting");
  shard().set_wires(true, true, true);
  shard().set_up(true);
  reconnect();
  EXPECT_EQ(wire(), "batch");
  EXPECT_EQ(numbers(1), counting(2));
}

TEST_F(DispatcherTest, UnansweredGreetingIsTriedOnANewConnection) {
  make();
  shard().set_answering(false);
  dispatcher_->set_shards({kShard}, now_);
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  EXPECT_EQ(transport_->opened(kShard), 1U);
  EXPECT_EQ(wire(), "connecting");
  wait(kWelcomeTimeoutNs);
  EXPECT_EQ(transport_->opened(kShard), 2U);
  shard().set_answering(true);
  reconnect();
  EXPECT_EQ(numbers(1), counting(1));
}

TEST_F(DispatcherTest, SilenceOnAnOpenLinkIsTriedOnANewConnection) {
  start();
  shard().set_answering(false);
  for (uint32_t i = 0; i < 5; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  settle();
  const int64_t timeout_ns = DispatcherOptions().call_timeout_ns;
  EXPECT_LE(dispatcher_->next_deadline_ns(), now_.mono_ns + timeout_ns);
  wait(timeout_ns / 2);
  EXPECT_EQ(transport_->opened(kShard), 1U);
  wait(timeout_ns / 2);
  EXPECT_EQ(transport_->opened(kShard), 2U);
  shard().set_answering(true);
  reconnect();
  EXPECT_EQ(numbers(1), counting(5));
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(wire(), "batch");
}

TEST_F(DispatcherTest, PausesBetweenAttemptsGrowAndAreBounded) {
  make();
  shard().set_up(false);
  dispatcher_->set_shards({kShard}, now_);
  std::vector<int64_t> pauses;
  for (int i = 0; i < 12; ++i) {
    settle();
    const int64_t pause = dispatcher_->next_deadline_ns() - now_.mono_ns;
    pauses.push_back(pause);
    EXPECT_LE(pause, kReconnectBackoffMaxNs);
    now_.mono_ns += pause;
  }
  EXPECT_LE(pauses.front(), kReconnectBackoffMinNs);
  EXPECT_GE(pauses.back(), kReconnectBackoffMaxNs / 2);
  EXPECT_EQ(transport_->opened(kShard), 1U) << "a refused connection needs no new channel";
}

TEST_F(DispatcherTest, BytesFillTheWindowToo) {
  start({.window_bytes_max = 1024 * 1024});
  shard().set_answering(false);
  uint32_t taken = 0;
  while (send(1, taken, 10'000) == Submit::kAccepted) {
    ++taken;
    ASSERT_LE(taken, 110U);
  }
  EXPECT_GE(taken, 80U);
  EXPECT_LE(status().at(0).window_bytes, 1024U * 1024U);
  shard().set_answering(true);
  settle();
  EXPECT_EQ(numbers(1), counting(taken));
}

TEST_F(DispatcherTest, ClosesThatFindTheWindowFullComeLaterAndInOrder) {
  constexpr size_t kCloses = 50'000;
  start({.window_messages_max = 256});
  shard().set_answering(false);
  for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(send(1, i), Submit::kAccepted);
  for (size_t i = 0; i < kCloses; ++i) {
    const std::string ip = "192.0.2." + std::to_string(i % 250);
    dispatcher_->close_session({1, 0, 1, static_cast<int64_t>(i), ip});
  }
  EXPECT_EQ(send(1, 256), Submit::kWindowFull);
  EXPECT_EQ(dispatcher_->unacknowledged(), 256U + kCloses);
  EXPECT_EQ(counters_.read(Counter::kSessionClosesDelayed), kCloses);
  shard().set_answering(true);
  settle();
  const auto received = shard().received();
  ASSERT_EQ(received.size(), 256U + kCloses);
  for (size_t i = 0; i < kCloses; ++i) {
    ASSERT_TRUE(received[256 + i].close);
    ASSERT_EQ(received[256 + i].session_id, static_cast<int64_t>(i));
    ASSERT_EQ(received[256 + i].client_ip, "192.0.2." + std::to_string(i % 250));
  }
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  EXPECT_EQ(events_.opened.back(), dispatcher_->shard_of(1));
}

TEST_F(DispatcherTest, KeyQueriesAreJoined) {
  start();
  shard().put_key(make_key(5, 1));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(dispatcher_->query_auth_key(5, now_));
  EXPECT_TRUE(dispatcher_->query_auth_key(6, now_));
  settle();
  EXPECT_EQ(shard().key_queries(), 2U);
  ASSERT_EQ(events_.keys.size(), 2U);
  for (const KeyResult& result : events_.keys) {
    if (result.auth_key_id == 5) {
      EXPECT_EQ(result.answer, KeyAnswer::kFound);
      EXPECT_EQ(result.record.key_type, 1);
      EXPECT_TRUE(equal(result.record.key.view(), make_key(5).key.view()));
    } else {
      EXPECT_EQ(result.answer, KeyAnswer::kUnregistered);
    }
  }
  // The next question is a new one.
  EXPECT_TRUE(dispatcher_->query_auth_key(5, now_));
  settle();
  EXPECT_EQ(shard().key_queries(), 3U);
  EXPECT_EQ(counters_.read(Counter::kKeyQueries), 3U);
  EXPECT_EQ(counters_.read(Counter::kKeyQueriesUnknown), 1U);
}

TEST_F(DispatcherTest, KeyQueriesAreBoundedAndEndAtTheirDeadline) {
  start();
  shard().set_answering(false);
  for (size_t i = 0; i < kKeyQueriesInFlightMax; ++i) {
    ASSERT_TRUE(dispatcher_->query_auth_key(static_cast<int64_t>(i), now_));
  }
  EXPECT_FALSE(dispatcher_->query_auth_key(-1, now_));
  EXPECT_TRUE(dispatcher_->query_auth_key(0, now_)) << "joins the one under way";
  settle();
  EXPECT_TRUE(events_.keys.empty());
  wait(3 * kNsPerSecond);
  ASSERT_EQ(events_.keys.size(), kKeyQueriesInFlightMax);
  for (const KeyResult& result : events_.keys) EXPECT_EQ(result.answer, KeyAnswer::kNoShard);
  EXPECT_EQ(counters_.read(Counter::kKeyQueriesFailed), kKeyQueriesInFlightMax);
  // Answers that come after all change nothing.
  shard().set_answering(true);
  settle();
  EXPECT_EQ(events_.keys.size(), kKeyQueriesInFlightMax);
}

TEST_F(DispatcherTest, AShardThatIsAwayFailsAKeyQuery) {
  start();
  shard().set_up(false);
  EXPECT_TRUE(dispatcher_->query_auth_key(5, now_));
  settle();
  ASSERT_EQ(events_.keys.size(), 1U);
  EXPECT_EQ(events_.keys[0].answer, KeyAnswer::kFailed);
}

TEST_F(DispatcherTest, StoresKeys) {
  start();
  EXPECT_TRUE(dispatcher_->set_auth_key(make_key(8, 2), -123, 3600, 1000, now_));
  settle();
  EXPECT_EQ(events_.stores.at(1000), StoreAnswer::kStored);
  const auto stored = shard().key(8);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->record.key_type, 2);
  EXPECT_EQ(stored->salt, -123);
  EXPECT_EQ(stored->expires_in, 3600);
  shard().refuse_stores(1);
  EXPECT_TRUE(dispatcher_->set_auth_key(make_key(9), 0, 0, 1001, now_));
  settle();
  EXPECT_EQ(events_.stores.at(1001), StoreAnswer::kRefused);
  EXPECT_FALSE(shard().key(9));
  shard().set_up(false);
  EXPECT_TRUE(dispatcher_->set_auth_key(make_key(9), 0, 0, 1002, now_));
  settle();
  EXPECT_EQ(events_.stores.at(1002), StoreAnswer::kRefused);
}

TEST_F(DispatcherTest, PushesComeBackAndAreAnswered) {
  start();
  EXPECT_EQ(shard().push(1, 10, Bytes(4)), 0U) << "no stream carried this key";
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  events_.deliver_pushes = true;
  const uint64_t first = shard().push(1, 10, Bytes{1, 2, 3});
  settle();
  ASSERT_EQ(events_.pushes.size(), 1U);
  EXPECT_EQ(events_.pushes[0].auth_key_id, 1);
  EXPECT_EQ(events_.pushes[0].session_id, 10);
  EXPECT_EQ(events_.pushes[0].payload, (Bytes{1, 2, 3}));
  EXPECT_EQ(shard().push_result(first), true);
  // One that is dropped counts as not delivered.
  events_.deliver_pushes.reset();
  const uint64_t second = shard().push(1, 10, Bytes{4});
  settle();
  EXPECT_EQ(shard().push_result(second), std::nullopt);
  events_.pushes.clear();
  EXPECT_TRUE(dispatcher_->has_work());
  settle();
  EXPECT_EQ(shard().push_result(second), false);
  // An answer to a stream that has gone goes nowhere, and does not crash.
  (void)shard().push(1, 10, Bytes{5});
  settle();
  shard().break_streams(kStatusUnavailable);
  reconnect();
  ASSERT_EQ(events_.pushes.size(), 1U);
  events_.pushes[0].reply->done(true);
  settle();
}

// A batch for the answers alone would cost more than they do.
TEST_F(DispatcherTest, AnswersToPushesTravelWithMessages) {
  start();
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  events_.deliver_pushes = true;
  const uint64_t id = shard().push(1, 10, Bytes{1});
  while (transport_->step()) transport_->settle();
  const uint64_t batches = counters_.read(Counter::kShardBatches);
  dispatcher_->poll(now_);
  dispatcher_->flush(now_);
  ASSERT_EQ(events_.pushes.size(), 1U);
  EXPECT_EQ(counters_.read(Counter::kShardBatches), batches);
  EXPECT_FALSE(dispatcher_->has_work()) << "nobody is to turn round and round for it";
  EXPECT_GT(dispatcher_->next_deadline_ns(), now_.mono_ns);
  EXPECT_LE(dispatcher_->next_deadline_ns(), now_.mono_ns + kNsPerMs);
  ASSERT_EQ(send(1, 1), Submit::kAccepted);
  dispatcher_->flush(now_);
  EXPECT_EQ(counters_.read(Counter::kShardBatches), batches + 1);
  settle();
  EXPECT_EQ(shard().push_result(id), true);
  EXPECT_EQ(counters_.read(Counter::kShardBatches), batches + 1);
  // With nothing to travel with they go when the moment is over.
  const uint64_t alone = shard().push(1, 10, Bytes{2});
  settle();
  EXPECT_EQ(shard().push_result(alone), true);
  EXPECT_EQ(counters_.read(Counter::kShardBatches), batches + 1) << "no batch of messages";
}

TEST_F(DispatcherTest, AnswersFromOtherThreadsWakeTheWorker) {
  start();
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  const uint64_t id = shard().push(1, 10, Bytes{1});
  settle();
  const int before = waker_.wakes();
  std::thread([this] { events_.pushes[0].reply->done(true); }).join();
  EXPECT_EQ(waker_.wakes(), before + 1);
  settle();
  EXPECT_EQ(shard().push_result(id), true);
}

// A shard that pushes faster than the worker takes fills the queue up to its bound and no further.
TEST_F(DispatcherTest, PushesAreTakenInBoundedParts) {
  start();
  ASSERT_EQ(send(1, 0), Submit::kAccepted);
  settle();
  const size_t many = kPushesPerLinkMax * 2 + kLinkEventsMax;
  events_.deliver_pushes = true;
  uint64_t last = 0;
  for (size_t i = 0; i < many; ++i) last = shard().push(1, 10, Bytes(8));
  size_t before = 0;
  while (events_.pushes.size() < many) {
    turn();
    EXPECT_LE(events_.pushes.size() - before, kLinkEventsMax);
    ASSERT_GT(events_.pushes.size(), before);
    before = events_.pushes.size();
  }
  settle();
  EXPECT_EQ(shard().push_result(last), true);
}

// The callbacks may use the dispatcher that calls them.
class Resender final : public DispatcherEvents {
 public:
  void on_window_open(uint32_t) override { send_more(); }
  void on_key_answer(int64_t id, KeyAnswer, const AuthKeyRecord*) override {
    if (++answers < 5) {
      EXPECT_TRUE(dispatcher->query_auth_key(id, {}));
    }
  }
  void on_store_answer(uint64_t, StoreAnswer) override {}
  void on_key_unregistered(int64_t) override {}
  void on_no_shard() override {}
  void on_push(PushRequest push) override {
    send_more();
    push.reply->done(true);
  }
  void send_more() {
    for (; sent < 500; ++sent) {
      const NumberedMessage m(1, sent);
      if (dispatcher->send(m.message) != Submit::kAccepted) return;
    }
  }
  Dispatcher* dispatcher = nullptr;
  uint32_t sent = 0;
  int answers = 0;
};

TEST(DispatcherReentry, EventsMaySendAndAsk) {
  MemoryTransport transport(MemoryTransport::Mode::kStepped);
  CountingWaker waker;
  CounterBlock counters;
  Resender events;
  Dispatcher dispatcher({.server_id = "g:1", .window_messages_max = 16}, transport, events, waker,
                        counters);
  events.dispatcher = &dispatcher;
  dispatcher.set_shards({kShard}, {});
  ASSERT_TRUE(dispatcher.query_auth_key(3, {}));
  Now now;
  for (int i = 0; i < 500; ++i) {
    now.mono_ns += kNsPerMs;
    dispatcher.poll(now);
    dispatcher.flush(now);
    transport.settle();
  }
  EXPECT_EQ(events.sent, 500U);
  EXPECT_EQ(events.answers, 5);
  const auto received = transport.shard(kShard).received();
  ASSERT_EQ(received.size(), 500U);
  for (uint32_t i = 0; i < 500; ++i) EXPECT_EQ(number_of(received[i].payload), i);
}

}  // namespace
}  // namespace ringway::cluster
