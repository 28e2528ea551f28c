// The gateway and its shards in a cluster that finds itself through a real etcd.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "e2e/gateway_test.h"
#include "e2e/stack.h"
#include "support/etcd_server.h"

namespace ringway::testing {
namespace {

constexpr const char* kGatewayKey = "interface.gateway";
constexpr const char* kSessionKey = "interface.session";
constexpr int kPatienceMs = 20'000;
constexpr int64_t kPongNs = 20 * kNsPerSecond;

StackOptions clustered(const EtcdServer& etcd) {
  StackOptions options;
  options.ringway_yaml = kGenerousLimits;
  options.shard_arguments = {"--etcd", etcd.host(), "--etcd-ttl", "2"};
  // Session's hosts are those of the first section.
  options.cluster_yaml =
      fmt::format("Etcd:\n  Hosts: [\"{}\"]\n  Key: {}\nSession:\n  Etcd:\n    Key: {}\n",
                  etcd.host(), kGatewayKey, kSessionKey);
  return options;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

bool wait_log(const Stack& stack, const std::string& part, size_t times = 1) {
  return wait_until([&] { return count_of(stack.gateway_log(), part) >= times; }, kPatienceMs);
}

std::unique_ptr<BlockingClient> try_new_key(const Stack& stack) {
  auto client = std::make_unique<BlockingClient>(transport("intermediate"));
  if (!client->connect(stack.address()).ok()) return nullptr;
  if (!client->make_key(stack.handshake()).ok() || !client->ping().ok()) return nullptr;
  return client;
}

std::vector<std::unique_ptr<BlockingClient>> make_clients(const Stack& stack, size_t count) {
  std::vector<std::unique_ptr<BlockingClient>> clients;
  while (clients.size() < count) {
    clients.push_back(try_new_key(stack));
    EXPECT_NE(clients.back(), nullptr);
    if (clients.back() == nullptr) return {};
  }
  return clients;
}

// A second shard beside the stack's, on the same keys.
class SecondShard {
 public:
  SecondShard(const Stack& stack, const EtcdServer& etcd)
      : process_({std::getenv("RINGWAY_SHARD_BIN"), "--listen", "127.0.0.1:0", "--data",
                  stack.directory().file("shard"), "--record", record_path(stack), "--etcd",
                  etcd.host(), "--etcd-ttl", "2"},
                 stack.directory().path(), stack.directory().file("second.log")) {}

  [[nodiscard]] ChildProcess& process() { return process_; }
  [[nodiscard]] static std::string record_path(const Stack& stack) {
    return stack.directory().file("second.record");
  }

 private:
  ChildProcess process_;
};

TEST(EtcdCluster, TheGatewayStartsWithoutEtcdAndWorksOnceItIsThere) {
  EtcdServer etcd;
  Stack stack(clustered(etcd));
  EXPECT_TRUE(wait_log(stack, "no session shard is known yet"));
  EXPECT_TRUE(wait_log(stack, "is not registered"));
  EXPECT_EQ(stack.counter("etcd_discovery_up"), 0U);
  EXPECT_EQ(stack.counter("shards_known"), 0U);
  etcd.start();
  ASSERT_TRUE(wait_log(stack, "1 session shards"));
  EXPECT_TRUE(wait_until([&] { return try_new_key(stack) != nullptr; }, kPatienceMs));
  EXPECT_TRUE(wait_until([&] { return stack.counter("etcd_registered") == 1; }, kPatienceMs));
  EXPECT_EQ(etcd.only_value(kGatewayKey), fmt::format("127.0.0.1:{}", stack.service_port()));
  EXPECT_EQ(etcd.only_value(kSessionKey), fmt::format("127.0.0.1:{}", stack.shard_port()));
  EXPECT_EQ(stack.counter("etcd_discovery_up"), 1U);
  EXPECT_EQ(stack.counter("shards_known"), 1U);
  // Whoever stops in order is gone from etcd when it has stopped, not when its lease runs out.
  stack.stop_gateway();
  EXPECT_EQ(etcd.keys(kGatewayKey), "");
  const std::string log = stack.gateway_log();
  EXPECT_LT(log.find("is withdrawn"), log.find("counters:", log.find("stopping")));
  stack.stop_shard();
  EXPECT_EQ(etcd.keys(kSessionKey), "");
}

TEST(EtcdCluster, EtcdMayGoAndComeBack) {
  EtcdServer etcd;
  etcd.start();
  Stack stack(clustered(etcd));
  ASSERT_TRUE(wait_log(stack, "1 session shards"));
  const auto clients = make_clients(stack, 2);
  ASSERT_EQ(clients.size(), 2U);
  etcd.kill();
  ASSERT_TRUE(wait_log(stack, "the last known 1 session shards stay in use"));
  ASSERT_TRUE(wait_log(stack, "is not registered"));
  // Longer than the leases.
  for (int i = 0; i < 30; ++i) {
    for (const auto& client : clients) ASSERT_TRUE(client->ping().ok()) << client->problem();
    sleep_ms(100);
  }
  EXPECT_NE(try_new_key(stack), nullptr);
  EXPECT_EQ(stack.counter("etcd_discovery_up"), 0U);
  EXPECT_EQ(stack.counter("etcd_registered"), 0U);
  EXPECT_EQ(stack.counter("shards_known"), 1U);
  EXPECT_EQ(count_of(stack.gateway_log(), "no host serves"), 2U) << "once each, not per attempt";
  etcd.start();
  ASSERT_TRUE(wait_log(stack, "is back", 2));
  EXPECT_TRUE(wait_until([&] { return stack.counter("etcd_registered") == 1; }, kPatienceMs));
  EXPECT_EQ(stack.counter("etcd_discovery_up"), 1U);
  EXPECT_EQ(etcd.only_value(kGatewayKey), fmt::format("127.0.0.1:{}", stack.service_port()));
  for (const auto& client : clients) EXPECT_TRUE(client->ping().ok()) << client->problem();
}

TEST(EtcdCluster, ShardsComeAndGoAndNothingIsLost) {
  EtcdServer etcd;
  etcd.start();
  Stack stack(clustered(etcd));
  ASSERT_TRUE(wait_log(stack, "1 session shards"));
  const auto clients = make_clients(stack, 12);
  ASSERT_EQ(clients.size(), 12U);
  const auto all_ping = [&clients] {
    for (const auto& client : clients) {
      EXPECT_TRUE(client->ping(kPongNs).ok()) << client->problem();
    }
  };

  SecondShard second(stack, etcd);
  ASSERT_TRUE(wait_log(stack, "2 session shards"));
  all_ping();
  const auto taken_by_second = [&] {
    return count_of(read_text(SecondShard::record_path(stack)), "data ");
  };
  EXPECT_TRUE(wait_until([&] { return taken_by_second() > 0; }, kPatienceMs));

  // One that leaves in order.
  stack.shard().signal(SIGTERM);
  all_ping();
  EXPECT_EQ(stack.shard().wait(kPatienceMs), 0);
  ASSERT_TRUE(wait_log(stack, "1 session shards", 2));
  all_ping();
  stack.start_shard({"--etcd", etcd.host(), "--etcd-ttl", "2"});
  ASSERT_TRUE(wait_log(stack, "2 session shards", 2));
  all_ping();

  // One that dies: what it had not acknowledged waits until its lease runs out, and then goes to
  // the other one.
  stack.shard().signal(SIGKILL);
  EXPECT_TRUE(stack.shard().wait(kPatienceMs).has_value());
  all_ping();
  EXPECT_TRUE(wait_log(stack, "1 session shards", 3));
  EXPECT_GE(stack.counter("messages_handed_over"), 1U);
  EXPECT_EQ(stack.counter("messages_lost"), 0U);
  EXPECT_EQ(stack.counter("messages_rejected"), 0U);
}

// A connection that speaks under a key which the gateway does not have: `count` pings.
std::vector<std::unique_ptr<BlockingClient>> speak(const Stack& stack, const SessionKey& key,
                                                   size_t count) {
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<BlockingClient>(transport("intermediate")));
    EXPECT_TRUE(clients.back()->connect(stack.address()).ok());
    clients.back()->use_key(key);
    EXPECT_TRUE(clients.back()->send(client::make_ping(1)).ok());
  }
  return clients;
}

void expect_still_waiting(std::vector<std::unique_ptr<BlockingClient>>& clients) {
  for (const auto& client : clients) {
    EXPECT_EQ(client->wait(kShortWaitNs).kind, Arrival::Kind::kTimeout) << client->problem();
  }
}

void expect_service(std::vector<std::unique_ptr<BlockingClient>>& clients) {
  for (const auto& client : clients) EXPECT_TRUE(client->ping(kPongNs).ok()) << client->problem();
}

// The gateway starts before etcd: who comes with a known key meanwhile waits for the first shard.
// With four workers the key lives elsewhere than most of its connections.
TEST(EtcdCluster, ClientsWithKeysWaitForTheFirstShard) {
  EtcdServer etcd;
  etcd.start();
  StackOptions options = clustered(etcd);
  options.workers = 4;
  Stack stack(std::move(options));
  // Without a shard a new key has no owner to be stored at, and its exchange ends.
  ASSERT_TRUE(wait_log(stack, "1 session shards"));
  const auto made = make_clients(stack, 1);
  ASSERT_EQ(made.size(), 1U);
  const SessionKey key = made[0]->session().key();
  stack.stop_gateway();
  etcd.kill();
  stack.start_gateway();
  auto clients = speak(stack, key, 6);
  expect_still_waiting(clients);
  EXPECT_EQ(stack.counter("shards_known"), 0U);
  etcd.start();
  expect_service(clients);
  EXPECT_EQ(stack.counter("closed_without_shard"), 0U);
}

TEST(EtcdCluster, ClientsWithKeysWaitForShardsThatAreDown) {
  Stack stack({.ringway_yaml = kGenerousLimits});
  const auto made = make_clients(stack, 1);
  ASSERT_EQ(made.size(), 1U);
  const SessionKey key = made[0]->session().key();
  stack.stop_gateway();
  stack.stop_shard();
  stack.start_gateway();
  ASSERT_TRUE(stack.wait_counter("shards_taken_out", 2, kPatienceMs)) << "by each worker";
  auto clients = speak(stack, key, 6);
  // Longer than a call to the shard and its wait for a connection.
  ASSERT_TRUE(stack.wait_counter("key_queries_failed", 1, kPatienceMs));
  expect_still_waiting(clients);
  stack.start_shard({});
  expect_service(clients);
}

// Nobody waits for ever, and who waits is not read from.
TEST(EtcdCluster, ClientsWithKeysAreClosedWhenNoShardComes) {
  EtcdServer etcd;
  StackOptions options = clustered(etcd);
  options.ringway_yaml = std::string(kGenerousLimits) +
                         "  Session: {NoShardTimeout: 1s}\n  Timeouts: {KeyLookup: 200ms, "
                         "Handshake: 200ms}\n";
  Stack stack(std::move(options));
  SessionKey key;
  key.key.data()[0] = 1;
  key.auth_key_id = 5;
  auto clients = speak(stack, key, 6);
  for (const auto& client : clients) {
    EXPECT_EQ(client->wait_end(kPongNs).kind, Arrival::Kind::kClosed) << client->problem();
    EXPECT_FALSE(client->last_transport_error()) << "no reason to throw the key away";
  }
  EXPECT_EQ(stack.counter("closed_without_shard"), 6U);
  EXPECT_EQ(stack.counter("timeout_key_lookup"), 0U);
  EXPECT_EQ(stack.counter("timeout_handshake"), 0U);
}

TEST(EtcdCluster, TakesTheOperatorsFileAsItIs) {
  EtcdServer etcd;
  etcd.start();
  TempDir directory;
  const std::string home = directory.file("etc");
  std::filesystem::create_directory(home);
  const auto key = crypto::RsaKey::generate();
  write_text(home + "/server_pkcs1.key", key->private_pem());
  const uint16_t port = free_port();
  const uint16_t service_port = free_port();

  // Only what this machine cannot give is changed: addresses, ports and the key.
  const char* path = std::getenv("RINGWAY_GNETWAY_YAML");
  ASSERT_NE(path, nullptr);
  std::string yaml = read_text(path);
  const auto replace = [&yaml](const std::string& from, const std::string& to) {
    ASSERT_NE(yaml.find(from), std::string::npos) << from;
    for (size_t at; (at = yaml.find(from)) != std::string::npos;) yaml.replace(at, from.size(), to);
  };
  replace("127.0.0.1:2379", etcd.host());
  replace("127.0.0.1:20110", fmt::format("127.0.0.1:{}", service_port));
  replace("0.0.0.0:10443", fmt::format("127.0.0.1:{}", port));
  replace("0.0.0.0:5222", fmt::format("127.0.0.1:{}", free_port()));
  replace("Port: 20111", fmt::format("Port: {}", free_port()));
  replace("12240908862933197005", fmt::format("{}", static_cast<uint64_t>(key->fingerprint())));
  write_text(home + "/gnetway.yaml", yaml);

  ChildProcess shard({std::getenv("RINGWAY_SHARD_BIN"), "--listen", "127.0.0.1:0", "--etcd",
                      etcd.host(), "--etcd-key", "interface.session"},
                     home, directory.file("shard.log"));
  ChildProcess gateway({std::getenv("RINGWAY_BIN"), "-f", "gnetway.yaml"}, home,
                       directory.file("gateway.log"));
  const auto works = [&] {
    BlockingClient client(transport("obfuscated-padded"));
    client::HandshakeOptions handshake;
    handshake.keys = {{key, key->fingerprint()}};
    return client.connect(fmt::format("127.0.0.1:{}", port)).ok() &&
           client.make_key(handshake).ok() && client.ping().ok();
  };
  EXPECT_TRUE(wait_until(works, kPatienceMs)) << read_text(directory.file("gateway.log"));
  EXPECT_TRUE(wait_until(
      [&] { return etcd.only_value(kGatewayKey) == fmt::format("127.0.0.1:{}", service_port); },
      kPatienceMs));
  gateway.signal(SIGTERM);
  EXPECT_EQ(gateway.wait(kPatienceMs), 0);
  EXPECT_EQ(etcd.keys(kGatewayKey), "");
}

}  // namespace
}  // namespace ringway::testing
