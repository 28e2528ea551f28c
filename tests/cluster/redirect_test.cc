// Answers that are not the end of a message: redirects, and those that say "later". And calls of
// Teamgram's HTTP, which are answered once.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/limits.h"
#include "cluster/three_nodes_test.h"

namespace ringway::cluster {
namespace {

class RedirectTest : public ThreeNodesTest {
 protected:
  void run_for(int64_t ns) { ThreeNodesTest::run_for(ns, 20 * kNsPerMs); }
  size_t received(size_t node) { return shard(node).received_count(); }
};

TEST_P(RedirectTest, ARedirectIsFollowedInOrder) {
  start(1);
  const int64_t key = key_of(0);
  shard(0).redirect_key(key, kNodes[2]);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(send(key));
    if (i % 3 == 0) turn();
  }
  dispatcher_->close_session({.auth_key_id = key, .perm_auth_key_id = key, .session_id = 4});
  EXPECT_EQ(dispatcher_->unacknowledged(), 21U);
  settle();
  EXPECT_EQ(received(2), 21U);
  EXPECT_TRUE(shard(2).received().back().close);
  EXPECT_EQ(received(0), 0U);
  EXPECT_GT(counters_.read(Counter::kRedirectsFollowed), 0U);
  EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 0U);
  check();
  // Later ones find the owner first, again.
  shard(0).redirect_key(key, "");
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(received(0), 1U);
  check();
}

TEST_P(RedirectTest, ARedirectToAnUnknownNodeIsFinal) {
  start(1);
  const int64_t key = key_of(0);
  shard(0).redirect_key(key, "10.0.0.77:1");
  ASSERT_TRUE(send(key));
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 2U);
  EXPECT_EQ(counters_.read(Counter::kRedirectsRefused), 2U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
  shard(0).redirect_key(key, "");
  ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(received(0), 1U);
}

TEST_P(RedirectTest, ACircleOfRedirectsEnds) {
  start(1);
  const int64_t key = key_of(0);
  shard(0).redirect_key(key, kNodes[1]);
  shard(1).redirect_key(key, kNodes[0]);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(key));
  settle();
  EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 10U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
}

// The owner insists on a node that is dead. When the shards have noticed too, it serves.
TEST_P(RedirectTest, ARedirectToADeadNodeWaitsForTheOwner) {
  start(1);
  const int64_t key = key_of(0);
  shard(1).set_up(false);
  run_for(2 * kNsPerSecond);
  shard(0).redirect_key(key, kNodes[1]);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(key));
  run_for(3 * kNsPerSecond);
  EXPECT_EQ(dispatcher_->unacknowledged(), 10U);
  EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 0U);
  shard(0).redirect_key(key, "");
  run_for(10 * kNsPerSecond);
  EXPECT_EQ(received(0), 10U);
  check();
}

TEST_P(RedirectTest, LinesAreBounded) {
  start(1, {.window_messages_max = 32});
  const int64_t key = key_of(0);
  shard(0).redirect_key(key, kNodes[1]);
  ASSERT_TRUE(send(key));
  settle();
  shard(1).set_answering(false);
  uint32_t taken = 0;
  for (int i = 0; i < 200; ++i) {
    taken += send(key) ? 1 : 0;
    turn(0);
    transport_->settle();
  }
  EXPECT_LE(taken, 2 * 32U);
  EXPECT_GE(taken, 32U);
  events_.opened.clear();
  shard(1).set_answering(true);
  settle();
  EXPECT_FALSE(events_.opened.empty()) << "who waited hears of room";
  check();
}

// "Later" on a wire that has sent on already: the message goes again by itself, ahead of all that
// had not been sent.
TEST_P(RedirectTest, AnAnswerThatSaysLaterIsAskedAgain) {
  for (const int32_t status : {kStatusResourceExhausted, kStatusDeadlineExceeded}) {
    start(1);
    const int64_t key = key_of(0);
    shard(0).refuse_messages(3, status, "busy");
    ASSERT_TRUE(send(key));
    run_for(20 * kNsPerMs);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(key));
    run_for(20 * kNsPerSecond);
    check();
    EXPECT_EQ(counters_.read(Counter::kMessagesRejected), 0U);
    EXPECT_EQ(counters_.read(Counter::kMessagesLost), 0U);
  }
}

TEST_P(RedirectTest, AnInternalErrorIsAskedAgainAFewTimes) {
  start(1);
  const int64_t key = key_of(0);
  shard(0).refuse_messages(1, kStatusInternal, "oops");
  ASSERT_TRUE(send(key));
  run_for(5 * kNsPerSecond);
  EXPECT_EQ(received(0), 1U);
  shard(0).refuse_messages(100, kStatusInternal, "oops");
  ASSERT_TRUE(send(key));
  run_for(20 * kNsPerSecond);
  EXPECT_EQ(received(0), 1U);
  EXPECT_EQ(counters_.read(Counter::kMessagesLost), 1U);
  EXPECT_EQ(dispatcher_->unacknowledged(), 0U);
}

// Redirects begin at any moment, while nodes die, hang and come back.
TEST_P(RedirectTest, NothingIsLostOrOvertakenAmidRedirects) {
  for (uint64_t seed = 1; seed <= 700; ++seed) {
    start(seed, {.window_messages_max = 64});
    std::mt19937_64 random(seed);
    std::map<int64_t, size_t> targets;  // one per key: shards that disagree in circles refuse
    for (int64_t key = 1; key <= 5; ++key) targets[key] = random() % kNodes.size();
    for (int i = 0; i < 60; ++i) {
      for (uint64_t n = random() % 10; n > 0; --n) {
        (void)send(static_cast<int64_t>(1 + random() % 5));
      }
      turn(random() % 8 == 0 ? static_cast<int64_t>(random() % 500) * kNsPerMs : kNsPerMs);
      for (uint64_t n = random() % 8; n > 0; --n) (void)transport_->step();
      const auto key = static_cast<int64_t>(1 + random() % 5);
      const size_t node = random() % kNodes.size();
      switch (random() % 8) {
        case 0:
        case 1:
          if (node != targets[key]) shard(node).redirect_key(key, kNodes[targets[key]]);
          break;
        case 2:
          shard(node).set_up(false);
          shard(node).set_frozen(false);
          break;
        case 3:
        case 4:
          shard(node).set_up(true);
          break;
        case 5:
          shard(node).set_frozen(true);
          break;
        case 6:
          shard(node).set_frozen(false);
          break;
        default:
          break;
      }
    }
    for (size_t node = 0; node < kNodes.size(); ++node) {
      shard(node).set_frozen(false);
      shard(node).set_up(true);
    }
    run_for(100 * kNsPerSecond);
    check(seed);
    ASSERT_EQ(counters_.read(Counter::kMessagesRejected), 0U) << seed;
    ASSERT_EQ(counters_.read(Counter::kMessagesLost), 0U) << seed;
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(counters_.read(Counter::kRedirectsFollowed), 700U);
}

TEST_P(RedirectTest, HttpCallsAreAnswered) {
  start(1);
  const int64_t key = key_of(1);
  const NumberedMessage m(key, 0);
  shard(1).set_http_answer(0, "polled");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
  settle();
  EXPECT_EQ(events_.http.at(1), std::pair(HttpAnswer::kAnswered, std::string("polled")));
  EXPECT_EQ(shard(1).received().back().wire, "http");
  EXPECT_EQ(shard(1).received().back().perm_auth_key_id, key);
  shard(1).set_http_answer(401, "");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 2, now_));
  shard(1).set_http_answer(kStatusUnknown, "");
  settle();
  ASSERT_TRUE(dispatcher_->send_http(m.message, 3, now_));
  settle();
  EXPECT_EQ(events_.http.at(3).first, HttpAnswer::kRefused);
  // Held open: it has a deadline of its own, which says nothing about the shard.
  shard(1).set_http_answer(-1, "");
  for (uint64_t cookie = 10; cookie < 15; ++cookie) {
    ASSERT_TRUE(dispatcher_->send_http(m.message, cookie, now_));
  }
  run_for(kHttpCallTimeoutNs - kNsPerSecond);
  EXPECT_EQ(events_.http.size(), 3U);
  run_for(2 * kNsPerSecond);
  ASSERT_EQ(events_.http.size(), 8U);
  EXPECT_EQ(events_.http.at(14).first, HttpAnswer::kUnavailable);
  EXPECT_EQ(counters_.read(Counter::kShardsTakenOut), 0U);
}

TEST_P(RedirectTest, AnHttpCallIsMadeOnceMoreAtTheNextOwner) {
  start(1);
  const int64_t key = key_of(1);
  const NumberedMessage m(key, 0);
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).set_http_answer(0, "node " + kNodes[i]);
  shard(1).set_http_answer(-1, "");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
  settle();
  shard(1).set_up(false);
  run_for(3 * kNsPerSecond);
  ASSERT_TRUE(events_.http.contains(1));
  ASSERT_TRUE(dispatcher_->send_http(m.message, 2, now_));
  settle();
  EXPECT_EQ(events_.http.at(2).first, HttpAnswer::kAnswered);
}

// As many polls as failures take a shard out, and more: their connection ends once.
TEST_P(RedirectTest, PollsThatEndWithTheirConnectionAreOneFailure) {
  start(1);
  const NumberedMessage m(key_of(1), 0);
  shard(1).set_http_answer(-1, "");
  for (uint64_t cookie = 0; cookie < 10; ++cookie) {
    ASSERT_TRUE(dispatcher_->send_http(m.message, cookie, now_));
  }
  settle();
  shard(1).set_up(false);
  shard(1).set_up(true);
  shard(1).set_http_answer(0, "here again");
  settle();
  EXPECT_EQ(counters_.read(Counter::kShardsTakenOut), 0U);
  ASSERT_EQ(events_.http.size(), 10U);
  EXPECT_EQ(events_.http.at(9).second, "here again");
  // Nobody is there to connect to: that is one as well.
  shard(1).set_up(false);
  for (uint64_t cookie = 10; cookie < 20; ++cookie) {
    ASSERT_TRUE(dispatcher_->send_http(m.message, cookie, now_));
  }
  transport_->settle();
  dispatcher_->poll(now_);
  EXPECT_EQ(counters_.read(Counter::kShardsTakenOut), 0U);
  shard(1).set_up(true);
  settle();
}

TEST_P(RedirectTest, ARedirectOfAnHttpCallIsFollowedOnce) {
  start(1);
  const int64_t key = key_of(0);
  const NumberedMessage m(key, 0);
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).set_http_answer(0, "node " + kNodes[i]);
  shard(0).redirect_key(key, kNodes[2]);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
  settle();
  EXPECT_EQ(events_.http.at(1), std::pair(HttpAnswer::kAnswered, "node " + kNodes[2]));
  EXPECT_EQ(counters_.read(Counter::kRedirectsFollowed), 1U);
  // In a circle.
  shard(2).redirect_key(key, kNodes[0]);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 2, now_));
  settle();
  EXPECT_EQ(events_.http.at(2).first, HttpAnswer::kRefused);
  EXPECT_EQ(counters_.read(Counter::kRedirectsRefused), 1U);
  // To a node that is not of the set.
  shard(0).redirect_key(key, "10.0.0.77:1");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 3, now_));
  settle();
  EXPECT_EQ(events_.http.at(3).first, HttpAnswer::kRefused);
  EXPECT_EQ(counters_.read(Counter::kRedirectsRefused), 2U);
}

TEST_P(RedirectTest, ACancelledHttpCallIsForgotten) {
  start(1);
  const NumberedMessage m(key_of(1), 0);
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).set_http_answer(-1, "");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
  ASSERT_TRUE(dispatcher_->send_http(m.message, 2, now_));
  settle();
  dispatcher_->cancel_http(1);
  dispatcher_->cancel_http(1);
  dispatcher_->cancel_http(77);
  EXPECT_EQ(counters_.read(Counter::kHttpCallsCancelled), 1U);
  run_for(kHttpCallTimeoutNs + kNsPerSecond);
  EXPECT_FALSE(events_.http.contains(1));
  EXPECT_EQ(events_.http.at(2).first, HttpAnswer::kUnavailable);
  // One whose answer is there already, and one that is asked again elsewhere.
  shard(1).set_http_answer(0, "late");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 3, now_));
  dispatcher_->flush(now_);
  transport_->settle();
  dispatcher_->cancel_http(3);
  shard(1).set_http_answer(-1, "");
  ASSERT_TRUE(dispatcher_->send_http(m.message, 4, now_));
  settle();
  shard(1).set_up(false);
  dispatcher_->cancel_http(4);
  run_for(3 * kNsPerSecond);
  EXPECT_FALSE(events_.http.contains(3));
  EXPECT_FALSE(events_.http.contains(4));
}

TEST_P(RedirectTest, HttpCallsAreBounded) {
  start(1);
  const NumberedMessage m(key_of(1), 0);
  for (size_t i = 0; i < kNodes.size(); ++i) shard(i).set_http_answer(-1, "");
  for (uint64_t i = 0; i < kHttpCallsInFlightMax; ++i) {
    ASSERT_TRUE(dispatcher_->send_http(m.message, i, now_));
    // The transport looks at all that waits in it for each step.
    if (i % 256 == 0) transport_->settle();
  }
  EXPECT_FALSE(dispatcher_->send_http(m.message, 99'999, now_));
  EXPECT_EQ(counters_.read(Counter::kHttpCallsLimited), 1U);
  ThreeNodesTest::run_for(kHttpCallTimeoutNs + kNsPerSecond, kNsPerSecond);
  EXPECT_EQ(events_.http.size(), kHttpCallsInFlightMax);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1, now_));
}

// Calls that are held open leave a shard's other calls their share, and there is always one: what
// is refused has not begun, and has not failed either.
TEST_P(RedirectTest, HttpCallsLeaveAShardsStreamsToOthers) {
  for (const auto& [allowed, calls] :
       std::map<size_t, uint64_t>{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {7, 1}, {8, 2}, {100, 25}}) {
    start(1);
    const NumberedMessage m(key_of(1), 0);
    shard(1).set_http_answer(-1, "");
    shard(1).allow_streams(allowed);
    const uint64_t begun = counters_.read(Counter::kHttpCalls);
    const uint64_t failed = counters_.read(Counter::kHttpCallsFailed);
    const uint64_t limited = counters_.read(Counter::kHttpCallsLimited);
    uint64_t cookie = 0;
    while (cookie < 200 && dispatcher_->send_http(m.message, cookie, now_)) ++cookie;
    EXPECT_EQ(cookie, calls) << allowed;
    settle();
    EXPECT_EQ(counters_.read(Counter::kHttpCalls), begun + calls);
    EXPECT_EQ(counters_.read(Counter::kHttpCallsFailed), failed);
    EXPECT_EQ(counters_.read(Counter::kHttpCallsLimited), limited + 1);
    EXPECT_TRUE(events_.http.empty());
    // Other shards have room, and an end makes some here.
    const NumberedMessage other(key_of(0), 0);
    EXPECT_TRUE(dispatcher_->send_http(other.message, 1000, now_));
    dispatcher_->cancel_http(0);
    EXPECT_TRUE(dispatcher_->send_http(m.message, 1001, now_));
    settle();
    for (uint64_t i = 1; i < calls; ++i) dispatcher_->cancel_http(i);
    dispatcher_->cancel_http(1001);
    settle();
    events_.http.clear();
  }
}

// Who is asked in the place of a shard that is gone may have no room either.
TEST_P(RedirectTest, AnHttpCallThatIsMadeOnceMoreNeedsRoomAsWell) {
  start(1);
  const NumberedMessage m(key_of(1), 0);
  for (const size_t i : {0U, 2U}) {
    shard(i).set_http_answer(-1, "");
    shard(i).allow_streams(1);
    const NumberedMessage poll(key_of(i), 0);
    ASSERT_TRUE(dispatcher_->send_http(poll.message, i, now_));
  }
  shard(1).redirect_key(key_of(1), kNodes[2]);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 77, now_));
  settle();
  ASSERT_TRUE(events_.http.contains(77));
  EXPECT_NE(events_.http.at(77).first, HttpAnswer::kAnswered);
  EXPECT_EQ(counters_.read(Counter::kHttpCallsLimited), 1U);
  EXPECT_EQ(counters_.read(Counter::kHttpCalls), 3U);
  EXPECT_EQ(counters_.read(Counter::kHttpCallsFailed), 1U);
}

TEST_P(RedirectTest, HttpCallsAreBoundedInBytes) {
  start(1);
  const NumberedMessage m(key_of(1), 0, kHttpBodyBytesMax);
  shard(1).set_http_answer(-1, "");
  for (uint64_t i = 0; i < kHttpCallBytesMax / kHttpBodyBytesMax; ++i) {
    ASSERT_TRUE(dispatcher_->send_http(m.message, i, now_));
  }
  EXPECT_FALSE(dispatcher_->send_http(m.message, 1000, now_));
  EXPECT_EQ(counters_.read(Counter::kHttpCallsLimited), 1U);
  dispatcher_->cancel_http(0);
  ASSERT_TRUE(dispatcher_->send_http(m.message, 1001, now_));
  EXPECT_FALSE(dispatcher_->send_http(m.message, 1002, now_));
  // An answer makes room as well.
  run_for(kHttpCallTimeoutNs + kNsPerSecond);
  EXPECT_TRUE(dispatcher_->send_http(m.message, 1003, now_));
}

INSTANTIATE_TEST_SUITE_P(Wires, RedirectTest, kEachWire, wire_name);

}  // namespace
}  // namespace ringway::cluster
