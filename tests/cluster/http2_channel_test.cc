// The links' HTTP/2 over pipes in memory: what a shard gets to read is decoded by nghttp2's server
// side, what it says is written by hand, so that it may say anything.
#include "cluster/http2_channel.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "cluster/ring_transport.h"
#include "support/memory_pipes.h"

namespace ringway::cluster {
namespace {

class NoWaker final : public Waker {
 public:
  void wake() noexcept override { ADD_FAILURE() << "events come with the turn"; }
};

// What one connection's bytes said, as an HTTP/2 server understands them.
class Shard {
 public:
  struct Request {
    std::map<std::string, std::string> headers;
    Bytes body;
    bool ended = false;
    int reset = -1;  // the error code
  };

  Shard() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, nullptr, 0);
  }
  ~Shard() { nghttp2_session_del(session_); }
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  void read(ByteView bytes) {
    const ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
    EXPECT_EQ(taken, static_cast<ssize_t>(bytes.size()))
        << nghttp2_strerror(static_cast<int>(taken));
  }
  // Settings and their acknowledgement, windows.
  Bytes write() {
    Bytes out;
    const uint8_t* data = nullptr;
    while (true) {
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size <= 0) return out;
      out.insert(out.end(), data, data + size);
    }
  }

  // The bytes that allow so much more on a stream, or on the connection.
  Bytes grant(int32_t stream, int32_t bytes) {
    EXPECT_EQ(nghttp2_submit_window_update(session_, 0, stream, bytes), 0);
    return write();
  }

  std::map<int32_t, Request> requests;
  int pings = 0;
  int ping_answers = 0;
  std::map<int32_t, uint64_t> windows;  // by stream, what it was given

 private:
  static Shard& of(void* user) { return *static_cast<Shard*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user) {
    of(user).requests[frame->hd.stream_id].headers[std::string(as_text({name, name_size}))] =
        as_text({value, value_size});
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                     void* user) {
    append(of(user).requests[stream].body, {data, size});
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const int32_t stream = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_PING) {
      ++((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 ? of(user).ping_answers : of(user).pings);
    }
    if (frame->hd.type == NGHTTP2_WINDOW_UPDATE) {
      of(user).windows[stream] += static_cast<uint64_t>(frame->window_update.window_size_increment);
    }
    if (stream == 0) return 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      of(user).requests[stream].reset = static_cast<int>(frame->rst_stream.error_code);
    }
    const bool body = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (body && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      of(user).requests[stream].ended = true;
    return 0;
  }

  nghttp2_session* session_ = nullptr;
};

class Http2ChannelTest : public ::testing::Test {
 protected:
  Http2ChannelTest() {
    turn();
    channel_ = transport_.open("10.0.0.1:20120", waker_);
  }

  // One turn of the worker, and what it sent into the shards' hands.
  void turn(int64_t later_ns = 0) {
    now_.mono_ns += later_ns;
    transport_.begin_turn(now_);
    transport_.look_around();
    if (channel_ != nullptr && channel_->has_events()) take();
    transport_.flush();
    for (size_t i = 0; i < pipes_.ends.size(); ++i) {
      if (shards_.size() <= i) shards_.push_back(std::make_unique<Shard>());
      if (pipes_.ends[i]->open) shards_[i]->read(std::exchange(pipes_.ends[i]->sent, {}));
    }
  }
  void take() {
    std::vector<LinkEvent> taken;
    channel_->take(taken);
    for (LinkEvent& event : taken) events_.push_back(std::move(event));
  }
  MemoryPipes::End& end(size_t i = 0) { return *pipes_.ends.at(i); }
  Shard& shard(size_t i = 0) { return *shards_.at(i); }
  // The shard has the connection, and has read what is there.
  void accept(size_t i = 0) {
    end(i).accept();
    turn();
    give(shard(i).write(), i);
    turn();
    give(shard(i).write(), i);
    turn();
  }
  Bytes give(const Bytes& bytes, size_t i = 0, size_t piece = SIZE_MAX) {
    return end(i).give(bytes, piece);
  }
  void drained(size_t i = 0) {
    if (end(i).events != nullptr) end(i).events->on_drained();
    turn();
  }
  static std::vector<WireMessage> messages(std::initializer_list<std::string> texts) {
    std::vector<WireMessage> all;
    for (const std::string& text : texts) all.push_back(make_wire_message(as_bytes(text)));
    return all;
  }
  void call(uint64_t id, bool wait = false, int64_t timeout_ns = 2 * kNsPerSecond) {
    channel_->call(id, CallMethod::kQueryAuthKey, make_wire_message(as_bytes("request")),
                   timeout_ns, wait);
  }
  // The only event there is; it is forgotten.
  LinkEvent only() {
    turn();
    turn();
    EXPECT_EQ(events_.size(), 1U);
    LinkEvent event = events_.empty() ? LinkEvent() : std::move(events_[0]);
    events_.clear();
    return event;
  }

  NoWaker waker_;
  MemoryPipes pipes_;
  Now now_{1'000'000'000'000, 0};
  RingTransport transport_{pipes_};
  std::unique_ptr<ShardChannel> channel_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<LinkEvent> events_;
};

TEST_F(Http2ChannelTest, ACallIsOneRequestAndItsAnswer) {
  call(7);
  turn();
  ASSERT_EQ(pipes_.ends.size(), 1U) << "connected on demand";
  EXPECT_EQ(end().address, "10.0.0.1:20120");
  EXPECT_TRUE(end().sent.empty()) << "not open yet";
  accept();
  const Shard::Request& request = shard().requests.at(1);
  EXPECT_EQ(request.headers.at(":method"), "POST");
  EXPECT_EQ(request.headers.at(":scheme"), "http");
  EXPECT_EQ(request.headers.at(":path"), "/session.RPCSession/session_queryAuthKey");
  EXPECT_EQ(request.headers.at(":authority"), "10.0.0.1:20120");
  EXPECT_EQ(request.headers.at("te"), "trailers");
  EXPECT_EQ(request.headers.at("content-type"), "application/grpc");
  EXPECT_EQ(request.headers.at("grpc-timeout"), "2000000u");
  EXPECT_EQ(request.body, grpc_message(as_bytes("request")));
  EXPECT_TRUE(request.ended);
  give(response_headers(1) + data_frame(1, grpc_message(as_bytes("answer"))) + trailers(1, "0"));
  const LinkEvent reply = only();
  EXPECT_EQ(reply.kind, LinkEvent::Kind::kReply);
  EXPECT_EQ(reply.id, 7U);
  EXPECT_EQ(reply.status, kStatusOk);
  EXPECT_EQ(as_text(reply.bytes), "answer");
  call(8);
  turn();
  EXPECT_EQ(pipes_.ends.size(), 1U) << "the connection stays";
  EXPECT_TRUE(shard().requests.at(3).ended);
}

TEST_F(Http2ChannelTest, BytesMayBeCutAnywhere) {
  const Bytes body = grpc_message(as_bytes("a")) + grpc_message({}) + grpc_message(as_bytes("bcd"));
  for (size_t piece = 1; piece < 40; ++piece) {
    channel_ = nullptr;
    pipes_.ends.clear();
    shards_.clear();
    events_.clear();
    channel_ = transport_.open("10.0.0.1:20120", waker_);
    channel_->start_stream(1, StreamMethod::kAttach);
    turn();
    end().accept();
    turn();
    give(settings_frame() + response_headers(1) + data_frame(1, ByteView(body).first(7)) +
             data_frame(1, ByteView(body).subspan(7)) + trailers(1, "5", "gone%20away"),
         0, piece);
    turn();
    ASSERT_EQ(events_.size(), 4U) << piece;
    EXPECT_EQ(as_text(events_[0].bytes), "a");
    EXPECT_TRUE(events_[1].bytes.empty());
    EXPECT_EQ(as_text(events_[2].bytes), "bcd");
    EXPECT_EQ(events_[3].kind, LinkEvent::Kind::kEnded);
    EXPECT_EQ(events_[3].status, 5);
    EXPECT_EQ(events_[3].text, "gone away");
  }
}

TEST_F(Http2ChannelTest, NothingGathersWhileSomebodyWaitsForACall) {
  channel_->start_stream(1, StreamMethod::kSessionData);
  turn();
  accept();
  channel_->gather_answers(100);
  EXPECT_EQ(end().receive_low, 100U);
  call(7);
  EXPECT_EQ(end().receive_low, 0U);
  channel_->gather_answers(200);
  EXPECT_EQ(end().receive_low, 0U);
  turn();
  give(response_headers(3) + data_frame(3, grpc_message(as_bytes("answer"))) + trailers(3, "0"));
  EXPECT_EQ(only().kind, LinkEvent::Kind::kReply);
  EXPECT_EQ(end().receive_low, 200U);
  channel_->gather_answers(0);
  EXPECT_EQ(end().receive_low, 0U);
}

TEST_F(Http2ChannelTest, AWriteIsWrittenOnceThePipeHasDrained) {
  channel_->start_stream(1, StreamMethod::kAttach);
  channel_->write(1, messages({"one", "two"}));
  turn();
  accept();
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(shard().requests.at(1).body,
            grpc_message(as_bytes("one")) + grpc_message(as_bytes("two")));
  EXPECT_FALSE(shard().requests.at(1).ended);
  EXPECT_FALSE(shard().requests.at(1).headers.contains("grpc-timeout"));
  drained();
  EXPECT_EQ(only().kind, LinkEvent::Kind::kWritten);
  channel_->write(1, messages({"three"}));
  turn();
  drained();
  EXPECT_EQ(only().kind, LinkEvent::Kind::kWritten);
  EXPECT_EQ(shard().requests.at(1).body.size(), 3 * kGrpcPrefixBytes + 11);
}

TEST_F(Http2ChannelTest, AShardsWindowHoldsAWriteUp) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  const std::string large(100'000, 'x');
  channel_->write(1, messages({large}));
  turn();
  // 65,535 bytes are what a stream and a connection have to begin with.
  EXPECT_EQ(shard().requests.at(1).body.size(), 65'535U);
  drained();
  EXPECT_TRUE(events_.empty());
  give(shard().grant(0, 1 << 20));
  turn();
  EXPECT_EQ(shard().requests.at(1).body.size(), 65'535U);
  give(shard().grant(1, 1 << 20));
  turn();
  EXPECT_EQ(shard().requests.at(1).body, grpc_message(as_bytes(large)));
  drained();
  EXPECT_EQ(only().kind, LinkEvent::Kind::kWritten);
}

TEST_F(Http2ChannelTest, AFullPipeHoldsAWriteUp) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  give(shard().grant(0, 1 << 20) + shard().grant(1, 1 << 20));
  turn();
  end().room_max = 20'000;
  const std::string large(100'000, 'x');
  channel_->write(1, messages({large}));
  size_t before = 0;
  int rounds = 0;
  while (shard().requests.at(1).body.size() < large.size()) {
    ASSERT_LT(++rounds, 20);
    turn();
    ASSERT_LE(shard().requests.at(1).body.size() - before, 20'000U);
    before = shard().requests.at(1).body.size();
    ASSERT_TRUE(events_.empty());
    drained();
  }
  EXPECT_EQ(shard().requests.at(1).body, grpc_message(as_bytes(large)));
  drained();
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].kind, LinkEvent::Kind::kWritten);
}

TEST_F(Http2ChannelTest, AStreamThatGoesInTheMiddleOfAFrameHurtsNobody) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  end().room_max = 10;  // no frame of the write fits
  channel_->write(1, messages({std::string(1000, 'x')}));
  turn();
  channel_->cancel_stream(1);
  EXPECT_EQ(only().status, kStatusCancelled);
  end().room_max = 1 << 20;
  drained();
  EXPECT_NE(shard().requests.at(1).reset, -1);
  call(2);
  turn();
  EXPECT_TRUE(shard().requests.at(3).ended);
}

TEST_F(Http2ChannelTest, StreamsThatNobodyTakesFromGetNoMoreWindow) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  give(response_headers(1));
  // Directly, so that no turn takes the events.
  const Bytes message = data_frame(1, grpc_message(Bytes(16'000, 'p')));
  const auto given = [this] {
    transport_.flush();
    shard().read(std::exchange(end().sent, {}));
    return shard().windows[1];
  };
  for (size_t i = 0; i < kLinkEventsMax - 1; ++i) {
    give(message);
    (void)given();
  }
  const uint64_t window = given();
  EXPECT_GT(window, 3'000'000U) << "so few messages do not stop the window";
  for (int i = 0; i < 30; ++i) {
    give(message);
    (void)given();
  }
  EXPECT_LE(given(), window + 20'000);
  take();
  EXPECT_EQ(events_.size(), kLinkEventsMax + 29);
  EXPECT_GT(given(), window + 400'000) << "with what was taken";
}

TEST_F(Http2ChannelTest, AnswersWithoutABodyAreUnderstood) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  give(headers_frame(1,
                     {{":status", "200"},
                      {"content-type", "application/grpc"},
                      {"grpc-status", "12"},
                      {"grpc-message", "unknown %2Fmethod"}},
                     true));
  const LinkEvent ended = only();
  EXPECT_EQ(ended.kind, LinkEvent::Kind::kEnded);
  EXPECT_EQ(ended.status, kStatusUnimplemented);
  EXPECT_EQ(ended.text, "unknown /method");
  turn();
  EXPECT_EQ(shard().requests.at(1).reset, NGHTTP2_NO_ERROR) << "our side is closed as well";
}

TEST_F(Http2ChannelTest, HttpErrorsBecomeStatuses) {
  const std::vector<std::pair<std::string, int32_t>> expected = {{"400", kStatusInternal},
                                                                 {"401", 16},
                                                                 {"403", 7},
                                                                 {"404", kStatusUnimplemented},
                                                                 {"429", kStatusUnavailable},
                                                                 {"502", kStatusUnavailable},
                                                                 {"503", kStatusUnavailable},
                                                                 {"504", kStatusUnavailable},
                                                                 {"500", kStatusUnknown},
                                                                 {"302", kStatusUnknown}};
  call(1000);
  turn();
  accept();
  uint32_t stream = 1;
  for (const auto& [http, status] : expected) {
    stream += 2;
    call(stream);
    turn();
    give(headers_frame(stream, {{":status", http}, {"content-type", "text/html"}}, false) +
         data_frame(stream, as_bytes("<html>for people</html>"), true));
    EXPECT_EQ(only().status, status) << http;
  }
  call(2);
  turn();
  give(response_headers(stream + 2) + data_frame(stream + 2, {}, true));
  EXPECT_EQ(only().status, kStatusUnknown) << "no status at all";
}

TEST_F(Http2ChannelTest, ResetsBecomeStatuses) {
  const std::vector<std::pair<uint32_t, int32_t>> expected = {{0, kStatusInternal},
                                                              {1, kStatusInternal},
                                                              {2, kStatusInternal},
                                                              {3, kStatusInternal},
                                                              {4, kStatusInternal},
                                                              {5, kStatusUnknown},
                                                              {6, kStatusInternal},
                                                              {7, kStatusUnavailable},
                                                              {8, kStatusCancelled},
                                                              {9, kStatusInternal},
                                                              {10, kStatusInternal},
                                                              {11, kStatusResourceExhausted},
                                                              {12, 7},
                                                              {13, kStatusUnknown},
                                                              {99, kStatusInternal}};
  call(1000);
  turn();
  accept();
  uint32_t stream = 1;
  for (const auto& [error, status] : expected) {
    stream += 2;
    call(stream);
    turn();
    give(reset_frame(stream, error));
    EXPECT_EQ(only().status, status) << error;
  }
}

TEST_F(Http2ChannelTest, AnswersToACallThatAreNoneOrTwo) {
  call(1);
  call(2);
  call(3);
  turn();
  accept();
  give(response_headers(1) + trailers(1, "0"));
  EXPECT_EQ(only().status, kStatusInternal);
  const Bytes twice = data_frame(3, grpc_message(as_bytes("a")) + grpc_message(as_bytes("b")));
  give(response_headers(3) + twice + trailers(3, "0"));
  EXPECT_EQ(only().status, kStatusInternal);
  give(response_headers(5) + data_frame(5, Bytes{0, 0, 0, 0, 9, 'x'}) + trailers(5, "0"));
  EXPECT_EQ(only().status, kStatusInternal) << "ends inside the message";
}

TEST_F(Http2ChannelTest, WhatIsTooLargeOrCompressedEndsItsStreamOnly) {
  call(1);
  call(2);
  call(3);
  turn();
  accept();
  give(response_headers(1) + data_frame(1, Bytes{0, 0xff, 0, 0, 0}));
  EXPECT_EQ(only().status, kStatusResourceExhausted);
  give(response_headers(3) + data_frame(3, grpc_message(as_bytes("zip"), 1)));
  EXPECT_EQ(only().status, kStatusInternal);
  Fields fields{{":status", "200"}};
  for (int i = 0; i < 20; ++i)
    fields.emplace_back("x-" + std::to_string(i), std::string(1000, 'h'));
  give(headers_frame(5, fields, false));
  EXPECT_EQ(only().status, kStatusResourceExhausted);
  turn();
  for (const int32_t stream : {1, 3, 5}) {
    EXPECT_EQ(shard().requests.at(stream).reset, NGHTTP2_CANCEL) << stream;
  }
  EXPECT_NE(end().events, nullptr) << "the connection goes on";
  channel_->start_stream(4, StreamMethod::kAttach);
  channel_->write(4, messages({std::string(kGrpcMessageBytesMax + 1, 'x')}));
  EXPECT_EQ(only().status, kStatusResourceExhausted);
  channel_->call(5, CallMethod::kSendData, make_wire_message(Bytes(kGrpcMessageBytesMax + 1)),
                 kNsPerSecond, false);
  EXPECT_EQ(only().status, kStatusResourceExhausted);
}

TEST_F(Http2ChannelTest, MalformedFramesCloseTheConnection) {
  const std::vector<Bytes> bad = {
      Bytes(64, 0xff),
      {'H', 'T', 'T', 'P', '/', '1', '.', '1', ' ', '4', '0', '0', '\r', '\n'},
      data_frame(0, as_bytes("on no stream")),
      settings_frame() + frame(FrameType::kPing, 0, 0, Bytes(3)),
      settings_frame() + frame(FrameType::kHeaders, 4, 1, Bytes(4, 0xff)),
      settings_frame() + window_frame(0, 0),
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    channel_->start_stream(10 + i, StreamMethod::kAttach);
    turn();
    ASSERT_EQ(pipes_.ends.size(), i + 1);
    end(i).accept();
    turn();
    give(bad[i], i);
    EXPECT_EQ(only().status, kStatusUnavailable) << i;
    EXPECT_EQ(end(i).events, nullptr) << i;
    turn(kLinkConnectPauseMaxNs);
  }
}

TEST_F(Http2ChannelTest, AClosedConnectionEndsEverythingOnIt) {
  channel_->start_stream(1, StreamMethod::kAttach);
  call(2);
  call(3, true);
  turn();
  accept();
  end().close("the connection was reset");
  turn();
  ASSERT_EQ(events_.size(), 3U) << "the shard may have done what was asked: no second time";
  for (const LinkEvent& event : events_) {
    EXPECT_EQ(event.status, kStatusUnavailable);
    EXPECT_EQ(event.text, "the connection was reset");
  }
  EXPECT_EQ(pipes_.ends.size(), 1U);
  channel_->start_stream(4, StreamMethod::kAttach);
  turn();
  EXPECT_EQ(pipes_.ends.size(), 2U) << "connected again on demand";
}

TEST_F(Http2ChannelTest, AShardThatIsAwayFailsWhatDoesNotWait) {
  channel_->start_stream(1, StreamMethod::kAttach);
  call(2);
  turn();
  end().close("refused");
  turn();
  EXPECT_EQ(events_.size(), 2U);
  events_.clear();
  call(3);
  LinkEvent reply = only();
  EXPECT_EQ(reply.status, kStatusUnavailable);
  EXPECT_NE(reply.text.find("refused"), std::string::npos);
  EXPECT_EQ(pipes_.ends.size(), 1U) << "not before the pause is over";
  turn(kLinkConnectPauseMinNs);
  call(4);
  turn();
  EXPECT_EQ(pipes_.ends.size(), 2U);
}

TEST_F(Http2ChannelTest, ACallMayWaitForTheShard) {
  call(1, true, 20 * kNsPerSecond);
  turn();
  int64_t pause_ns = kLinkConnectPauseMinNs;
  for (size_t attempt = 0; attempt < 8; ++attempt) {
    ASSERT_EQ(pipes_.ends.size(), attempt + 1);
    end(attempt).close("refused");
    turn();
    ASSERT_EQ(pipes_.ends.size(), attempt + 1);
    EXPECT_EQ(transport_.next_deadline_ns(), now_.mono_ns + pause_ns);
    turn(pause_ns - 1);
    ASSERT_EQ(pipes_.ends.size(), attempt + 1);
    turn(1);
    pause_ns = std::min(2 * pause_ns, kLinkConnectPauseMaxNs);
  }
  ASSERT_TRUE(events_.empty());
  accept(8);
  EXPECT_EQ(shard(8).requests.at(1).body, grpc_message(as_bytes("request")));
  give(response_headers(1) + data_frame(1, grpc_message(as_bytes("key"))) + trailers(1, "0"), 8);
  EXPECT_EQ(as_text(only().bytes), "key");
}

TEST_F(Http2ChannelTest, ACallEndsAtItsDeadline) {
  call(1, true, kNsPerSecond);
  call(2, false, 2 * kNsPerSecond);
  turn();
  EXPECT_EQ(transport_.next_deadline_ns(), now_.mono_ns + kNsPerSecond);
  accept();
  turn(kNsPerSecond - 1);
  EXPECT_TRUE(events_.empty());
  turn(1);
  LinkEvent reply = only();
  EXPECT_EQ(reply.id, 1U);
  EXPECT_EQ(reply.status, kStatusDeadlineExceeded);
  turn();
  EXPECT_EQ(shard().requests.at(1).reset, NGHTTP2_CANCEL);
  give(response_headers(1) + data_frame(1, grpc_message(as_bytes("late"))) + trailers(1, "0"));
  turn();
  EXPECT_TRUE(events_.empty());
  channel_->cancel_call(2);
  turn(2 * kNsPerSecond);
  EXPECT_TRUE(events_.empty()) << "nobody waits for it any more";
  EXPECT_EQ(shard().requests.at(3).reset, NGHTTP2_CANCEL);
}

TEST_F(Http2ChannelTest, GoAwayLetsStreamsFinishAndMovesTheRest) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  call(2, true);
  call(3, false);
  turn();
  give(go_away_frame(1));  // the calls, 3 and 5, were not looked at
  turn();
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].id, 3U);
  EXPECT_EQ(events_[0].status, kStatusUnavailable);
  events_.clear();
  turn();
  ASSERT_EQ(pipes_.ends.size(), 2U) << "the waiting call wants a new connection";
  accept(1);
  EXPECT_TRUE(shard(1).requests.at(1).ended);
  channel_->write(1, messages({"still here"}));
  turn();
  EXPECT_EQ(shard().requests.at(1).body, grpc_message(as_bytes("still here")));
  drained();
  EXPECT_EQ(only().kind, LinkEvent::Kind::kWritten);
  give(response_headers(1) + trailers(1, "0"));
  EXPECT_EQ(only().status, kStatusOk);
  turn();
  EXPECT_EQ(end(0).events, nullptr) << "closed after its last stream";
  EXPECT_NE(end(1).events, nullptr);
}

TEST_F(Http2ChannelTest, ARefusedCallIsTriedOnceMore) {
  call(1, true);
  turn();
  accept();
  give(reset_frame(1, NGHTTP2_REFUSED_STREAM));
  turn();
  turn();
  EXPECT_TRUE(events_.empty());
  EXPECT_TRUE(shard().requests.at(3).ended);
  give(reset_frame(3, NGHTTP2_REFUSED_STREAM));
  EXPECT_EQ(only().status, kStatusUnavailable);
}

TEST_F(Http2ChannelTest, ConnectionsThatGoAwayAreFew) {
  for (size_t i = 0; i < kLinkDrainingMax + 3; ++i) {
    channel_->start_stream(100 + i, StreamMethod::kAttach);
    turn();
    accept(i);
    give(go_away_frame(1), i);
    turn();
  }
  turn();
  size_t open = 0;
  for (const auto& each : pipes_.ends) open += each->events != nullptr ? 1 : 0;
  EXPECT_LE(open, kLinkDrainingMax + 1);
  EXPECT_EQ(events_.size() + open, kLinkDrainingMax + 3);
}

TEST_F(Http2ChannelTest, AShardMayTakeOneStreamAtATime) {
  call(1);
  call(2);
  turn();
  end().accept();
  turn();
  give(settings_frame({{3, 1}}));
  turn();
  // The first two went before the shard could say so.
  call(3);
  turn();
  EXPECT_FALSE(shard().requests.contains(5));
  for (const uint32_t stream : {1U, 3U}) {
    give(response_headers(stream) + data_frame(stream, grpc_message({})) + trailers(stream, "0"));
  }
  turn();
  EXPECT_EQ(events_.size(), 2U);
  EXPECT_TRUE(shard().requests.at(5).ended);
}

TEST_F(Http2ChannelTest, PingsAreAnsweredAndAsked) {
  channel_->start_stream(1, StreamMethod::kAttach);
  turn();
  accept();
  const Bytes ping = frame(FrameType::kPing, 0, 0, Bytes(8, 1));
  give(ping);
  turn();
  EXPECT_EQ(shard().ping_answers, 1);
  EXPECT_EQ(transport_.next_deadline_ns(), now_.mono_ns + kLinkPingNs);
  turn(kLinkPingNs);
  EXPECT_EQ(shard().pings, 1);
  give(frame(FrameType::kPing, 1, 0, Bytes(8)));
  turn();
  turn(kLinkPingAnswerNs);
  EXPECT_TRUE(events_.empty());
  turn(kLinkPingNs);
  EXPECT_EQ(shard().pings, 2);
  turn(kLinkPingAnswerNs);
  EXPECT_EQ(only().status, kStatusUnavailable) << "no answer";
}

TEST_F(Http2ChannelTest, AnIdleConnectionWithoutStreamsIsLeftAlone) {
  call(1);
  turn();
  accept();
  give(response_headers(1) + data_frame(1, grpc_message({})) + trailers(1, "0"));
  (void)only();
  EXPECT_EQ(transport_.next_deadline_ns(), INT64_MAX);
}

TEST_F(Http2ChannelTest, WhatIsCancelledBeforeTheConnectionIsOpenIsNeverSent) {
  channel_->start_stream(1, StreamMethod::kAttach);
  call(2);
  call(3);
  channel_->cancel_call(2);
  channel_->cancel_stream(1);
  EXPECT_EQ(only().status, kStatusCancelled);
  accept();
  ASSERT_EQ(shard().requests.size(), 1U);
  EXPECT_TRUE(shard().requests.begin()->second.ended);
}

TEST_F(Http2ChannelTest, AnswersThatMayHoldKeysLeaveNothingInTheBuffer) {
  call(1);
  channel_->start_stream(2, StreamMethod::kAttach);
  turn();
  accept();
  const Bytes secret(64, 0xee);
  const Bytes read = give(response_headers(1) + data_frame(1, grpc_message(secret)));
  EXPECT_EQ(std::count(read.begin(), read.end(), 0xee), 0);
}

TEST_F(Http2ChannelTest, AChannelMayGoWithEverythingUnderWay) {
  channel_->start_stream(1, StreamMethod::kAttach);
  channel_->write(1, messages({"x"}));
  call(2, true);
  turn();
  accept();
  call(3, true);
  channel_ = nullptr;
  EXPECT_EQ(end().events, nullptr);
  turn();
  EXPECT_EQ(transport_.next_deadline_ns(), INT64_MAX);
}

}  // namespace
}  // namespace ringway::cluster
