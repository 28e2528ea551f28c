#include "gateway/worker_status.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace ringway::gateway {
namespace {

Now at(int64_t mono_ns) { return {.mono_ns = mono_ns, .unix_ns = 0}; }

TEST(WorkerStatusBoard, PublishesAtMostOncePerInterval) {
  WorkerStatusBoard board(1);
  int fills = 0;
  const auto fill = [&fills](WorkerGauges& gauges) {
    gauges.connections = static_cast<uint64_t>(++fills);
  };
  board.publish(at(kStatusIntervalNs), fill);
  board.publish(at(2 * kStatusIntervalNs - 1), fill);
  EXPECT_EQ(fills, 1);
  board.publish(at(2 * kStatusIntervalNs), fill);
  WorkerStatus status;
  board.read(status);
  EXPECT_EQ(status.gauges.connections, 2U);
}

TEST(WorkerStatusBoard, CountsAListenerItDoesNotHaveForTheFirst) {
  WorkerStatusBoard board(2);
  board.listener(1).opened();
  board.listener(7).opened();
  WorkerStatus status;
  board.read(status);
  ASSERT_EQ(status.listeners.size(), 2U);
  EXPECT_EQ(status.listeners[0].opened, 1U);
  EXPECT_EQ(status.listeners[1].opened, 1U);
}

// What a reader gets belongs together, however the two run.
TEST(WorkerStatusBoard, AReaderNeverSeesHalfAnUpdate) {
  WorkerStatusBoard board(1);
  std::atomic<bool> done{false};
  std::thread worker([&] {
    for (int64_t turn = 1; turn <= 3000; ++turn) {
      const Now now = at(turn * kStatusIntervalNs);
      board.begin_turn(now);
      board.listener(0).received(10);
      board.publish(now, [turn](WorkerGauges& gauges) {
        gauges.connections = gauges.sessions = static_cast<uint64_t>(turn);
        gauges.links.resize(1);
        gauges.links[0].address = "shard " + std::to_string(turn);
      });
    }
    done = true;
  });
  uint64_t last = 0;
  while (!done) {
    WorkerStatus status;
    board.read(status);
    if (status.gauges.links.empty()) continue;
    EXPECT_EQ(status.gauges.connections, status.gauges.sessions);
    EXPECT_EQ(status.gauges.links[0].address, "shard " + std::to_string(status.gauges.connections));
    EXPECT_GE(status.gauges.connections, last);
    last = status.gauges.connections;
  }
  worker.join();
  WorkerStatus status;
  board.read(status);
  EXPECT_EQ(status.listeners[0].bytes_received, 30'000U);
  EXPECT_EQ(status.last_turn_ns, 3000 * kStatusIntervalNs);
}

}  // namespace
}  // namespace ringway::gateway
