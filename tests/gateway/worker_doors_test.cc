// One worker whose connections come through doors, in virtual time on a kind network: limits,
// deadlines and the end.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/doors_testing.h"
#include "gateway/sim_client.h"
#include "gateway/worker.h"

namespace ringway::gateway {
namespace {

using client::ProxyVersion;
using config::Protocol;
using ringway::testing::ClientId;
using ringway::testing::SimNetwork;
using ringway::testing::SimRandom;
using ringway::testing::SimRing;
using ringway::testing::SimRingOptions;
using testing::make_stack;
using testing::SimClient;
using testing::Stack;
using testing::operator+;

constexpr const char* kShard = "10.1.1.1:20120";
constexpr int64_t kUnixBaseNs = testing::kUnixSeconds * kNsPerSecond;

class WorkerDoors : public ::testing::Test {
 protected:
  WorkerDoors()
      : network_(1), shards_(cluster::MemoryTransport::Mode::kStepped, 1), budget_(0, 0, 0) {
    shared_.workers = 1;
    shared_.budget = &budget_;
    shared_.submit_crypto = [this](CryptoTask& task) {
      pool_.push_back(std::move(task));
      return PoolAnswer::kQueued;
    };
    shared_.post = [this](uint32_t, WorkerMessage& message) {
      return worker_->post(std::move(message));
    };
    for (const testing::TestKey& key : testing::test_keys()) {
      shards_.shard(kShard).put_key(testing::record_of(key, key.id));
    }
  }

  void start(const std::vector<Stack>& stacks) {
    ASSERT_EQ(log_setup({.level = LogLevel::kError}), "");
    shared_.config.listeners.clear();
    for (const Stack& stack : stacks) shared_.config.listeners.push_back(stack.listener);
    shared_.doors = make_doors(shared_.config, &replays_);
    for (const auto& doors : shared_.doors) {
      if (doors->listener.tls) doors->set_tls_context(testing::server_tls());
    }
    WorkerOptions options;
    options.table.connections_max = 64;
    options.dispatcher.server_id = "10.0.0.1:20110";
    worker_ = std::make_unique<Worker>(
        options, std::make_unique<SimRing>(network_, SimRingOptions{}), shared_, shards_);
    std::vector<net::OwnedFd> listeners;
    for (size_t i = 0; i < stacks.size(); ++i) {
      listeners_.push_back(network_.listen());
      listeners.emplace_back(listeners_.back());
    }
    ASSERT_EQ(worker_->start(now(), std::move(listeners), {kShard}), "");
  }

  void TearDown() override {
    ASSERT_TRUE(worker_->post(Drain{}));
    for (int i = 0; i < 2000 && !worker_->drained(); ++i) turn();
    EXPECT_TRUE(worker_->drained());
    EXPECT_EQ(worker_->flow().input_bytes(), 0U);
    worker_.reset();
    EXPECT_EQ(network_.open_descriptors(), 0U);
    for (const std::string& violation : network_.violations()) ADD_FAILURE() << violation;
  }

  Now now() const { return {network_.now_ns(), kUnixBaseNs + network_.now_ns()}; }
  void turn() {
    worker_->turn(20 * kNsPerMs, [this] { return now(); });
    worker_->settle_posts();
    shards_.settle();
    while (!pool_is_slow_ && !pool_.empty()) {
      CryptoTask task = std::move(pool_.back());
      pool_.pop_back();
      task.tls_ok = task.tls->handshake_step().ok();
      ASSERT_TRUE(worker_->post(std::move(task)));
    }
  }
  void settle() {
    for (int i = 0; i < 10; ++i) turn();
  }
  void run_until(int64_t mono_ns) {
    while (network_.now_ns() < mono_ns) {
      const int64_t before_ns = network_.now_ns();
      turn();
      if (network_.now_ns() == before_ns) network_.advance(kNsPerMs);
    }
  }

  // One that speaks under permanent keys, which the shard knows.
  std::unique_ptr<SimClient> connect_client(const Stack& stack) {
    for (;;) {
      auto client = std::make_unique<SimClient>(
          random_, 0, connect(0), *mtproto::client_transport_by_name("obfuscated-intermediate"),
          stack.client, now().unix_seconds());
      if (!client->speaks_unbound()) return client;
    }
  }
  // All that it has to say, and `behind` after it, in one write.
  void say(SimClient& client, const Bytes& behind = {}) {
    while (!client.outgoing_.empty() && client.doors_->is_open()) client.pass_doors(random_);
    client.wire_.insert(client.wire_.end(), behind.begin(), behind.end());
    network_.write(client.id_, std::exchange(client.wire_, Bytes()));
    settle();
  }
  // Opens the doors, and makes the keys known to the gateway.
  void introduce(SimClient& client) {
    for (int i = 0; i < 3; ++i) {
      say(client);
      client.read_all(network_);
    }
    ASSERT_TRUE(client.doors_->is_open());
    for (int i = 0; i < 20; ++i) client.add_message(random_);
    say(client);
    client.read_all(network_);
    ASSERT_EQ(client.acked_, client.acks_wanted_);
  }
  size_t delivered() {
    size_t messages = 0;
    for (const auto& message : shards_.shard(kShard).received()) messages += message.close ? 0 : 1;
    return messages;
  }

  ClientId connect(size_t listener) { return network_.connect(listeners_[listener]); }
  // A client that comes by a proxy, which says that it is at this address.
  ClientId connect_proxied(size_t listener, const std::string& address) {
    const ClientId id = connect(listener);
    network_.write(id, as_bytes("PROXY TCP4 " + address + " 10.9.9.9 50000 443\r\n"));
    settle();
    return id;
  }
  bool shut(ClientId id) const { return network_.saw_end(id) || network_.server_closed(id); }
  uint64_t count(Counter counter) const { return worker_->counters().read(counter); }

  SimRandom random_{1};
  SimNetwork network_;
  cluster::MemoryTransport shards_;
  AddressBudget budget_;
  tls::ReplayCache replays_;
  SharedContext shared_;
  std::vector<CryptoTask> pool_;
  bool pool_is_slow_ = false;
  std::unique_ptr<Worker> worker_;
  std::vector<int> listeners_;
};

// The address that counts is the one that the header names; who is refused by the listener's limit
// was never part of its address's count, and takes nobody else's place there when it goes.
TEST_F(WorkerDoors, LimitsCountEachConnectionOnce) {
  shared_.config.limits.connections_per_address = 1;
  Stack limited = make_stack("limited");
  limited.listener.max_connections = 1;
  start({with_proxy(make_stack("PROXY"), ProxyVersion::kV1), limited});
  const ClientId only = connect(1);
  const ClientId first = connect_proxied(0, "10.0.0.2");
  const ClientId refused = connect(1);
  ASSERT_EQ(network_.address(refused).ip_text().view(), "10.0.0.2");
  settle();
  EXPECT_FALSE(shut(only) || shut(first));
  EXPECT_TRUE(shut(refused));
  EXPECT_EQ(count(Counter::kConnectionsRefusedListener), 1U);
  network_.finish(refused);
  settle();

  const ClientId second = connect_proxied(0, "10.0.0.2");
  EXPECT_TRUE(shut(second)) << "that address has its connection";
  EXPECT_EQ(count(Counter::kConnectionsRefusedAddress), 1U);
  const ClientId elsewhere = connect_proxied(0, "10.0.0.77");
  EXPECT_FALSE(shut(elsewhere));

  network_.finish(first);
  network_.finish(only);
  settle();
  EXPECT_FALSE(shut(connect_proxied(0, "10.0.0.2"))) << "its place is free again";
  const ClientId next = connect(1);
  settle();
  EXPECT_FALSE(shut(next)) << "the listener's too";
  EXPECT_EQ(count(Counter::kConnectionsRefusedListener), 1U);
}

// Who begins to open a door and does not go on is closed in time, whichever door it is, and what it
// holds until then is counted.
TEST_F(WorkerDoors, ADoorHalfOpenIsClosedInTime) {
  const std::vector<Stack> stacks = testing::all_stacks();
  start(stacks);
  std::vector<ClientId> clients;
  for (size_t i = 0; i < stacks.size(); ++i) {
    client::ClientDoors doors(stacks[i].client);
    Bytes opening;
    ASSERT_TRUE(doors.start(now().unix_seconds(), opening).ok());
    if (opening.empty()) opening.push_back('G');
    clients.push_back(connect(i));
    network_.write(clients.back(), ByteView(opening).first((opening.size() + 1) / 2));
  }
  const int64_t begun_ns = network_.now_ns();
  settle();
  EXPECT_GT(worker_->flow().input_bytes(), 0U);
  run_until(begun_ns + shared_.config.timeouts.detection_ns - kNsPerSecond);
  for (size_t i = 0; i < stacks.size(); ++i) EXPECT_FALSE(shut(clients[i])) << stacks[i].name;
  run_until(begun_ns + shared_.config.timeouts.detection_ns + kNsPerSecond);
  for (size_t i = 0; i < stacks.size(); ++i) {
    // A request that has begun is told; nothing else has anything to be told in.
    const Bytes last = network_.read(clients[i]);
    const bool request = stacks[i].client.websocket && !stacks[i].client.tls;
    EXPECT_EQ(as_text(last).starts_with("HTTP/1.1 408 Request Timeout\r\n"), request);
    EXPECT_TRUE(shut(clients[i])) << stacks[i].name;
  }
  EXPECT_EQ(count(Counter::kTimeoutFirstByte), stacks.size());
}

// A client that ends while a step of its handshake is away is gone when the step comes back.
TEST_F(WorkerDoors, AStepThatComesBackToNobodyIsDropped) {
  const Stack stack = with_tls(make_stack("TLS"));
  start({stack});
  pool_is_slow_ = true;
  std::vector<ClientId> clients;
  for (int i = 0; i < 3; ++i) {
    client::ClientDoors doors(stack.client);
    Bytes opening;
    ASSERT_TRUE(doors.start(now().unix_seconds(), opening).ok());
    clients.push_back(connect(0));
    network_.write(clients.back(), opening);
    settle();
  }
  ASSERT_EQ(pool_.size(), 3U);
  network_.reset(clients[0]);
  network_.finish(clients[1]);
  settle();
  pool_is_slow_ = false;
  settle();
  settle();
  EXPECT_TRUE(network_.read(clients[0]).empty());
  EXPECT_TRUE(network_.read(clients[1]).empty());
  EXPECT_FALSE(network_.read(clients[2]).empty()) << "the flight of the one that has stayed";
}

// What a client has sent before its goodbye is taken over, its quick acks go out, and then the
// close frame is echoed, although all of it came in one read.
TEST_F(WorkerDoors, AnswersGoOutBeforeTheEchoOfAClose) {
  const Stack stack = with_websocket(make_stack("websocket", Protocol::kWebsocket));
  start({stack});
  const std::unique_ptr<SimClient> client = connect_client(stack);
  introduce(*client);
  const size_t acked_before = client->acked_.size();
  for (int i = 0; i < 5; ++i) client->add_message(random_);
  say(*client, {0x88, 0x80, 0, 0, 0, 0});
  client->read_all(network_);
  EXPECT_GT(client->acked_.size(), acked_before);
  EXPECT_EQ(client->acked_, client->acks_wanted_);
  EXPECT_EQ(client->doors_->problem(), "WebSocket: closed by the server with 1000");
  EXPECT_EQ(delivered(), client->sent_);
}

// A record that TLS refuses leaves nothing to seal quick acks with. What came before it is taken
// over all the same, and the client is told why the connection ends.
TEST_F(WorkerDoors, TheAlertOfABrokenRecordReachesTheClient) {
  const Stack stack = with_tls(make_stack("TLS"));
  start({stack});
  const std::unique_ptr<SimClient> client = connect_client(stack);
  introduce(*client);
  for (int i = 0; i < 5; ++i) client->add_message(random_);
  say(*client, Bytes{0x17, 0x03, 0x03, 0x00, 0x20} + Bytes(0x20, 0xaa));
  EXPECT_EQ(delivered(), client->sent_);
  EXPECT_EQ(count(Counter::kTlsErrors), 1U);
  Bytes answer = network_.read(client->id_);
  Bytes stream;
  Bytes out;
  const Result<void> result = client->doors_->receive(answer, stream, out);
  ASSERT_FALSE(result.ok()) << "the connection was cut";
  EXPECT_TRUE(client->doors_->problem().find("alert bad record mac") != std::string::npos)
      << client->doors_->problem();
  EXPECT_TRUE(shut(client->id_));
}

// The relays have a bound of their own. Who is one too many is not reset for what it still says, as
// nobody else is who is refused, and the counters know it as one of the clients that have gone.
TEST_F(WorkerDoors, OneRelayTooManyIsClosedInOrder) {
  AddressBudget relays(0, 0, 0);
  shared_.relays_of_address = &relays;
  shared_.config.limits.mask_connections = 1;
  Stack masked = with_fake_tls(make_stack("masked"));
  masked.listener.mask = config::Endpoint{"192.0.2.9", 443};
  start({masked});
  const std::string strange = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
  const ClientId first = connect(0);
  network_.write(first, as_bytes(strange));
  settle();
  ASSERT_EQ(network_.connected().size(), 1U);
  const ClientId second = connect(0);
  network_.write(second, as_bytes(strange));
  settle();
  EXPECT_EQ(count(Counter::kMaskRelays), 1U);
  EXPECT_EQ(count(Counter::kMaskRelaysRefused), 1U);
  EXPECT_TRUE(network_.saw_end(second));
  network_.write(second, as_bytes("and another thing"));
  settle();
  network_.finish(second);
  settle();
  EXPECT_TRUE(network_.server_closed(second));
  EXPECT_FALSE(network_.saw_reset(second));
  // The place is free for others once the relay is over.
  const ClientId mask = network_.connected()[0];
  EXPECT_EQ(as_text(network_.read(mask)), strange);
  network_.reset(first);
  settle();
  EXPECT_TRUE(network_.saw_reset(mask));
  EXPECT_EQ(shared_.relays_open.load(), 0U);
  const ClientId third = connect(0);
  network_.write(third, as_bytes(strange));
  settle();
  EXPECT_EQ(count(Counter::kMaskRelays), 2U);
  network_.reset(third);
  settle();
  EXPECT_EQ(count(Counter::kConnectionsAccepted), 3U);
  EXPECT_EQ(count(Counter::kConnectionsClosed), 3U);
  EXPECT_EQ(count(Counter::kConnectionsMovedOut), 0U);
  EXPECT_EQ(count(Counter::kMaskSocketsOpened), 4U);
  EXPECT_EQ(count(Counter::kMaskSocketsClosed), 4U);
}

// Who goes while its connection is on its way to the mask gives its place back.
TEST_F(WorkerDoors, AClientThatIsGoneBeforeItsRelayTakesNoPlace) {
  AddressBudget relays(0, 0, 0);
  shared_.relays_of_address = &relays;
  shared_.config.limits.mask_connections = 1;
  Stack masked = with_fake_tls(make_stack("masked"));
  masked.listener.mask = config::Endpoint{"192.0.2.9", 443};
  start({masked});
  for (int i = 0; i < 3; ++i) {
    const ClientId client = connect(0);
    network_.write(client, as_bytes("GET / HTTP/1.1\r\n\r\n"));
    turn();
    network_.reset(client);
    settle();
  }
  EXPECT_EQ(shared_.relays_open.load(), 0U);
  EXPECT_EQ(count(Counter::kMaskRelaysRefused), 0U);
}

// Peers of a unix socket have no address: no limit of addresses holds for them, all of them may say
// who they speak for, and from then on they are who that is.
TEST_F(WorkerDoors, PeersOfAUnixSocketAreStrangersToEachOther) {
  shared_.config.limits.connections_per_address = 1;
  Stack stack =
      with_proxy(with_websocket(make_stack("unix", Protocol::kWebsocket)), ProxyVersion::kV1);
  stack.listener.proxy_protocol.from.clear();
  start({stack});
  const auto come = [&] {
    ClientId id = 0;
    AcceptedSocket accepted;
    accepted.fd = net::OwnedFd(network_.connect_directly(id));
    accepted.peer.by_unix_socket = true;
    shared_.posts_in_flight.fetch_add(1);
    EXPECT_TRUE(worker_->post(std::move(accepted)));
    settle();
    return id;
  };
  const ClientId first = come();
  const ClientId second = come();
  EXPECT_FALSE(shut(first) || shut(second)) << "they share no address";
  network_.write(first, as_bytes("PROXY TCP4 192.0.2.7 10.9.9.9 50000 443\r\n"));
  settle();
  network_.write(second, as_bytes("PROXY TCP4 192.0.2.7 10.9.9.9 50000 443\r\n"));
  settle();
  EXPECT_FALSE(shut(first));
  EXPECT_TRUE(shut(second)) << "now they do";
  EXPECT_EQ(count(Counter::kConnectionsRefusedAddress), 1U);
  EXPECT_EQ(count(Counter::kConnectionsAccepted), 2U);
  network_.finish(second);
  network_.finish(first);
  settle();
  EXPECT_EQ(shared_.posts_in_flight.load(), 0);
}

}  // namespace
}  // namespace ringway::gateway
