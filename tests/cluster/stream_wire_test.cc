// How Teamgram's stream is filled and its answers gathered, against a channel that only notes down.
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/limits.h"
#include "cluster/proto_wire.h"
#include "cluster/recorder.h"
#include "cluster/wire.h"

namespace ringway::cluster {
namespace {

class NotingChannel final : public ShardChannel {
 public:
  void start_stream(uint64_t id, StreamMethod) override { streams.push_back(id); }
  void write(uint64_t id, std::span<WireMessage> messages) override {
    writes.push_back({id, messages.size()});
    for (WireMessage& message : messages) {
      requests[id].push_back(request_id(message));
      message.clear();
    }
  }
  void cancel_stream(uint64_t) override {}
  void call(uint64_t, CallMethod, WireMessage, int64_t, bool) override {}
  void cancel_call(uint64_t) override {}
  void gather_answers(size_t bytes) override { gathered.push_back(bytes); }
  size_t streams_max() const noexcept override { return allowed; }
  uint64_t disconnects() noexcept override { return 0; }
  bool has_events() const noexcept override { return false; }
  void take(std::vector<LinkEvent>& out) override { out.clear(); }

  struct Write {
    uint64_t id = 0;
    size_t messages = 0;
  };
  size_t allowed = 2;  // by the shard, with calls: one lane for all keys
  std::vector<uint64_t> streams;
  std::vector<Write> writes;
  std::map<uint64_t, std::deque<std::string>> requests;  // unanswered, by stream
  std::vector<size_t> gathered;

 private:
  static std::string request_id(const WireMessage& message) {
    const Bytes bytes = flatten(message);
    ProtoReader in(bytes);
    const auto field = in.next();
    EXPECT_TRUE(field.ok() && field->is_bytes(1));
    return std::string(as_text(field->bytes));
  }
};

class StreamWireTest : public ::testing::Test {
 protected:
  StreamWireTest() : wire_(make_stream_wire(context_, now())) {
    establish();
    now_ns_ += kStreamGatherNs;
    channel_.writes.clear();
  }

  // The first answer makes the wire known.
  void establish() {
    append(1);
    flush();
    lane_ = channel_.writes.back().id;
    written();
    answer(1);
    flush();
  }

  Now now() const { return {now_ns_, 1'700'000'000 * kNsPerSecond}; }
  void append(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const uint32_t entry = window_.append(NumberedMessage(1, ++appended_).message);
      ASSERT_NE(entry, kNoEntry);
      wire_->added(entry);
    }
  }
  void flush() { EXPECT_EQ(wire_->flush(now()), WireState::kGoing); }
  // Everything that may be written now, write by write.
  void flush_all() {
    while (wire_->has_work()) {
      flush();
      written();
    }
  }
  void written() {
    LinkEvent event;
    event.kind = LinkEvent::Kind::kWritten;
    event.id = lane_;
    EXPECT_EQ(wire_->on_event(event, now()), WireState::kGoing);
  }
  void answer(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const std::string id = channel_.requests[lane_].front();
      channel_.requests[lane_].pop_front();
      LinkEvent event;
      event.id = lane_;
      event.bytes.resize(message_field_size(1, id.size()) + message_field_size(10, 2));
      ProtoWriter out(event.bytes);
      out.text_field(1, id);
      out.message_header(10, 2);
      out.int_field(1, 1);
      EXPECT_EQ(wire_->on_event(event, now()), WireState::kGoing);
    }
  }

  int64_t now_ns_ = kNsPerSecond;
  uint32_t appended_ = 0;
  DispatcherOptions options_;
  SendWindow window_{"g:1", kWindowMessagesMax, kWindowBytesMax};
  CountingWaker waker_;
  CounterBlock counters_;
  ErrorLog errors_{"shard:1"};
  LinkOutput output_;
  NotingChannel channel_;
  ShardHealth health_;
  LinkContext context_{options_, window_, waker_, counters_, errors_,
                       output_,  health_, {},     0,         &channel_};
  std::unique_ptr<Wire> wire_;
  uint64_t lane_ = 0;
};

// One lane asks whether the shard knows the wire, the others follow with its answer: as many as the
// shard allows with as many calls.
TEST_F(StreamWireTest, LanesLeaveRoomForCalls) {
  for (const auto& [allowed, lanes] : std::map<size_t, size_t>{{0, 1},
                                                               {1, 1},
                                                               {2, 1},
                                                               {3, 1},
                                                               {4, 2},
                                                               {7, 3},
                                                               {8, kStreamsPerShard},
                                                               {100, kStreamsPerShard},
                                                               {SIZE_MAX, kStreamsPerShard}}) {
    channel_.allowed = allowed;
    channel_.streams.clear();
    wire_ = make_stream_wire(context_, now());
    EXPECT_EQ(channel_.streams.size(), 1U);
    establish();
    EXPECT_EQ(channel_.streams.size(), lanes) << allowed;
  }
}

// What came to wait before the first answer is spread over all lanes, each key on one.
TEST_F(StreamWireTest, WhatWaitsForTheFirstAnswerIsSpreadInOrder) {
  channel_.allowed = SIZE_MAX;
  wire_ = make_stream_wire(context_, now());
  constexpr int64_t kKeys = 64;
  for (uint32_t i = 0; i < 3 * kKeys; ++i) {
    wire_->added(window_.append(NumberedMessage(1 + i % kKeys, i).message));
  }
  channel_.writes.clear();
  channel_.requests.clear();
  flush();
  ASSERT_EQ(channel_.writes.size(), 1U);
  EXPECT_EQ(channel_.writes[0].messages, 1U) << "until it is known, one and no more";
  lane_ = channel_.writes[0].id;
  written();
  answer(1);
  flush();
  size_t waiting = 0;
  for (const auto& [stream, requests] : channel_.requests) waiting += requests.size();
  EXPECT_EQ(channel_.writes.size(), 1U + kStreamsPerShard) << "each lane has some of so many keys";
  EXPECT_EQ(waiting, 3 * kKeys - 1U) << "and everything goes once";
}

TEST_F(StreamWireTest, AFullLaneGoesOnInSteps) {
  append(kStreamWindowMax + 2 * kStreamStepMin);
  flush_all();
  ASSERT_EQ(channel_.requests[lane_].size(), kStreamWindowMax);
  channel_.writes.clear();
  answer(kStreamStepMin - 1);
  EXPECT_FALSE(wire_->has_work());
  flush();
  EXPECT_TRUE(channel_.writes.empty());
  answer(1);
  EXPECT_TRUE(wire_->has_work());
  flush();
  ASSERT_EQ(channel_.writes.size(), 1U);
  EXPECT_EQ(channel_.writes[0].messages, kStreamStepMin);
}

TEST_F(StreamWireTest, WhatFitsIsNotHeldBack) {
  append(1);
  flush_all();
  EXPECT_EQ(channel_.writes.size(), 1U);
  append(kStreamWindowMax - 2);
  flush_all();
  ASSERT_EQ(channel_.requests[lane_].size(), kStreamWindowMax - 1);
  channel_.writes.clear();
  // The last place of a window is taken by what is the last to wait.
  append(1);
  flush();
  ASSERT_EQ(channel_.writes.size(), 1U);
  EXPECT_EQ(channel_.writes[0].messages, 1U);
}

TEST_F(StreamWireTest, AnswersGatherWhileManyAreDue) {
  append(kStreamWindowMax);
  flush_all();
  EXPECT_TRUE(channel_.gathered.empty()) << "nothing has been answered lately";
  answer(1);
  flush();
  ASSERT_EQ(channel_.gathered, (std::vector<size_t>{kStreamGatherBytes}));
  EXPECT_EQ(wire_->deadline_ns(), now_ns_ + kStreamGatherNs);
  // Each answer gives the others time.
  now_ns_ += kStreamGatherNs - 1;
  answer(1);
  flush();
  EXPECT_EQ(channel_.gathered.size(), 1U);
  EXPECT_EQ(wire_->deadline_ns(), now_ns_ + kStreamGatherNs);
  // Before the last ones it is over, when there are still enough for the bytes that are waited for.
  answer(channel_.requests[lane_].size() - kStreamGatherAnswers);
  flush();
  EXPECT_EQ(channel_.gathered.size(), 1U);
  answer(1);
  flush();
  EXPECT_EQ(channel_.gathered, (std::vector<size_t>{kStreamGatherBytes, 0}));
  EXPECT_GT(wire_->deadline_ns(), now_ns_ + kStreamGatherNs);
}

TEST_F(StreamWireTest, AnswersThatAreLateAreNotWaitedForTogether) {
  append(kStreamWindowMax);
  flush_all();
  answer(1);
  flush();
  ASSERT_EQ(channel_.gathered.size(), 1U);
  now_ns_ = wire_->deadline_ns();
  flush();
  EXPECT_EQ(channel_.gathered, (std::vector<size_t>{kStreamGatherBytes, 0}));
  // It stays so until there is an answer.
  now_ns_ += kStreamGatherNs;
  flush();
  EXPECT_EQ(channel_.gathered.size(), 2U);
  answer(1);
  flush();
  EXPECT_EQ(channel_.gathered.back(), kStreamGatherBytes);
  // The wire leaves the channel as it found it.
  wire_ = nullptr;
  EXPECT_EQ(channel_.gathered.back(), 0U);
}

}  // namespace
}  // namespace ringway::cluster
