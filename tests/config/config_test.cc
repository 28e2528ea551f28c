#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringway::config {
namespace {

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
  const WorkerSettings other{.ring_entries = 128, .max_connections = 7};
  config.workers.per_core.push_back({.core = 1, .settings = other});
  EXPECT_EQ(worker_config(config, 0), (WorkerConfig{kAnyCore, {}}));
  EXPECT_EQ(worker_config(config, 1), (WorkerConfig{kAnyCore, other}));
}

TEST(WorkerConfig, TakesOverridesByCoreWhenPinned) {
  Config config;
  config.workers.cores = {4, 8};
  const WorkerSettings other{.buffers = 64, .buffer_bytes = 1024};
  config.workers.per_core.push_back({.core = 8, .settings = other});
  EXPECT_EQ(worker_config(config, 0), (WorkerConfig{4, {}}));
  EXPECT_EQ(worker_config(config, 1), (WorkerConfig{8, other}));
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

TEST(SecretsOf, AreTheListenersOwnOrThoseOfAll) {
  const auto secret = [](uint8_t byte) {
    Secret<kTransportSecretBytes> made;
    made.data()[0] = byte;
    return made;
  };
  Config config;
  Listener listener;
  EXPECT_THAT(secrets_of(config, listener), testing::IsEmpty());
  config.transports.secrets = {secret(1), secret(2)};
  EXPECT_TRUE(same_secrets(secrets_of(config, listener), config.transports.secrets));
  listener.secrets = {secret(3)};
  EXPECT_TRUE(same_secrets(secrets_of(config, listener), listener.secrets));
  listener.secrets.clear();
  listener.fake_tls_secrets = {{secret(4), "example.com"}};
  EXPECT_THAT(secrets_of(config, listener), testing::IsEmpty())
      << "who asks for fake TLS does not ask for less beside it";
}

TEST(ToString, PutsIpv6IntoBrackets) {
  EXPECT_EQ(to_string(Endpoint{"::1", 443}), "[::1]:443");
  EXPECT_EQ(to_string(Endpoint{"10.0.0.1", 443}), "10.0.0.1:443");
  EXPECT_EQ(to_string(Endpoint{"", 443}), ":443");
}

TEST(GrpcCores, AreThoseThatNoWorkerIsPinnedTo) {
  Config config;
  EXPECT_THAT(grpc_cores(config, {0, 1}), testing::IsEmpty()) << "no worker is pinned";
  config.workers.cores = {0, 2};
  EXPECT_THAT(grpc_cores(config, {0, 1, 2, 3}), testing::ElementsAre(1, 3));
  EXPECT_THAT(grpc_cores(config, {0, 2}), testing::IsEmpty()) << "none is left";
  config.workers.count = 1;
  EXPECT_THAT(grpc_cores(config, {0, 2}), testing::ElementsAre(2)) << "listed, and not used";
  config.grpc.cores = {0};
  EXPECT_THAT(grpc_cores(config, {0, 1, 2, 3}), testing::ElementsAre(0));
}

TEST(CryptoThreads, AreHalfTheCoresOrAsTheFileSays) {
  Config config;
  EXPECT_EQ(crypto_threads(config, 1), 1U);
  EXPECT_EQ(crypto_threads(config, 8), 4U);
  config.crypto.cores = {1, 2, 3};
  EXPECT_EQ(crypto_threads(config, 8), 3U);
}

TEST(Auto, SharesFilesAndKeysAmongTheWorkers) {
  EXPECT_EQ(auto_connections({}, 20'000, 2), (20'000 - kReservedFiles - 2 * kFilesPerWorker) / 2);
  EXPECT_EQ(auto_connections({}, 100, 2), 50U) << "fewer files than are set aside";
  EXPECT_EQ(auto_connections({}, 0, 2), 1U);
  EXPECT_EQ(auto_connections({}, UINT64_MAX, 1), kConnectionsPerWorkerMax);
  Config config;
  EXPECT_EQ(auto_key_cache_entries(config, 2), 10 * 1024 * 1024 / kKeyCacheEntryBytes / 2);
}

}  // namespace
}  // namespace ringway::config
