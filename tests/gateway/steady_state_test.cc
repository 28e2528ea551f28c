// A gateway that has warmed up takes nothing from the heap for a message, up or down: counted on
// the worker's thread of a whole gateway with a real shard and real clients, all in this process.
//
// RINGWAY_STEADY_MESSAGES says how many messages each case counts over.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/log.h"
#include "client/load.h"
#include "gateway/gateway.h"
#include "shard/shard.h"
#include "support/thread_allocations.h"

namespace ringway::gateway {
namespace {

constexpr uint64_t kMessagesDefault = 20'000;
constexpr double kWarmUpSeconds = 0.5;  // of measuring, after the load's own
// What a worker keeps grows to what its largest turn so far needed, and a larger one may come: a
// window in which it grew is followed by another one, but not for ever.
constexpr int kWindowsMax = 8;

uint64_t messages_wanted() {
  const char* text = std::getenv("RINGWAY_STEADY_MESSAGES");
  return text == nullptr ? kMessagesDefault : std::stoull(text);
}

struct Case {
  const char* name;
  client::LoadMode mode;
  const char* transport;
  uint32_t connections;
  uint32_t window;
};

class SteadyState : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ASSERT_EQ(log_setup({.level = LogLevel::kError}), "");
    shard::ShardOptions shard;
    shard.push_echo = true;
    ASSERT_EQ(shard_.start(shard), "");
    GatewayOptions options;
    options.config = config::defaults();
    options.config.listen_on = {"127.0.0.1", 0};
    options.config.listeners = {{config::Protocol::kTcp, {"127.0.0.1", 0}}};
    options.config.session.endpoints = {"127.0.0.1:" + std::to_string(shard_.port())};
    options.config.workers.count = 1;
    options.config.limits.handshakes_per_address_per_second = config::kNoLimit;
    key_ = crypto::RsaKey::generate();
    options.keys.push_back({key_, key_->fingerprint()});
    std::string error;
    gateway_ = Gateway::start(std::move(options), error);
    ASSERT_NE(gateway_, nullptr) << error;
  }
  void TearDown() override {
    if (gateway_ != nullptr) {
      EXPECT_TRUE(gateway_->drain());
    }
    shard_.shutdown(kNsPerSecond);
  }

  [[nodiscard]] uint64_t counter(std::string_view wanted) const {
    for (const auto& [name, value] : gateway_->counters()) {
      if (name == wanted) return value;
    }
    ADD_FAILURE() << "no counter " << wanted;
    return 0;
  }

  shard::ReferenceShard shard_;
  std::shared_ptr<const crypto::RsaKey> key_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_P(SteadyState, AMessageTakesNothingFromTheHeap) {
  const Case& c = GetParam();
  client::LoadOptions load;
  load.address = gateway_->addresses().front();
  load.server_keys = {{key_, key_->fingerprint()}};
  load.mode = c.mode;
  load.transports = *client::parse_transports(c.transport);
  load.sizes = *client::parse_sizes("64=1,128=4,1000=1");
  load.connections = c.connections;
  load.window = c.window;
  load.keys = 8;
  load.duration_ns = 100 * kNsPerSecond;  // ended by `stop`
  ASSERT_EQ(client::check(load), "");

  testing::ThreadAllocations worker("rw-worker-0");
  const bool echo = c.mode == client::LoadMode::kEcho;
  const char* const counted = echo ? "pushes_delivered" : "messages_routed";
  std::atomic<bool> stop{false};
  uint64_t messages_begin = 0;
  uint64_t messages = 0;
  uint64_t allocations_begin = 0;
  uint64_t allocations = 0;
  int windows = 0;
  const auto report = client::run_load(load, stop, [&](const client::LoadProgress& progress) {
    if (progress.phase != client::LoadProgress::Phase::kMeasure || stop) return;
    if (progress.seconds < kWarmUpSeconds) return;
    if (windows != 0) {
      allocations = worker.count() - allocations_begin;
      messages = counter(counted) - messages_begin;
      if (messages < messages_wanted()) return;
      stop = allocations == 0 || windows == kWindowsMax;
      if (stop) return;
    }
    ++windows;
    messages_begin = counter(counted);
    worker.remember_places();
    allocations_begin = worker.count();
  });
  EXPECT_EQ(report.failure, "") << to_text(load, report);
  EXPECT_NE(allocations_begin, 0U) << "the counter counts";
  EXPECT_EQ(allocations, 0U) << "of " << messages << " messages";
  EXPECT_GE(messages, messages_wanted());
  if (allocations != 0) worker.print_places();
}

using client::LoadMode;
INSTANTIATE_TEST_SUITE_P(
    Traffic, SteadyState,
    ::testing::Values(Case{"Window1", LoadMode::kQuickAck, "intermediate", 64, 1},
                      Case{"Window32", LoadMode::kQuickAck, "intermediate", 64, 32},
                      Case{"Window1Obfuscated", LoadMode::kQuickAck, "obfuscated-padded", 64, 1},
                      Case{"Window32Obfuscated", LoadMode::kQuickAck, "obfuscated-abridged", 64,
                           32},
                      Case{"Pushes", LoadMode::kEcho, "intermediate", 64, 1},
                      Case{"PushesWindow8", LoadMode::kEcho, "obfuscated-intermediate", 16, 8}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace ringway::gateway
