// What the connection table promises, one promise at a time, over a kind simulated network.
#include "net/connection_table.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/sim_ring.h"

namespace ringway::net {
namespace {

using testing::ClientId;
using testing::SimFaults;
using testing::SimNetwork;
using testing::SimRing;

class ConnectionTableTest : public ::testing::Test, public ConnectionHandler {
 protected:
  void open(ConnectionTableOptions options = {}) {
    ring_ = std::make_unique<SimRing>(network_, testing::SimRingOptions{});
    table_ = std::make_unique<ConnectionTable>(options, *ring_, *this, counters_, now());
    listener_ = network_.listen();
    table_->add_listener(OwnedFd(listener_));
  }
  ~ConnectionTableTest() override {
    EXPECT_TRUE(network_.violations().empty());
    if (table_ == nullptr) return;
    ring_->stop();
    table_.reset();
  }

  // One connection that the table has accepted.
  ClientId connect() {
    const ClientId client = network_.connect(listener_);
    turns(2);
    return client;
  }

  void on_accept(ConnectionHandle handle, uint16_t) override { accepted_.push_back(handle); }
  void on_bytes(ConnectionHandle handle, ByteSpan bytes) override {
    received_ += as_text(bytes);
    if (at_bytes_) at_bytes_(handle);
  }
  void on_send_drained(ConnectionHandle) override { ++drained_; }
  void on_timer(ConnectionHandle handle, TimerKind kind) override {
    timers_.push_back(kind);
    if (at_timer_) at_timer_(handle);
  }
  bool on_end(ConnectionHandle) override {
    ++ends_;
    return stays_open_;
  }
  void on_closed(ConnectionHandle, CloseReason reason) override { closed_.push_back(reason); }
  void on_detached(ConnectionHandle, DetachedSocket&& socket) override {
    detached_.push_back(std::move(socket));
  }

  [[nodiscard]] Now now() const { return {network_.now_ns(), network_.now_ns()}; }
  void begin_turn(int64_t timeout_ns = 0) {
    std::array<Completion, 64> completions;
    const size_t count = ring_->turn(completions, timeout_ns);
    table_->process(std::span(completions).first(count), now());
  }
  void end_turn() {
    table_->release_received();
    table_->flush_sends();
    table_->expire(now());
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      begin_turn();
      end_turn();
    }
  }
  // Lets time pass as a worker would: sleeping until the table asks to be woken.
  void pass(int64_t ns) {
    for (const int64_t end_ns = network_.now_ns() + ns; network_.now_ns() < end_ns;) {
      network_.advance(5 * kNsPerMs);
      turns(1);
    }
  }
  void write(ConnectionHandle handle, std::string_view text) {
    EXPECT_TRUE(table_->write(handle, as_bytes(text)));
  }
  std::string read(ClientId client) { return std::string(as_text(network_.read(client))); }

  SimNetwork network_{1};
  CounterBlock counters_;
  std::unique_ptr<SimRing> ring_;
  std::unique_ptr<ConnectionTable> table_;
  int listener_ = -1;
  std::vector<ConnectionHandle> accepted_;
  std::string received_;
  int drained_ = 0;
  int ends_ = 0;
  bool stays_open_ = false;  // when the peer sends no more
  std::vector<TimerKind> timers_;
  std::vector<CloseReason> closed_;
  std::vector<DetachedSocket> detached_;
  std::function<void(ConnectionHandle)> at_bytes_;
  std::function<void(ConnectionHandle)> at_timer_;
};

TEST_F(ConnectionTableTest, AcceptsAndKnowsThePeer) {
  open();
  const ClientId client = connect();
  ASSERT_EQ(accepted_.size(), 1U);
  EXPECT_EQ(table_->peer(accepted_[0]), network_.address(client));
  EXPECT_TRUE(table_->is_open(accepted_[0]));
  EXPECT_EQ(counters_.read(Counter::kConnectionsAccepted), 1U);
}

TEST_F(ConnectionTableTest, StaleHandleDoesNothing) {
  open();
  connect();
  const ConnectionHandle old = accepted_[0];
  table_->close(old, CloseMode::kNow);
  turns(3);
  ASSERT_EQ(closed_, std::vector{CloseReason::kLocal});
  connect();
  ASSERT_EQ(accepted_[1].slot, old.slot) << "the slot is used again";
  EXPECT_FALSE(table_->is_open(old));
  EXPECT_TRUE(table_->reserve(old, 1).empty());
  EXPECT_EQ(table_->context(old), nullptr);
  table_->commit(old);
  table_->pause(old);
  table_->resume(old);
  table_->detach(old);
  table_->finish_output(old);
  table_->set_deadline(old, TimerKind::kIdle, 0);
  table_->close(old, CloseMode::kNow);
  turns(5);
  EXPECT_TRUE(table_->is_open(accepted_[1]));
  EXPECT_TRUE(timers_.empty());
}

TEST_F(ConnectionTableTest, NothingIsSentBeforeCommit) {
  open();
  const ClientId client = connect();
  const ByteSpan first = table_->reserve(accepted_[0], 3);
  turns(3);
  EXPECT_EQ(read(client), "");
  const ByteSpan second = table_->reserve(accepted_[0], 3);
  std::memcpy(second.data(), "def", 3);
  std::memcpy(first.data(), "abc", 3);
  table_->commit(accepted_[0]);
  turns(2);
  EXPECT_EQ(read(client), "abcdef");
  EXPECT_EQ(table_->queued_bytes(accepted_[0]), 0U);
  EXPECT_EQ(table_->output_bytes(), 0U);
}

TEST_F(ConnectionTableTest, OutputIsBoundedAndTellsWhenThereIsRoom) {
  open({.output_bytes_max = 1000, .output_high_bytes = 500, .output_low_bytes = 250});
  network_.set_send_buffer_bytes(100);
  const ClientId client = connect();
  EXPECT_TRUE(table_->reserve(accepted_[0], 1001).empty());
  const ByteSpan space = table_->reserve(accepted_[0], 1000);
  ASSERT_EQ(space.size(), 1000U);
  std::fill(space.begin(), space.end(), uint8_t{'x'});
  EXPECT_TRUE(table_->reserve(accepted_[0], 1).empty());
  EXPECT_EQ(counters_.read(Counter::kSendQueueOverflows), 2U);
  table_->commit(accepted_[0]);
  turns(5);
  EXPECT_EQ(drained_, 0);
  for (int i = 0; i < 20; ++i) {
    (void)network_.read(client);
    turns(2);
  }
  EXPECT_EQ(drained_, 1);
  EXPECT_EQ(table_->queued_bytes(accepted_[0]), 0U);
}

TEST_F(ConnectionTableTest, WhoWantsItGoesOnSendingAfterThePeersEnd) {
  stays_open_ = true;
  open();
  const ClientId client = connect();
  network_.write(client, as_bytes("last"));
  network_.finish(client);
  turns(5);
  EXPECT_EQ(received_, "last");
  EXPECT_EQ(ends_, 1);
  ASSERT_TRUE(closed_.empty());
  ASSERT_TRUE(table_->is_open(accepted_[0]));
  write(accepted_[0], "still here");
  turns(3);
  EXPECT_EQ(read(client), "still here");
  EXPECT_FALSE(network_.saw_end(client));
  table_->pause(accepted_[0]);
  table_->resume(accepted_[0]);
  turns(5);
  EXPECT_EQ(ends_, 1) << "an end comes once";
  table_->close(accepted_[0], CloseMode::kFlush);
  turns(5);
  EXPECT_EQ(closed_, std::vector{CloseReason::kLocal});
  EXPECT_TRUE(network_.server_closed(client));
}

TEST_F(ConnectionTableTest, OurEndComesBehindWhatIsSentAndReadingGoesOn) {
  stays_open_ = true;
  open();
  network_.set_send_buffer_bytes(4);
  const ClientId client = connect();
  write(accepted_[0], "all of it");
  table_->finish_output(accepted_[0]);
  std::string arrived;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(network_.saw_end(client), arrived.size() == 9) << arrived;
    turns(2);
    arrived += read(client);
  }
  EXPECT_EQ(arrived, "all of it");
  EXPECT_TRUE(network_.saw_end(client));
  network_.write(client, as_bytes("an answer"));
  turns(5);
  EXPECT_EQ(received_, "an answer");
  EXPECT_TRUE(closed_.empty());
  network_.finish(client);
  turns(5);
  EXPECT_EQ(ends_, 1);
  table_->close(accepted_[0], CloseMode::kFlush);
  turns(5);
  EXPECT_EQ(closed_, std::vector{CloseReason::kLocal});
}

TEST_F(ConnectionTableTest, OurEndAndTheCloseMayComeInOneTurn) {
  open();
  const ClientId client = connect();
  write(accepted_[0], "bye");
  table_->finish_output(accepted_[0]);
  turns(1);
  table_->close(accepted_[0], CloseMode::kFlush);
  network_.finish(client);
  turns(6);
  EXPECT_EQ(read(client), "bye");
  EXPECT_EQ(closed_, std::vector{CloseReason::kLocal});
  EXPECT_TRUE(network_.server_closed(client));
}

// Who has reset its connection before the accept is nobody: not even its address is known.
TEST_F(ConnectionTableTest, WhoHasNoAddressAnyMoreIsNotTaken) {
  open();
  const ClientId client = network_.connect(listener_);
  network_.forget_address(client);
  turns(3);
  EXPECT_TRUE(accepted_.empty());
  EXPECT_TRUE(network_.server_closed(client));
  EXPECT_EQ(counters_.read(Counter::kAcceptErrors), 1U);
  EXPECT_EQ(counters_.read(Counter::kAcceptBackoffs), 0U);
  (void)connect();
  EXPECT_EQ(accepted_.size(), 1U) << "the next one is";
}

TEST_F(ConnectionTableTest, TakesWhatWasAcceptedElsewhere) {
  open({.connections_max = 1});
  ClientId client = 0;
  const PeerAddress nobody;
  const ConnectionHandle handle =
      table_->take_accepted(OwnedFd(network_.connect_directly(client)), nobody, 3);
  ASSERT_TRUE(handle.valid());
  EXPECT_TRUE(accepted_.empty());
  EXPECT_EQ(table_->listener(handle), 3U);
  network_.write(client, as_bytes("hello"));
  turns(3);
  EXPECT_EQ(received_, "hello");
  EXPECT_EQ(counters_.read(Counter::kConnectionsAccepted), 1U);
  EXPECT_FALSE(table_->take_accepted(OwnedFd(), nobody, 3).valid());
  EXPECT_EQ(counters_.read(Counter::kConnectionsRefusedFull), 1U);
}

TEST_F(ConnectionTableTest, PauseStopsReading) {
  open();
  const ClientId client = connect();
  table_->pause(accepted_[0]);
  turns(3);
  network_.write(client, as_bytes("later"));
  turns(5);
  EXPECT_EQ(received_, "");
  table_->resume(accepted_[0]);
  turns(2);
  EXPECT_EQ(received_, "later");
}

TEST_F(ConnectionTableTest, CloseWithFlushSendsWhatTheSameTurnStillCommits) {
  open();
  const ClientId client = connect();
  ByteSpan answer;
  at_bytes_ = [&](ConnectionHandle handle) {
    answer = table_->reserve(handle, 6);
    table_->close(handle, CloseMode::kFlush);
    EXPECT_FALSE(table_->is_open(handle));
    EXPECT_TRUE(table_->reserve(handle, 1).empty());
  };
  network_.write(client, as_bytes("x"));
  begin_turn();
  ASSERT_EQ(answer.size(), 6U);
  std::memcpy(answer.data(), "sealed", 6);  // the seal stage comes after the close
  table_->commit(accepted_[0]);
  end_turn();
  turns(4);
  EXPECT_EQ(read(client), "sealed");
  EXPECT_TRUE(network_.saw_end(client));
  EXPECT_TRUE(closed_.empty()) << "lingers until the client has read";
  network_.finish(client);
  turns(4);
  EXPECT_EQ(closed_, std::vector{CloseReason::kLocal});
  EXPECT_FALSE(network_.saw_reset(client));
}

TEST_F(ConnectionTableTest, LingerAndDrainAreBounded) {
  open({.drain_ns = 200 * kNsPerMs, .linger_ns = 100 * kNsPerMs});
  network_.set_send_buffer_bytes(4);
  connect();
  connect();
  write(accepted_[0], "more than the peer ever reads");
  table_->close(accepted_[0], CloseMode::kFlush);
  table_->close(accepted_[1], CloseMode::kFlush);
  pass(80 * kNsPerMs);
  EXPECT_EQ(closed_.size(), 0U);
  pass(60 * kNsPerMs);
  EXPECT_EQ(closed_.size(), 1U) << "nobody ends the linger";
  pass(120 * kNsPerMs);
  EXPECT_EQ(closed_.size(), 2U) << "nobody reads";
  EXPECT_EQ(counters_.read(Counter::kTimeoutDrain), 1U);
}

TEST_F(ConnectionTableTest, EndOfStreamClosesAfterTheOutputWent) {
  open();
  const ClientId client = connect();
  at_bytes_ = [&](ConnectionHandle handle) { write(handle, "answer"); };
  network_.write(client, as_bytes("question"));
  network_.finish(client);
  turns(6);
  EXPECT_EQ(received_, "question");
  EXPECT_EQ(read(client), "answer");
  EXPECT_EQ(closed_, std::vector{CloseReason::kPeerClosed});
}

TEST_F(ConnectionTableTest, ResetIsTold) {
  open();
  const ClientId client = connect();
  write(accepted_[0], "gone");
  network_.reset(client);
  turns(6);
  EXPECT_EQ(closed_, std::vector{CloseReason::kPeerReset});
}

TEST_F(ConnectionTableTest, DeadlinesFireInTimeAndOnce) {
  open();
  connect();
  const int64_t start_ns = network_.now_ns();
  table_->set_deadline(accepted_[0], TimerKind::kIdle, start_ns + 500 * kNsPerMs);
  table_->set_deadline(accepted_[0], TimerKind::kFrame, start_ns + 100 * kNsPerMs);
  table_->set_deadline(accepted_[0], TimerKind::kHandshake, start_ns + 200 * kNsPerMs);
  table_->set_deadline(accepted_[0], TimerKind::kHandshake, kNoDeadline);
  EXPECT_LE(table_->next_wake_ns(), start_ns + 100 * kNsPerMs + kWheelTickNs);
  pass(90 * kNsPerMs);
  EXPECT_TRUE(timers_.empty());
  pass(60 * kNsPerMs);
  EXPECT_EQ(timers_, std::vector{TimerKind::kFrame});
  // Moved back again and again, as a busy connection's idle deadline is.
  for (int i = 0; i < 10; ++i) {
    table_->set_deadline(accepted_[0], TimerKind::kIdle, network_.now_ns() + 500 * kNsPerMs);
    pass(100 * kNsPerMs);
  }
  EXPECT_EQ(timers_.size(), 1U);
  pass(600 * kNsPerMs);
  EXPECT_EQ(timers_, (std::vector{TimerKind::kFrame, TimerKind::kIdle}));
  EXPECT_EQ(table_->next_wake_ns(), kNoDeadline);
}

TEST_F(ConnectionTableTest, ABeginningsDeadlineWakesNobodyOnceItIsCleared) {
  open();
  connect();
  const int64_t start_ns = network_.now_ns();
  for (const TimerKind kind : {TimerKind::kFirstByte, TimerKind::kHandshake}) {
    table_->set_deadline(accepted_[0], kind, start_ns + 100 * kNsPerMs);
    table_->set_deadline(accepted_[0], TimerKind::kIdle, start_ns + 900 * kNsPerMs);
    table_->set_deadline(accepted_[0], kind, kNoDeadline);
    EXPECT_GT(table_->next_wake_ns(), start_ns + 100 * kNsPerMs + kWheelTickNs);
    table_->set_deadline(accepted_[0], TimerKind::kFrame, start_ns + 500 * kNsPerMs);
    EXPECT_LE(table_->next_wake_ns(), start_ns + 500 * kNsPerMs + kWheelTickNs);
    table_->set_deadline(accepted_[0], TimerKind::kFrame, kNoDeadline);
  }
  pass(800 * kNsPerMs);
  EXPECT_TRUE(timers_.empty());
  pass(200 * kNsPerMs);
  EXPECT_EQ(timers_, std::vector{TimerKind::kIdle});
  EXPECT_EQ(table_->next_wake_ns(), kNoDeadline);
}

TEST_F(ConnectionTableTest, CloseFromADeadlineNeedsNoFurtherEvent) {
  open();
  connect();
  at_timer_ = [&](ConnectionHandle handle) {
    write(handle, "timeout");
    table_->close(handle, CloseMode::kFlush);
  };
  table_->set_deadline(accepted_[0], TimerKind::kFirstByte, network_.now_ns() + kNsPerMs);
  network_.advance(50 * kNsPerMs);
  turns(1);
  ASSERT_EQ(timers_.size(), 1U);
  EXPECT_EQ(table_->next_wake_ns(), 0) << "the flush waits for the next turn";
}

TEST_F(ConnectionTableTest, FullTableRefusesAndCounts) {
  open({.connections_max = 1});
  connect();
  const ClientId refused = connect();
  turns(2);
  EXPECT_EQ(accepted_.size(), 1U);
  EXPECT_TRUE(network_.server_closed(refused));
  EXPECT_EQ(counters_.read(Counter::kConnectionsRefusedFull), 1U);
}

TEST_F(ConnectionTableTest, AcceptBacksOffAndRecovers) {
  open();
  SimFaults faults;
  faults.accept_error = 100;
  ring_->set_faults(faults);
  network_.connect(listener_);
  pass(5 * kNsPerSecond);
  const uint64_t backoffs = counters_.read(Counter::kAcceptBackoffs);
  EXPECT_GE(backoffs, 5U);
  EXPECT_LE(backoffs, 40U) << "it must not spin";
  EXPECT_LE(table_->next_wake_ns(), network_.now_ns() + kAcceptBackoffMaxNs);
  ring_->set_faults({});
  pass(2 * kNsPerSecond);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(ConnectionTableTest, StopAcceptingClosesTheListenerAndKeepsConnections) {
  open();
  const ClientId client = connect();
  table_->stop_accepting();
  turns(4);
  const ClientId late = network_.connect(listener_);
  turns(2);
  EXPECT_EQ(accepted_.size(), 1U);
  EXPECT_FALSE(network_.server_closed(client));
  (void)late;
  write(accepted_[0], "still here");
  turns(2);
  EXPECT_EQ(read(client), "still here");
}

TEST_F(ConnectionTableTest, DetachWaitsForCommitAndTakesUnsentBytesAlong) {
  open();
  network_.set_send_buffer_bytes(4);
  const ClientId client = connect();
  write(accepted_[0], "12345678");
  turns(2);
  const ByteSpan sealed = table_->reserve(accepted_[0], 2);
  table_->detach(accepted_[0]);
  EXPECT_TRUE(table_->is_open(accepted_[0]));
  network_.write(client, as_bytes("meanwhile"));
  turns(5);
  EXPECT_TRUE(detached_.empty()) << "a reservation is being filled";
  std::memcpy(sealed.data(), "90", 2);
  table_->commit(accepted_[0]);
  EXPECT_TRUE(detached_.empty()) << "no event from within a call";
  EXPECT_EQ(table_->next_wake_ns(), 0);
  turns(3);
  ASSERT_EQ(detached_.size(), 1U);
  EXPECT_TRUE(closed_.empty());
  EXPECT_EQ(table_->size(), 0U);
  EXPECT_EQ(as_text(detached_[0].unsent), "567890");
  const std::string before = received_;
  const ConnectionHandle again = table_->adopt(std::move(detached_[0]));
  ASSERT_TRUE(again.valid());
  std::string output;
  for (int i = 0; i < 10; ++i) {
    turns(1);
    output += read(client);
  }
  EXPECT_EQ(output, "1234567890");
  EXPECT_EQ(received_, "meanwhile");
  EXPECT_EQ(counters_.read(Counter::kConnectionsMovedIn), 1U);
}

TEST_F(ConnectionTableTest, CloseWinsOverDetach) {
  open();
  connect();
  connect();
  for (const ConnectionHandle handle : accepted_) table_->detach(handle);
  table_->close(accepted_[0], CloseMode::kNow);
  table_->close(accepted_[1], CloseMode::kFlush);
  pass(2 * kNsPerSecond);
  EXPECT_TRUE(detached_.empty());
  EXPECT_EQ(closed_.size(), 2U);
}

TEST_F(ConnectionTableTest, AdoptLeavesTheSocketAloneWhenFull) {
  open({.connections_max = 1});
  connect();
  DetachedSocket socket;
  ClientId client = 0;
  socket.fd = OwnedFd(network_.connect_directly(client));
  EXPECT_FALSE(table_->adopt(std::move(socket)).valid());
  ASSERT_TRUE(socket.fd.valid());
  ring_->close_now(socket.fd.release());
}

TEST_F(ConnectionTableTest, CloseAllEndsEverything) {
  open();
  for (int i = 0; i < 20; ++i) connect();
  table_->close_all(CloseMode::kNow);
  turns(4);
  EXPECT_EQ(closed_.size(), 20U);
  EXPECT_EQ(table_->size(), 0U);
}

}  // namespace
}  // namespace ringway::net
