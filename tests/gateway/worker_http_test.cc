// One worker with HTTP clients, in virtual time on a kind network: polls, deadlines, and the end.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/doors_testing.h"
#include "gateway/sim_client.h"
#include "gateway/worker.h"
#include "mtproto/bind.h"
#include "mtproto/handshake_wire.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::gateway {
namespace {

using ringway::testing::ClientId;
using ringway::testing::SimNetwork;
using ringway::testing::SimRing;
using ringway::testing::SimRingOptions;

constexpr const char* kShard = "10.1.1.1:20120";
constexpr int64_t kUnixBaseNs = testing::kUnixSeconds * kNsPerSecond;
constexpr int kNeverAnswered = -1;  // what MemoryShard takes for it

std::string post(ByteView body, std::string_view more = "") {
  return "POST /apiw1 HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(as_text(body));
}

// A message of the client's, sealed.
Bytes message(const testing::TestKey& key, uint32_t number, ByteView body) {
  const size_t plaintext_bytes = kMessagePrefixBytes + body.size();
  Bytes sealed(mtproto::sealed_bytes(plaintext_bytes));
  ByteWriter out(ByteSpan(sealed).subspan(kMessageHeaderBytes));
  out.i64(1);
  out.i64(2);
  out.i64(int64_t{number} * 4);
  out.i32(0);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  mtproto::SealJob job;
  job.key = &key.bytes;
  job.auth_key_id = key.id;
  job.out = sealed;
  job.plaintext_bytes = plaintext_bytes;
  job.sender = mtproto::Sender::kClient;
  mtproto::seal_many({&job, 1});
  return sealed;
}

Bytes message(const testing::TestKey& key, uint32_t number, size_t body_bytes = 16) {
  return message(key, number, Bytes(body_bytes));
}

class WorkerHttp : public ::testing::Test {
 protected:
  WorkerHttp()
      : network_(1), shards_(cluster::MemoryTransport::Mode::kStepped, 1), budget_(0, 0, 0) {}

  void start(config::HttpErrorStyle style = config::HttpErrorStyle::kStatus) {
    ASSERT_EQ(log_setup({.level = LogLevel::kError}), "");
    shared_.workers = 1;
    shared_.budget = &budget_;
    shared_.submit_crypto = [](CryptoTask&) { return PoolAnswer::kFull; };
    shared_.post = [this](uint32_t, WorkerMessage& message) {
      return worker_->post(std::move(message));
    };
    for (const testing::TestKey& key : testing::test_keys()) {
      shards_.shard(kShard).put_key(testing::record_of(key, key.id));
    }
    testing::Stack stack = testing::make_stack("http", config::Protocol::kHttp);
    stack.listener.http_error_style = style;
    shared_.config.listeners = {stack.listener};
    shared_.doors = make_doors(shared_.config, nullptr);
    WorkerOptions options;
    options.table.connections_max = 64;
    options.dispatcher.server_id = "10.0.0.1:20110";
    worker_ = std::make_unique<Worker>(options, std::make_unique<SimRing>(network_, ring_), shared_,
                                       shards_);
    listener_ = network_.listen();
    std::vector<net::OwnedFd> listeners;
    listeners.emplace_back(listener_);
    ASSERT_EQ(worker_->start(now(), std::move(listeners), {kShard}), "");
  }

  void TearDown() override {
    drain();
    EXPECT_TRUE(worker_->drained());
    EXPECT_EQ(worker_->flow().input_bytes(), 0U);
    worker_.reset();
    EXPECT_EQ(network_.open_descriptors(), 0U);
    for (const std::string& violation : network_.violations()) ADD_FAILURE() << violation;
  }
  void drain() {
    ASSERT_TRUE(worker_->post(Drain{}));
    for (int i = 0; i < 2000 && !worker_->drained(); ++i) turn();
  }

  Now now() const { return {network_.now_ns(), kUnixBaseNs + network_.now_ns()}; }
  void turn() {
    worker_->turn(20 * kNsPerMs, [this] { return now(); });
    worker_->settle_posts();
    shards_.settle();
  }
  void settle() {
    for (int i = 0; i < 20; ++i) turn();
  }
  void run_for(int64_t ns) {
    const int64_t end_ns = network_.now_ns() + ns;
    while (network_.now_ns() < end_ns) {
      const int64_t before_ns = network_.now_ns();
      turn();
      if (network_.now_ns() == before_ns) network_.advance(kNsPerMs);
    }
  }
  ClientId connect() { return network_.connect(listener_); }
  void say(ClientId client, std::string_view text) {
    network_.write(client, as_bytes(text));
    settle();
  }
  std::string hear(ClientId client) {
    std::string heard;
    for (;;) {
      const Bytes bytes = network_.read(client);
      if (bytes.empty()) return heard;
      heard += as_text(bytes);
      settle();
    }
  }
  // Key exchanges whose heavy work stays in `pool_`.
  void keep_work() {
    shared_.submit_crypto = [this](CryptoTask& task) {
      pool_.push_back(std::move(task));
      return PoolAnswer::kQueued;
    };
    shared_.handshake.keys = {{nullptr, kFingerprint}};
    shared_.handshake.make_primes = []() noexcept {
      crypto::PrimePair primes;
      primes.p = kP;
      primes.q = kQ;
      return primes;
    };
  }
  // On a connection that has proven itself, as far as the first heavy step.
  void begin_exchange(ClientId client, const mtproto::Nonce& nonce) {
    say(client, post(message(key(), 1)));
    EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 200"));
    mtproto::ReqPq req_pq;
    req_pq.nonce = nonce;
    say(client, post(mtproto::write_unencrypted(4, mtproto::write_req_pq(req_pq))));
    const std::string heard = hear(client);
    constexpr size_t kServerNonceAt = 20 + 4 + 16;  // behind header, constructor, nonce
    const size_t at = heard.find("\r\n\r\n") + 4 + kServerNonceAt;
    mtproto::ReqDhParams request;
    request.nonce = nonce;
    ASSERT_GE(heard.size(), at + request.server_nonce.size());
    std::memcpy(request.server_nonce.data(), heard.data() + at, request.server_nonce.size());
    const Bytes p = mtproto::to_big_endian(kP);
    const Bytes q = mtproto::to_big_endian(kQ);
    const Bytes encrypted(256, 1);
    request.p = p;
    request.q = q;
    request.fingerprint = kFingerprint;
    request.encrypted_data = encrypted;
    say(client, post(mtproto::write_unencrypted(8, mtproto::write_req_dh_params(request))));
    EXPECT_EQ(hear(client), "");
  }
  void finish_work(size_t which, Error error) {
    pool_[which].job->error = error;
    ASSERT_TRUE(worker_->post(std::move(pool_[which])));
    settle();
  }
  bool shut(ClientId client) const {
    return network_.saw_end(client) || network_.server_closed(client);
  }
  cluster::MemoryShard& shard() { return shards_.shard(kShard); }
  uint64_t count(Counter counter) const { return worker_->counters().read(counter); }
  static const testing::TestKey& key(size_t which = 0) { return testing::test_keys()[which]; }

  static constexpr uint64_t kFingerprint = 77;
  static constexpr uint32_t kP = 1'229'739'323;
  static constexpr uint32_t kQ = 1'402'015'859;

  SimRingOptions ring_;
  SimNetwork network_;
  std::vector<CryptoTask> pool_;
  cluster::MemoryTransport shards_;
  AddressBudget budget_;
  SharedContext shared_;
  std::unique_ptr<Worker> worker_;
  int listener_ = -1;
};

TEST_F(WorkerHttp, RequestsAreAnsweredOneByOneAndHoldNothingBetween) {
  start();
  const ClientId client = connect();
  // All keys, a large message, and bytes that come while others are worked on.
  std::string all;
  for (uint32_t i = 0; i < 8; ++i) all += post(message(key(i % 3), 1 + i, i == 3 ? 300'000 : 16));
  say(client, all);
  run_for(kNsPerSecond);
  const std::string heard = hear(client);
  size_t answers = 0;
  for (size_t at = heard.find("HTTP/1.1 200"); at != std::string::npos;
       at = heard.find("HTTP/1.1 200", at + 1)) {
    ++answers;
  }
  EXPECT_EQ(answers, 8U);
  EXPECT_EQ(shard().received().size(), 8U);
  for (const auto& received : shard().received()) EXPECT_EQ(received.wire, "http");
  EXPECT_EQ(count(Counter::kHttpRequests), 8U);
  EXPECT_EQ(count(Counter::kSessionsOpened), 0U);
  EXPECT_EQ(worker_->flow().sessions(), 0U);
  EXPECT_FALSE(shut(client));
}

// All of them are there at once, and others have their turns between.
TEST_F(WorkerHttp, PreflightsInARowTakeSeveralTurns) {
  ring_.buffer_bytes = 64 * 1024;
  start();
  const ClientId client = connect();
  std::string flood;
  const size_t asked = 10 * kHttpPreflightsPerTurn + 1;
  for (size_t i = 0; i < asked; ++i) flood += "OPTIONS /api HTTP/1.1\r\n\r\n";
  network_.write(client, as_bytes(flood + post(message(key(), 1))));
  const auto answered = [](const std::string& heard) {
    size_t answers = 0;
    for (size_t at = heard.find("HTTP/1.1 20"); at != std::string::npos;
         at = heard.find("HTTP/1.1 20", at + 1)) {
      ++answers;
    }
    return answers;
  };
  size_t answers = 0;
  for (int i = 0; i < 200; ++i) {
    // A read's, and those that were put off: twice, before the inbox and behind it.
    const size_t before = answers;
    turn();
    answers += answered(std::string(as_text(network_.read(client))));
    EXPECT_LE(answers - before, 3 * kHttpPreflightsPerTurn) << "turn " << i;
  }
  EXPECT_EQ(answers, asked + 1);
  EXPECT_FALSE(shut(client));
}

TEST_F(WorkerHttp, AnIdleConnectionEndsInAMinuteAndOneThatWaitsForUsDoesNot) {
  start();
  const ClientId idle = connect();
  say(idle, post(message(key(2), 1)));
  EXPECT_TRUE(hear(idle).starts_with("HTTP/1.1 200"));
  shard().set_http_answer(kNeverAnswered, "");
  const ClientId busy = connect();
  say(busy, post(message(key(), 1)));
  run_for(kHttpCallTimeoutNs - kNsPerSecond);
  EXPECT_FALSE(shut(idle));
  EXPECT_EQ(hear(busy), "");
  // The call's own deadline.
  run_for(3 * kNsPerSecond);
  EXPECT_TRUE(hear(busy).starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_TRUE(shut(busy));
  EXPECT_EQ(count(Counter::kHttpRequestsFailed), 1U);
  run_for(kHttpIdleNs - kHttpCallTimeoutNs);
  EXPECT_TRUE(shut(idle));
  EXPECT_EQ(hear(idle), "") << "it has asked nothing";
  EXPECT_EQ(count(Counter::kTimeoutIdle), 1U);
}

TEST_F(WorkerHttp, WhoGoesTakesItsCallAlong) {
  start();
  shard().set_http_answer(kNeverAnswered, "");
  const ClientId reset = connect();
  const ClientId ended = connect();
  say(reset, post(message(key(), 1)));
  say(ended, post(message(key(1), 1)));
  EXPECT_EQ(count(Counter::kHttpCalls), 2U);
  network_.reset(reset);
  network_.finish(ended);
  settle();
  EXPECT_EQ(count(Counter::kHttpCallsCancelled), 2U);
}

// An empty line behind a body, as some clients send, begins no request: it has no deadline of one.
TEST_F(WorkerHttp, AnEmptyLineBehindABodyBeginsNoRequest) {
  shared_.config.timeouts.frame_ns = 5 * kNsPerSecond;
  start();
  const ClientId client = connect();
  say(client, post(message(key(), 1)) + "\r\n");
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 200"));
  run_for(2 * shared_.config.timeouts.frame_ns);
  EXPECT_EQ(count(Counter::kTimeoutFrame), 0U);
  EXPECT_FALSE(shut(client));
  say(client, post(message(key(), 2)) + "\r");
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 200"));
  run_for(2 * shared_.config.timeouts.frame_ns);
  EXPECT_FALSE(shut(client));
  // And what it is behind is one.
  say(client, "\nPOST");
  run_for(2 * shared_.config.timeouts.frame_ns);
  EXPECT_EQ(count(Counter::kTimeoutFrame), 1U);
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 408"));
}

// A key without a binding is asked for with each request: as often as for keys that are unknown.
TEST_F(WorkerHttp, QuestionsAboutUnboundKeysAreBounded) {
  AddressBudget budget(0, 1, 0);
  start();
  shared_.budget = &budget;
  const testing::TestKey& temporary = testing::temporary_keys()[0];
  shard().put_key(testing::record_of(temporary, 0));
  const ClientId client = connect();
  uint32_t asked = 0;
  std::string heard = "HTTP/1.1 200";
  while (asked < 20 && heard.starts_with("HTTP/1.1 200")) {
    say(client, post(message(temporary, ++asked)));
    heard = hear(client);
  }
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 429")) << heard;
  EXPECT_EQ(count(Counter::kKeyQueries), asked - 1) << "once for each that is let through";
  EXPECT_EQ(count(Counter::kUnknownKeysLimited), 1U);
  EXPECT_TRUE(shut(client));
  drain();
  shared_.budget = &budget_;
}

// Whoever goes on asking while its answer is due is not read beyond a bound.
TEST_F(WorkerHttp, PipelinedRequestsWaitUnread) {
  start();
  shard().set_http_answer(kNeverAnswered, "");
  const ClientId client = connect();
  std::string flood;
  for (uint32_t i = 0; i < 2000; ++i) flood += post(message(key(), 1 + i, 1024));
  network_.write(client, as_bytes(flood));
  run_for(kNsPerSecond);
  EXPECT_EQ(count(Counter::kHttpCalls), 1U);
  EXPECT_LT(worker_->flow().input_bytes(), 4 * kParkedBytesUnpaused);
  EXPECT_FALSE(shut(client));
}

TEST_F(WorkerHttp, AShutdownGivesAnswersAMoment) {
  start();
  shard().set_http_answer(kNeverAnswered, "");
  const ClientId poll = connect();
  const ClientId idle = connect();
  say(poll, post(message(key(), 1)));
  say(idle, "OPTIONS /api HTTP/1.1\r\n\r\n");
  (void)hear(idle);
  ASSERT_TRUE(worker_->post(Drain{}));
  settle();
  EXPECT_TRUE(shut(idle));
  EXPECT_EQ(hear(idle), "");
  EXPECT_FALSE(shut(poll));
  run_for(kHttpDrainNs + 100 * kNsPerMs);
  EXPECT_TRUE(hear(poll).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(shut(poll));
}

TEST_F(WorkerHttp, TransportErrorsHaveTheListenersStyle) {
  start(config::HttpErrorStyle::kGnetway);
  testing::TestKey stranger = key();
  stranger.id ^= 0x77;
  const ClientId unknown = connect();
  say(unknown, post(message(stranger, 1)));
  run_for(kNsPerSecond);
  const std::string heard = hear(unknown);
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n"));
  EXPECT_TRUE(heard.ends_with("\r\n\r\n\x6c\xfe\xff\xff"));
  EXPECT_TRUE(shut(unknown));
}

// What a shard gives that is no message, and a key that it has forgotten.
TEST_F(WorkerHttp, AnswersOfShardsAreChecked) {
  start();
  const ClientId first = connect();
  shard().set_http_answer(0, "too short");
  say(first, post(message(key(), 1)));
  run_for(kNsPerSecond);
  EXPECT_TRUE(hear(first).starts_with("HTTP/1.1 502"));
  const ClientId second = connect();
  shard().set_http_answer(401, "");
  say(second, post(message(key(), 2)));
  run_for(kNsPerSecond);
  EXPECT_TRUE(hear(second).starts_with("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n"));
  // A large answer goes out in slices, and is whole.
  const ClientId third = connect();
  Bytes payload(200'000);
  store_le(payload.data() + 28, static_cast<uint32_t>(payload.size() - kMessagePrefixBytes));
  shard().set_http_answer(0, std::string(as_text(payload)));
  say(third, post(message(key(1), 1)));
  run_for(kNsPerSecond);
  const std::string heard = hear(third);
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 200"));
  EXPECT_GT(heard.size(), payload.size());
  EXPECT_FALSE(shut(third));
}

// One result comes late, one never.
TEST_F(WorkerHttp, AnExchangeWithWorkUnderWayIsAnsweredInTheEnd) {
  start();
  keep_work();
  const ClientId late = connect();
  const ClientId lost = connect();
  begin_exchange(late, {1});
  begin_exchange(lost, {2});
  ASSERT_EQ(pool_.size(), 2U);
  run_for(shared_.config.timeouts.handshake_ns + 2 * kNsPerSecond);
  finish_work(0, Error::kMalformed);
  EXPECT_TRUE(hear(late).starts_with("HTTP/1.1 404"));
  EXPECT_EQ(hear(lost), "");
  EXPECT_FALSE(shut(lost));
  run_for(kHttpAnswerNs - shared_.config.timeouts.handshake_ns);
  EXPECT_TRUE(hear(lost).starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(shut(lost));
}

// The exchange that it was for has failed, and its nonce has begun another one.
TEST_F(WorkerHttp, ALateResultIsNothingToTheNextExchangeOfItsNonce) {
  start();
  keep_work();
  const ClientId first = connect();
  const ClientId spoiling = connect();
  const ClientId second = connect();
  const mtproto::Nonce nonce{7};
  begin_exchange(first, nonce);
  mtproto::ReqPq again;
  again.nonce = nonce;
  say(spoiling, post(mtproto::write_unencrypted(4, mtproto::write_req_pq(again))));
  EXPECT_TRUE(hear(first).starts_with("HTTP/1.1 409"));
  EXPECT_TRUE(hear(spoiling).starts_with("HTTP/1.1 404"));
  begin_exchange(second, nonce);
  ASSERT_EQ(pool_.size(), 2U);
  finish_work(0, Error::kMalformed);
  EXPECT_EQ(hear(second), "");
  finish_work(1, Error::kMalformed);
  EXPECT_TRUE(hear(second).starts_with("HTTP/1.1 404"));
}

// A client that is told 503 while its message is opened in slices: the shard does not get it.
TEST_F(WorkerHttp, WhatFailsWhileItIsOpenedIsNotExecuted) {
  start();
  const ClientId client = connect();
  say(client, post(message(key(), 1)));
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 200"));
  // Two slices: one in the turn that it is whole in, and one in the next.
  network_.write(client, as_bytes(post(message(key(), 2, kCryptoSliceBytes * 3 / 2))));
  for (int i = 0; i < 100 && count(Counter::kLargeMessages) == 0; ++i) turn();
  ASSERT_TRUE(worker_->post(Drain{}));
  settle();
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 503"));
  EXPECT_EQ(count(Counter::kLargeMessages), 1U);
  EXPECT_EQ(count(Counter::kHttpCalls), 1U) << "the first one";
}

// Answers to several binds of one request are gathered, as long as a message can hold them.
TEST_F(WorkerHttp, GatheredAnswersThatNoMessageHoldsFailAtOnce) {
  start();
  const testing::TestKey& temporary = testing::temporary_keys()[0];
  shard().put_key(testing::record_of(temporary, 0));
  Bytes container;
  ByteAppender out(container);
  out.u32(mtproto::constructor::kMsgContainer);
  out.u32(4);
  const Bytes proof(104, 0x77);
  for (int64_t i = 1; i <= 4; ++i) {
    const Bytes bind = mtproto::write_bind_call({.perm_auth_key_id = temporary.claims,
                                                 .nonce = i,
                                                 .expires_at = 2'000'000'000,
                                                 .encrypted_message = proof});
    out.bytes(mtproto::frame_message(int64_t{1} << 40 | i * 4, 1, bind));
  }
  // A protocol message, so that it goes on to the client, of more than half of what one may hold.
  Bytes payload(kServerFrameBytesMax / 8 * 5);
  store_le(payload.data() + 28, static_cast<uint32_t>(payload.size() - kMessagePrefixBytes));
  store_le(payload.data() + 32, mtproto::constructor::kBadServerSalt);
  shard().set_http_answer(0, std::string(as_text(payload)));
  const ClientId client = connect();
  say(client, post(message(temporary, 1, container)));
  run_for(kNsPerSecond);
  EXPECT_TRUE(hear(client).starts_with("HTTP/1.1 502"));
  EXPECT_EQ(shard().received_count(), 2U);
}

TEST_F(WorkerHttp, AnExchangeWithoutRoomOnThePoolIsRefused) {
  start();
  Bytes unencrypted(20 + 20);
  store_le(unencrypted.data() + 8, int64_t{4});
  store_le(unencrypted.data() + 16, 20u);
  store_le(unencrypted.data() + 20, 0xbe7e8ef1u);
  const ClientId client = connect();
  say(client, post(unencrypted) + post(unencrypted, "Connection: close\r\n"));
  run_for(kNsPerSecond);
  const std::string heard = hear(client);
  const size_t second = heard.find("HTTP/1.1 200", 1);
  ASSERT_NE(second, std::string::npos);
  EXPECT_TRUE(shut(client)) << "it has asked for that";
  // A step that skips the others.
  store_le(unencrypted.data() + 20, 0xf5045f1fu);
  const ClientId skipping = connect();
  say(skipping, post(unencrypted));
  EXPECT_TRUE(hear(skipping).starts_with("HTTP/1.1 404"));
  // An acknowledgement is answered with nothing.
  store_le(unencrypted.data() + 20, 0x62d6b459u);
  const ClientId acknowledging = connect();
  say(acknowledging, post(unencrypted) + post(unencrypted));
  const std::string nothing = hear(acknowledging);
  EXPECT_NE(nothing.find("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", 1), std::string::npos);
  EXPECT_FALSE(shut(acknowledging));
}

}  // namespace
}  // namespace ringway::gateway
