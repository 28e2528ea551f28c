// The batched link, against a real client over loopback.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "wire_bench.h"

namespace ringway::shard {
namespace {

namespace mt = mtproto::constructor;

TEST(LinkWire, WelcomesAndAnswersABatchWithOneAcknowledgement) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  ASSERT_TRUE(link.read_until([](const auto& down) { return down.has_welcome(); }));
  EXPECT_EQ(link.down().welcome().items_max(), kBatchMessagesMax);
  for (int i = 0; i < 5; ++i) link.add(bench.data(ping(i), 0, i == 0 ? 1 : 0));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(5));
  ASSERT_EQ(link.down().pushes_size(), 5);
  EXPECT_EQ(LinkClient::answers(link.down().pushes(0)).size(), 2u);
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(LinkClient::answers(link.down().pushes(i))[0].constructor, mt::kPong);
    EXPECT_GT(link.down().pushes(i).push_id(), link.down().pushes(i - 1).push_id());
  }
  EXPECT_TRUE(link.finish().ok());
  EXPECT_EQ(bench.gateway.waiting(), 0u);
}

TEST(LinkWire, AnItemThatCannotBeServedIsRefusedAndTheRestIsNot) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  auto unknown = bench.data(ping(1), 0);
  unknown.set_auth_key_id(404);
  auto broken = bench.data(ping(1), 0);
  broken.set_payload("x");
  link.add(unknown);
  link.add(bench.data(ping(2), 0));
  link.add(broken);
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(3));
  ASSERT_EQ(link.down().refusals_size(), 2);
  EXPECT_EQ(link.down().refusals(0).sequence(), 1u);
  EXPECT_EQ(link.down().refusals(0).code(), 401);
  EXPECT_EQ(link.down().refusals(0).message(), "AUTH_KEY_UNREGISTERED");
  EXPECT_EQ(link.down().refusals(1).sequence(), 3u);
  EXPECT_EQ(link.down().refusals(1).code(), 3);
  EXPECT_EQ(link.down().pushes_size(), 1);
}

TEST(LinkWire, ProtocolErrorsEndTheLink) {
  WireBench bench;
  LinkClient silent(bench, false);
  silent.up().set_first_sequence(1);
  silent.send();
  EXPECT_EQ(silent.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  LinkClient skipping(bench);
  skipping.add(bench.data(ping(1), 0));
  skipping.up().set_first_sequence(2);
  skipping.send();
  EXPECT_EQ(skipping.finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  LinkClient twice(bench);
  twice.up().mutable_hello()->set_server_id("x");
  twice.send();
  EXPECT_EQ(twice.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(LinkWire, WhatNoConnectionTookIsSentAgain) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  link.add(bench.data(get_config(), 1, 1));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(1));
  const auto lost = LinkClient::answers(link.down().pushes(0));
  ASSERT_EQ(lost.size(), 2u);
  auto* result = link.up().add_push_results();
  result->set_push_id(link.down().pushes(0).push_id());
  result->set_delivered(false);
  link.up().add_push_results()->set_push_id(987654);  // never sent: ignored
  link.add(bench.data(ping(2), 2));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(2));
  ASSERT_EQ(link.down().pushes_size(), 2);
  const auto again = LinkClient::answers(link.down().pushes(1));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[1].msg_id, lost[1].msg_id);
}

TEST(LinkWire, DeliveredAnswersAreNotSentAgain) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  link.add(bench.data(get_config(), 1, 1));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(1));
  auto* result = link.up().add_push_results();
  result->set_push_id(link.down().pushes(0).push_id());
  result->set_delivered(true);
  ASSERT_TRUE(link.send());
  EXPECT_TRUE(link.finish().ok());
  LinkClient next(bench);
  next.add(bench.data(ping(2), 2));
  ASSERT_TRUE(next.send());
  ASSERT_TRUE(next.read_acknowledged(1));
  EXPECT_EQ(LinkClient::answers(next.down().pushes(0)).size(), 1u);
}

TEST(LinkWire, WhatALostLinkLeftOpenIsSentAgainAndRepeatsAreDropped) {
  WireBench bench;
  bench.make_key();
  const auto query = bench.data(get_config(), 1, 1);
  int64_t answer_id = 0;
  {
    LinkClient link(bench);
    link.add(query);
    ASSERT_TRUE(link.send());
    ASSERT_TRUE(link.read_acknowledged(1));
    answer_id = LinkClient::answers(link.down().pushes(0))[1].msg_id;
  }
  while (bench.shard.stats().pushes_failed == 0) std::this_thread::yield();
  LinkClient link(bench);
  link.add(query);
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(1));
  ASSERT_EQ(link.down().pushes_size(), 1);
  const auto again = LinkClient::answers(link.down().pushes(0));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].msg_id, answer_id);
}

TEST(LinkWire, APushAfterTheLinkIsGoneGoesToTheGatewayItselfWithWhatDidNotArrive) {
  WireBench bench;
  bench.make_key();
  const Bytes update = Tl(0xe317af7e);
  {
    LinkClient link(bench);
    link.add(bench.data(ping(1), 0, 1));
    ASSERT_TRUE(link.send());
    ASSERT_TRUE(link.read_acknowledged(1));
    ASSERT_TRUE(bench.shard.push(WireBench::kKey, WireBench::kSession, update));
    ASSERT_TRUE(link.read_until([](const auto& down) { return down.pushes_size() == 2; }));
  }
  while (bench.shard.stats().pushes_failed < 2) std::this_thread::yield();
  EXPECT_TRUE(bench.shard.push(WireBench::kKey, WireBench::kSession, update));
  const Pushed pushed = bench.gateway.next();
  ASSERT_EQ(pushed.answers.size(), 2u);
  EXPECT_EQ(pushed.answers[0].constructor, 0xe317af7e);
  EXPECT_EQ(pushed.answers[1].constructor, 0xe317af7e);
  EXPECT_LT(pushed.answers[0].msg_id, pushed.answers[1].msg_id);
}

TEST(LinkWire, BatchesDownAreBounded) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  static constexpr int kMessages = 2000;
  for (int i = 0; i < kMessages; ++i) link.add(bench.data(ping(i), 0));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_until([](const auto& down) {
    EXPECT_LE(down.pushes_size(), kMessages);
    return down.acknowledged() == kMessages && down.pushes_size() == kMessages;
  }));
  std::vector<int64_t> ping_ids;
  for (const auto& push : link.down().pushes()) {
    const Answer pong = LinkClient::answers(push).back();
    ByteReader in = pong.reader();
    ASSERT_TRUE(in.skip(8).ok());
    ping_ids.push_back(*in.i64());
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(ping_ids[static_cast<size_t>(i)], i);
}

TEST(LinkWire, ALinkWhosePeerDoesNotReadIsNotReadEither) {
  ShardOptions options;
  options.push_echo = true;
  WireBench bench(options);
  bench.make_key();
  LinkClient link(bench);
  Bytes echo(64 * 1024, 0);
  store_le(echo.data(), constructor::kPushEcho);
  // Far more than the queue and the sockets hold; the writer below would never end without back
  // pressure and the shard's queue would grow to all of it.
  static constexpr int kMessages = 600;
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) {
      link.add(bench.data(echo, 0));
      if (!link.send()) return;
    }
  });
  const uint64_t queue_holds = kShardLinkQueueBytesMax / echo.size();
  while (bench.shard.stats().messages < queue_holds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  uint64_t taken = 0;
  for (int still = 0; still < 20; ++still) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const uint64_t now_taken = bench.shard.stats().messages;
    if (now_taken != taken) still = 0;
    taken = now_taken;
  }
  EXPECT_LT(taken, static_cast<uint64_t>(kMessages));
  ASSERT_TRUE(link.read_until([](const auto& down) { return down.pushes_size() == kMessages; }));
  writer.join();
}

TEST(LinkWire, NeverAcknowledgedStillServed) {
  ShardOptions options;
  options.faults.never_ack = true;
  options.faults.delay_ms = 20;
  WireBench bench(options);
  bench.make_key();
  LinkClient link(bench);
  link.add(bench.data(ping(1), 0));
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_until([](const auto& down) { return down.pushes_size() == 1; }));
  EXPECT_TRUE(link.finish().ok());
  EXPECT_EQ(link.down().acknowledged(), 0u);
}

TEST(LinkWire, CloseEventsAreTaken) {
  const TempDir dir;
  ShardOptions options;
  options.record_path = dir.path() + "/events";
  WireBench bench(options);
  LinkClient link(bench);
  link.up().set_first_sequence(1);
  link.up().add_items()->mutable_close()->set_auth_key_id(5);
  ASSERT_TRUE(link.send());
  ASSERT_TRUE(link.read_acknowledged(1));
  std::ifstream file(options.record_path);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "close wire=batch conn_type=0 auth_key_id=5 session_id=0");
}

TEST(LinkWire, ManyLinksAtOnce) {
  WireBench bench;
  bench.make_key();
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  std::mutex ids;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      LinkClient link(bench);
      for (int batch = 0; batch < 50; ++batch) {
        {
          const std::lock_guard lock(ids);
          for (int message = 0; message < 20; ++message) link.add(bench.data(ping(1), 0));
        }
        if (!link.send()) return;
      }
      if (link.read_until([](const auto& down) {
            return down.acknowledged() == 1000 && down.pushes_size() >= 1000;
          })) {
        served += 1000;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served.load(), 4000);
  EXPECT_EQ(bench.shard.stats().messages, 4000u);
  EXPECT_EQ(bench.shard.stats().sessions, 1u);
}

TEST(LinkWire, ShutdownEndsOpenLinks) {
  WireBench bench;
  bench.make_key();
  LinkClient link(bench);
  ASSERT_TRUE(link.read_until([](const auto& down) { return down.has_welcome(); }));
  bench.shard.shutdown(50 * kNsPerMs);
  EXPECT_FALSE(link.finish().ok());
}

}  // namespace
}  // namespace ringway::shard
