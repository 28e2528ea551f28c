// Streams of updates, through gRPC's library on both sides.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "harness.h"
#include "proxy/limits.h"
#include "proxy/proto_fields.h"
#include "ringway/proxy/v1/updates.pb.h"
#include "update_samples.h"

namespace ringway::proxy::test {
namespace {

using client::UpdateEvent;
using grpc::StatusCode;

constexpr char kListen[] = "/ringway.proxy.v1.Updates/Listen";
constexpr char kCompat[] = "/proxy.l228.UpdateStreamer/ListenOnUpdates";

class Listening {
 public:
  Listening(const std::shared_ptr<grpc::Channel>& channel, const v1::ListenRequest& request = {},
            const CallSettings& settings = {.metadata = {}, .timeout_ms = 60'000})
      : stream_(channel, kListen, settings) {
    stream_.write(request.SerializeAsString(), true);
    stream_.wait_open();
  }
  std::optional<v1::Event> next() {
    const auto bytes = stream_.read();
    if (!bytes) return std::nullopt;
    v1::Event event;
    EXPECT_TRUE(event.ParseFromString(*bytes));
    return event;
  }
  // The number of update_tl() in the next event.
  int32_t next_number() {
    const auto event = next();
    return event && event->has_update() ? number_of(*event) : -1;
  }
  static int32_t number_of(const v1::Event& event) {
    // TypeUpdate{UpdateDeleteMessages{Messages, Pts, PtsCount 1}}: Pts is a varint before 18 01.
    for (int32_t number = 0; number < 100'000; ++number) {
      std::string end;
      add_number(end, 2, static_cast<uint64_t>(number));
      add_number(end, 3, 1);
      if (event.update().value().ends_with(end)) return number;
    }
    return -1;
  }
  grpc::Status finish() { return stream_.finish(); }
  RawStream& stream() { return stream_; }

 private:
  RawStream stream_;
};

TEST(Listener, HearsWhatHappensInOrder) {
  TestServer server;
  Listening one(server.channel());
  Listening two(server.channel());
  for (int i = 1; i <= 20; ++i) server.append(update_event(i));
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(one.next_number(), i);
    EXPECT_EQ(two.next_number(), i);
  }
  server.append(gap_event(UpdateEvent::GapReason::kChannelTooLong, 9, 3));
  EXPECT_EQ(one.next()->gap().channel_id(), 9);
}

TEST(Listener, ResumesByCursorWithoutLossOrReordering) {
  TestServer server;
  const auto channel = server.channel();
  Listening first(channel);
  server.append(update_event(1));
  std::string cursor = first.next()->cursor();
  int written = 1;
  int read = 1;
  // With breaks at all kinds of places, and some left unread for the next.
  for (int round = 0; round < 30; ++round) {
    v1::ListenRequest request;
    request.set_cursor(cursor);
    Listening listening(channel, request);
    for (int i = 0; i < round % 7; ++i) server.append(update_event(++written));
    while (read + (round % 3) < written) {
      const auto event = listening.next();
      ASSERT_TRUE(event.has_value());
      ASSERT_EQ(Listening::number_of(*event), ++read);
      cursor = event->cursor();
    }
  }
  EXPECT_GT(read, 50);
}

TEST(Listener, HeartbeatsCarryAPlaceToResumeFrom) {
  ServerOptions options;
  options.heartbeat_ns = 50 * kNsPerMs;
  TestServer server({NamedSession{}}, options);
  Listening listening(server.channel());
  server.append(update_event(1));
  const auto event = listening.next();
  for (int i = 0; i < 3; ++i) {
    const auto heartbeat = listening.next();
    ASSERT_TRUE(heartbeat.has_value());
    ASSERT_TRUE(heartbeat->has_heartbeat());
    EXPECT_EQ(heartbeat->cursor(), event->cursor());
  }
}

TEST(Listener, ExpiredCursorIsAGapAndGoesOn) {
  TestServer server({{.name = "main", .layer = 228, .journal = {.events_max = 5}}});
  v1::ListenRequest request;
  request.set_cursor(std::string(16, 'x'));
  for (int i = 1; i <= 8; ++i) server.append(update_event(i));
  Listening listening(server.channel(), request);
  const auto gap = listening.next();
  ASSERT_TRUE(gap.has_value());
  EXPECT_EQ(gap->gap().reason(), v1::Gap::CURSOR_EXPIRED);
  for (int i = 4; i <= 8; ++i) EXPECT_EQ(listening.next_number(), i);
  // The gap's own cursor is a place to go on from.
  request.set_cursor(gap->cursor());
  Listening again(server.channel(), request);
  EXPECT_EQ(again.next_number(), 4);
}

TEST(Listener, SlowOneHoldsUpNobodyAndIsTold) {
  TestServer server({{.name = "main", .layer = 228, .journal = {.events_max = 50}}});
  Listening slow(server.channel());
  Listening fast(server.channel());
  constexpr int kEvents = 4000;
  for (int i = 1; i <= kEvents; ++i) {
    server.append(update_event(i, 1000));
    ASSERT_EQ(fast.next_number(), i);
  }
  int last = 0;
  int gaps = 0;
  while (last < kEvents) {
    const auto event = slow.next();
    ASSERT_TRUE(event.has_value());
    if (event->has_gap()) {
      EXPECT_EQ(event->gap().reason(), v1::Gap::OVERFLOW);
      ++gaps;
      continue;
    }
    const int number = Listening::number_of(*event);
    if (number != last + 1) {
      EXPECT_EQ(gaps, 1) << last << " then " << number;
    }
    ASSERT_GT(number, last);
    last = number;
  }
  EXPECT_EQ(gaps, 1);
}

TEST(Listener, OnlyTheTypesThatItWants) {
  TestServer server;
  v1::ListenRequest request;
  request.add_types("updateConfig");
  Listening listening(server.channel(), request);
  server.append(update_event(1));
  UpdateEvent config = update_event(0);
  config.update = unhex_bytes("06dd29a2");
  server.append(config);
  const auto event = listening.next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->update().value(), proto_of_type(228, "Update", config.update));
  request.add_types("updateNothing");
  Listening refused(server.channel(), request);
  EXPECT_FALSE(refused.next().has_value());
  EXPECT_EQ(refused.finish().error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST(Listener, WhatIsWrongIsSaid) {
  ServerOptions options;
  options.access.deny = {"updates.*"};
  TestServer closed({NamedSession{}}, options);
  Listening denied(closed.channel());
  EXPECT_FALSE(denied.next().has_value());
  EXPECT_EQ(denied.finish().error_code(), StatusCode::PERMISSION_DENIED);
  TestServer server;
  v1::ListenRequest request;
  request.set_session("nobody");
  Listening nobody(server.channel(), request);
  EXPECT_EQ(nobody.finish().error_code(), StatusCode::NOT_FOUND);
  request.set_session("main");
  request.set_cursor("short");
  Listening cursor(server.channel(), request);
  EXPECT_EQ(cursor.finish().error_code(), StatusCode::INVALID_ARGUMENT);
  RawStream broken(server.channel(), kListen);
  ASSERT_TRUE(broken.write("\x0f\xff", true));
  EXPECT_EQ(broken.finish().error_code(), StatusCode::INVALID_ARGUMENT);
  RawStream package(server.channel(), "/proxy.UpdateStreamer/ListenOnUpdates");
  const grpc::Status status = package.finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_NE(status.error_message().find("/proxy.l228."), std::string::npos);
}

TEST(Listener, SessionsHaveTheirOwn) {
  TestServer server({{.name = "new", .layer = 228}, {.name = "old", .layer = 71}});
  v1::ListenRequest request;
  request.set_session("old");
  Listening by_request(server.channel(), request);
  CallSettings settings;
  settings.metadata.emplace("x-ringway-session", "old");
  Listening by_metadata(server.channel(), {}, settings);
  Listening first(server.channel());
  server.append(update_event(1), 1);
  server.append(update_event(2), 0);
  EXPECT_EQ(by_request.next_number(), 1);
  EXPECT_EQ(by_metadata.next()->update().type_url(), "type.googleapis.com/mtproto.TypeUpdate");
  EXPECT_EQ(first.next_number(), 2);
}

TEST(Listener, ManyThatGoAwayLeaveNothing) {
  TestServer server;
  const auto channel = server.channel();
  std::vector<std::unique_ptr<Listening>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(std::make_unique<Listening>(channel));
  while (server.server().listeners() < 1000) sleep_ns(kNsPerMs);
  server.append(update_event(1));
  for (auto& one : all) EXPECT_EQ(one->next_number(), 1);
  // Half of them while something is on its way to them.
  server.append(update_event(2));
  for (size_t i = 0; i < all.size(); i += 2) all[i]->stream().cancel();
  for (size_t i = 1; i < all.size(); i += 2) EXPECT_EQ(all[i]->next_number(), 2);
  all.clear();
  while (server.server().listeners() != 0) sleep_ns(kNsPerMs);
}

TEST(Listener, EndsWhenTheProxyStops) {
  TestServer server;
  Listening listening(server.channel());
  while (server.server().listeners() == 0) sleep_ns(kNsPerMs);
  server.server().stop();
  EXPECT_FALSE(listening.next().has_value());
  EXPECT_EQ(listening.finish().error_code(), StatusCode::UNAVAILABLE);
}

// gRPC aborts the program over an answer that begins behind its end.
TEST(Listener, StopWhileManyBeginToListen) {
  const std::string request = v1::ListenRequest().SerializeAsString();
  for (int round = 0; round < 20; ++round) {
    TestServer server;
    const auto channel = server.channel();
    std::vector<std::unique_ptr<RawStream>> streams;
    for (int i = 0; i < 64; ++i) streams.push_back(std::make_unique<RawStream>(channel, kListen));
    std::thread stopper([&] {
      while (server.server().listeners() == 0) std::this_thread::yield();
      server.server().stop();
    });
    for (auto& stream : streams) stream->write(request, true);
    stopper.join();
    for (auto& stream : streams) EXPECT_FALSE(stream->finish().ok());
  }
}

constexpr char kReader[] = "0123456789abcdef";
constexpr char kWriter[] = "fedcba9876543210";

std::shared_ptr<const Tokens> tokens_of(const std::string& lines) {
  return Tokens::parse(lines, "tokens").tokens;
}
CallSettings by(std::string_view token) {
  CallSettings settings{.metadata = {}, .timeout_ms = 60'000};
  settings.metadata.emplace("authorization", "Bearer " + std::string(token));
  return settings;
}

TEST(Listener, EndsWithItsToken) {
  const std::string reader = kReader;
  const std::string writer = kWriter;
  ServerOptions options;
  options.tokens = tokens_of(reader + " reader\n" + writer + " writer");
  TestServer server({NamedSession{}}, options);
  Listening stays(server.channel(), {}, by(kReader));
  Listening goes(server.channel(), {}, by(kWriter));
  while (server.server().listeners() != 2) sleep_ns(kNsPerMs);
  // Its name stays, with another token.
  server.server().set_tokens(tokens_of(reader + " reader\nanother-0123456789 writer"));
  EXPECT_FALSE(goes.next().has_value());
  EXPECT_EQ(goes.finish().error_code(), StatusCode::UNAUTHENTICATED);
  server.append(update_event(1));
  EXPECT_EQ(stays.next_number(), 1);
  server.server().set_tokens(tokens_of(reader + " reader deny=updates.*"));
  EXPECT_FALSE(stays.next().has_value());
  EXPECT_EQ(stays.finish().error_code(), StatusCode::PERMISSION_DENIED);
  server.server().set_tokens(tokens_of(reader + " reader"));
  Listening again(server.channel(), {}, by(kReader));
  while (server.server().listeners() != 1) sleep_ns(kNsPerMs);
  server.server().set_tokens(tokens_of(reader + " reader sessions=other"));
  EXPECT_FALSE(again.next().has_value());
  EXPECT_EQ(again.finish().error_code(), StatusCode::PERMISSION_DENIED);
}

TEST(Listener, OneCallerLeavesPlacesForOthers) {
  ServerOptions options;
  options.tokens = tokens_of(std::string(kReader) + " reader\n" + kWriter + " writer");
  TestServer server({NamedSession{}}, options);
  const auto channel = server.channel();
  std::vector<std::unique_ptr<Listening>> all;
  for (size_t i = 0; i < kListenersPerCallerMax; ++i) {
    all.push_back(std::make_unique<Listening>(channel, v1::ListenRequest(), by(kReader)));
  }
  while (server.server().listeners() != all.size()) sleep_ns(kNsPerMs);
  {
    Listening one_too_many(channel, {}, by(kReader));
    EXPECT_FALSE(one_too_many.next().has_value());
    EXPECT_EQ(one_too_many.finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_EQ(server.server().status().listeners_refused_full, 1U);
  Listening other(channel, {}, by(kWriter));
  while (server.server().listeners() != all.size() + 1) sleep_ns(kNsPerMs);
  // One that ends makes room.
  all.pop_back();
  while (server.server().listeners() != all.size() + 1) sleep_ns(kNsPerMs);
  Listening next(channel, {}, by(kReader));
  server.append(update_event(1));
  EXPECT_EQ(next.next_number(), 1);
  EXPECT_EQ(other.next_number(), 1);
}

TEST(CompatListener, GetsSourcesAndEndsWithAGap) {
  TestServer server;
  RawStream stream(server.channel(), kCompat);
  ASSERT_TRUE(stream.write("", true));
  ASSERT_TRUE(stream.wait_open());
  const Bytes short_update = unhex_bytes(
      "c1ded478"
      "06dd29a2"
      "01000000");
  server.append(source_event(short_update));
  server.append(update_event(1));
  std::string expected;
  add_bytes(expected, 4, proto_of_combinator(228, short_update));
  EXPECT_EQ(stream.read(), expected);
  server.append(gap_event(UpdateEvent::GapReason::kTooLong));
  EXPECT_FALSE(stream.read().has_value());
  EXPECT_EQ(stream.finish().error_code(), StatusCode::DATA_LOSS);
}

}  // namespace
}  // namespace ringway::proxy::test
