#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.h"

namespace ringway::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(WorkerCount, GoesFromTheMostExplicitToTheMostGeneral) {
  Config config;
  EXPECT_EQ(worker_count(config, 6), 6U);
  EXPECT_EQ(worker_count(config, 0), 1U);
  EXPECT_EQ(worker_count(config, 100'000), kWorkersMax);
  config.workers.cores = {0, 2};
  EXPECT_EQ(worker_count(config, 6), 2U);
  config.max_proc = 3;
  EXPECT_EQ(worker_count(config, 6), 3U);
  config.workers.count = 5;
  EXPECT_EQ(worker_count(config, 6), 5U);
}

TEST(WorkerConfig, TakesOverridesByNumberWhenNotPinned) {
  Config config;
  config.workers.per_core.push_back({.core = 1, .ring_entries = 128, .max_connections = 7});
  EXPECT_EQ(worker_config(config, 0), (WorkerConfig{-1, 4096, 2048, 4096, 0}));
  EXPECT_EQ(worker_config(config, 1), (WorkerConfig{-1, 128, 2048, 4096, 7}));
}

TEST(WorkerConfig, TakesOverridesByCoreWhenPinned) {
  Config config;
  config.workers.cores = {4, 8};
  config.workers.per_core.push_back({.core = 8, .buffers = 64, .buffer_bytes = 1024});
  EXPECT_EQ(worker_config(config, 0), (WorkerConfig{4, 4096, 2048, 4096, 0}));
  EXPECT_EQ(worker_config(config, 1), (WorkerConfig{8, 4096, 64, 1024, 0}));
  EXPECT_EQ(worker_config(config, 2).core, 4) << "more workers than cores share them in turn";
}

TEST(LogOptions, NamesAFileInModeFileOnly) {
  Config config;
  config.name = "edge";
  EXPECT_EQ(log_options(config).file_path, "");
  EXPECT_EQ(log_options(config).service, "edge");
  config.log.mode = LogMode::kFile;
  config.log.path = "/var/log/edge";
  config.log.service = "gateway";
  EXPECT_EQ(log_options(config).file_path, "/var/log/edge/ringway.log");
  config.log.mode = LogMode::kVolume;
  EXPECT_THAT(log_options(config).file_path,
              testing::MatchesRegex("/var/log/edge/gateway/[^/]+/ringway\\.log"));
  EXPECT_EQ(log_options(config).service, "gateway");
}

TEST(ToString, PutsIpv6IntoBrackets) {
  EXPECT_EQ(to_string(Endpoint{"::1", 443}), "[::1]:443");
  EXPECT_EQ(to_string(Endpoint{"10.0.0.1", 443}), "10.0.0.1:443");
  EXPECT_EQ(to_string(Endpoint{"", 443}), ":443");
}

TEST(Describe, TellsTheValuesInEffectWithoutSecrets) {
  const LoadOutcome outcome = load_text(
      "Ringway:\n"
      "  Workers: {PerCore: [{Core: 3, MaxConnections: auto, Buffers: 64}]}\n"
      "  Timeouts: {Idle: 0, Drain: 1500ms}\n"
      "  Limits: {KeysPerConnection: 0}\n"
      "  Transports: {Secrets: [00112233445566778899aabbccddeeff]}\n",
      "test.yaml");
  ASSERT_THAT(outcome.errors, testing::IsEmpty());
  const std::string text = describe(outcome.config);
  EXPECT_THAT(text, HasSubstr("Gnetway.Server: tcp 127.0.0.1:10443\n"));
  EXPECT_THAT(text, HasSubstr("Ringway.Workers.PerCore: core 3 Buffers=64 MaxConnections=auto\n"));
  EXPECT_THAT(text, HasSubstr("Ringway.Timeouts.Idle: no limit\n"));
  EXPECT_THAT(text, HasSubstr("Ringway.Timeouts.Drain: 1500ms\n"));
  EXPECT_THAT(text, HasSubstr("Ringway.Limits.KeysPerConnection: no limit\n"));
  EXPECT_THAT(text, HasSubstr("Ringway.Transports.Secrets: 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("001122")));
}

}  // namespace
}  // namespace ringway::config
