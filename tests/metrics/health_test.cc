#include "metrics/health.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::metrics {
namespace {

constexpr int64_t kNow = 1000 * kNsPerSecond;

// Two workers, each with a link to one shard.
gateway::GatewayStatus good_status() {
  gateway::GatewayStatus status;
  status.listeners.push_back({"127.0.0.1:10443", "tcp"});
  for (int i = 0; i < 2; ++i) {
    gateway::WorkerStatus& worker = status.workers.emplace_back();
    worker.last_turn_ns = kNow - kNsPerSecond / 2;
    cluster::ShardStatus& link = worker.gauges.links.emplace_back();
    link.address = "10.0.0.1:20120";
    link.reached = true;
  }
  return status;
}

TEST(Health, IsGoodWhenWorkersTurnAndAShardIsThere) {
  EXPECT_TRUE(judge_liveness(good_status(), kNow).good);
  EXPECT_TRUE(judge_readiness(good_status(), kNow).good);
  EXPECT_EQ(judge_readiness(good_status(), kNow).reason, "ok");
}

TEST(Health, NamesTheWorkerThatIsStuck) {
  gateway::GatewayStatus status = good_status();
  status.workers[1].last_turn_ns = kNow - kWorkerStuckNs + 1;
  EXPECT_TRUE(judge_liveness(status, kNow).good);
  status.workers[1].last_turn_ns = kNow - kWorkerStuckNs;
  EXPECT_FALSE(judge_liveness(status, kNow).good);
  EXPECT_EQ(judge_liveness(status, kNow).reason, "worker 1 has not turned for 5 s");
  EXPECT_FALSE(judge_readiness(status, kNow).good) << "a stuck worker's clients wait for ever";
}

TEST(Health, WaitsForAWorkersFirstTurn) {
  gateway::GatewayStatus status = good_status();
  status.workers[0].last_turn_ns = 0;
  EXPECT_TRUE(judge_liveness(status, kNow).good);
}

TEST(Health, OneReachableShardIsEnoughToBeReady) {
  gateway::GatewayStatus status = good_status();
  status.workers[0].gauges.links[0].reached = false;
  EXPECT_TRUE(judge_readiness(status, kNow).good);
  status.workers[1].gauges.links[0].reached = false;
  EXPECT_FALSE(judge_readiness(status, kNow).good);
  EXPECT_EQ(judge_readiness(status, kNow).reason, "no session shard can be reached");
  EXPECT_TRUE(judge_liveness(status, kNow).good) << "a restart would not bring the shard back";
}

TEST(Health, IsNotReadyWithoutListenersOrWhileDraining) {
  gateway::GatewayStatus status = good_status();
  status.draining = true;
  EXPECT_EQ(judge_readiness(status, kNow).reason, "draining");
  EXPECT_TRUE(judge_liveness(status, kNow).good);
  status.draining = false;
  status.listeners.clear();
  EXPECT_FALSE(judge_readiness(status, kNow).good);
}

}  // namespace
}  // namespace ringway::metrics
