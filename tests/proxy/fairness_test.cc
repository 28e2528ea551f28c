// Fairness from end to end: many gRPC clients share a session with one that floods it.
//
// The account answers one call at a time, the oldest first, and only once everything that was sent
// has arrived. So what is measured are places in the order of the session and no times: how many
// calls went to the server between the sending of a call and its own turn.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "harness.h"
#include "proxy/limits.h"
#include "proxy/proto_fields.h"

namespace ringway::proxy::test {
namespace {

// contacts.getContactIDs hash:long = Vector<int>; the account answers the number that it was sent.
constexpr char kPath[] = "/mtproto.l228.Mtproto/ContactsGetContactIDs";

constexpr size_t kOthers = 120;  // more than may be in flight, so that all of them have to wait
constexpr size_t kFlood = 200;   // calls that the greedy one has there at any time
constexpr size_t kTurns = 2000;
static_assert(kOthers > kCallsInFlightMax && kFlood < kQueuedCallsPerClientMax);

struct Sent {
  std::unique_ptr<RawCall> call;
  uint32_t number = 0;
};

struct Peer {
  std::shared_ptr<grpc::Channel> channel;
  std::deque<Sent> sent;
  size_t answered = 0;
};

class Crowd {
 public:
  // With `greedy`, there is one more client, the last one, who floods.
  explicit Crowd(bool greedy) : peers_(kOthers + (greedy ? 1 : 0)) {
    for (Peer& peer : peers_) peer.channel = server_.channel();
    // The flood is there first: the others find it.
    if (greedy) {
      for (size_t i = 0; i < kFlood; ++i) send(kOthers);
      wait_arrived();
    }
    for (size_t i = 0; i < kOthers; ++i) send(i);
    wait_arrived();
  }
  // What is not answered yet.
  ~Crowd() {
    for (Peer& peer : peers_) {
      for (Sent& sent : peer.sent) sent.call->cancel();
      for (Sent& sent : peer.sent) sent.call->wait();
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // The oldest call is answered, and its client sends another one.
  void turn();

  // Of the others' calls that have begun: how many calls of all had their turn before it.
  [[nodiscard]] const std::vector<size_t>& waits() const noexcept { return waits_; }
  // The most that the greedy one had its turn while another's call waited.
  [[nodiscard]] size_t greedy_ahead_max() const noexcept { return greedy_ahead_max_; }
  [[nodiscard]] size_t answered(size_t peer) const { return peers_[peer].answered; }

 private:
  struct Call {
    size_t peer = 0;
    size_t begun_before = 0;   // calls that had begun when it was sent
    size_t greedy_before = 0;  // of the greedy one's
  };

  void send(size_t peer) {
    const auto number = static_cast<uint32_t>(calls_.size());
    calls_.push_back({peer, begun_, greedy_begun_});
    std::string request;
    add_number(request, 1, number);
    peers_[peer].sent.push_back(
        {std::make_unique<RawCall>(peers_[peer].channel, kPath, request), number});
  }
  // Calls that the session has seen. On the loop's thread, where the two numbers belong together.
  size_t arrived() {
    size_t count = 0;
    server_.loop().run(
        [&] { count = server_.calls().started_count() + server_.server().tally(0).queued.load(); });
    return count;
  }
  void wait_arrived() {
    while (arrived() < calls_.size()) sleep_ns(kNsPerMs / 10);
    note_begun();
  }
  void note_begun();

  TestServer server_;
  std::vector<Peer> peers_;
  std::vector<Call> calls_;  // by number
  size_t begun_ = 0;         // calls whose turn has come, and that were noted
  size_t finished_ = 0;      // of those
  std::vector<uint32_t> order_;
  std::vector<size_t> waits_;
  size_t greedy_begun_ = 0;
  size_t greedy_ahead_max_ = 0;
};

void Crowd::note_begun() {
  const size_t count = server_.calls().started_count();
  for (; begun_ < count; ++begun_) {
    const auto started = server_.calls().started_at(begun_);
    order_.push_back(load_le<uint32_t>(started.tl.data() + sizeof(uint32_t)));
    const Call& call = calls_.at(order_.back());
    if (call.peer == kOthers) {
      ++greedy_begun_;
    } else {
      waits_.push_back(begun_ - call.begun_before);
      greedy_ahead_max_ = std::max(greedy_ahead_max_, greedy_begun_ - call.greedy_before);
    }
  }
}

void Crowd::turn() {
  const uint32_t number = order_.at(finished_++);
  Bytes answer = unhex_bytes("15c4b51c01000000");
  ByteAppender(answer).u32(number);
  client::CallOutcome outcome = result_of("");
  outcome.result = std::move(answer);
  server_.calls().finish(finished_, std::move(outcome));
  const size_t who = calls_[number].peer;
  Peer& peer = peers_[who];
  // gRPC's client may change the order of calls that waited for the connection.
  const auto sent = std::find_if(peer.sent.begin(), peer.sent.end(),
                                 [number](const Sent& one) { return one.number == number; });
  ASSERT_NE(sent, peer.sent.end());
  const Reply reply = sent->call->wait();
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  std::string packed;
  add_varint(packed, number);
  std::string expected;
  add_bytes(expected, 1, packed);
  ASSERT_EQ(reply.body, expected) << "every answer to its caller";
  peer.sent.erase(sent);
  ++peer.answered;
  // There is always one that waits: it takes the place.
  server_.calls().wait_started(begun_ + 1);
  note_begun();
  send(who);
  wait_arrived();
}

size_t p99(std::vector<size_t> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() * 99 / 100);
}

TEST(Fairness, AFloodDoesNotDoubleWhatOthersWait) {
  Crowd calm(false);
  for (size_t i = 0; i < kTurns && !HasFatalFailure(); ++i) calm.turn();
  ASSERT_FALSE(HasFatalFailure());
  Crowd flooded(true);
  for (size_t i = 0; i < kTurns && !HasFatalFailure(); ++i) flooded.turn();
  ASSERT_FALSE(HasFatalFailure());

  ASSERT_GT(calm.waits().size(), kTurns / 2);
  ASSERT_GT(flooded.waits().size(), kTurns / 2);
  // Most of them have to wait, or nothing is shown.
  ASSERT_GT(p99(calm.waits()), 0U);
  EXPECT_LT(p99(flooded.waits()), 2 * p99(calm.waits()))
      << "a client with " << kFlood << " calls holds up others";

  size_t least = SIZE_MAX;
  size_t most = 0;
  for (size_t i = 0; i < kOthers; ++i) {
    least = std::min(least, flooded.answered(i));
    most = std::max(most, flooded.answered(i));
  }
  EXPECT_LE(most - least, 1U) << "one goes ahead of others like it";
  EXPECT_EQ(flooded.greedy_ahead_max(), 1U) << "more than its turn";
  EXPECT_GT(flooded.answered(kOthers), kCallsInFlightPerClientMax) << "it goes on, too";
}

}  // namespace
}  // namespace ringway::proxy::test
