// Relays to a mask over a simulated network: both ways, whatever the ring does to reads and writes;
// masks that refuse, are silent or slow; the bounds.
#include "gateway/mask_relay.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "support/sim_ring.h"

namespace ringway::gateway {
namespace {

using ringway::testing::ClientId;
using ringway::testing::SimFaults;
using ringway::testing::SimNetwork;
using ringway::testing::SimRandom;
using ringway::testing::SimRing;
using ringway::testing::SimRingOptions;

constexpr int64_t kIdleNs = 10 * kNsPerSecond;

class MaskRelayTest : public ::testing::Test {
 protected:
  void open(uint64_t seed = 1, SimRingOptions ring = {}, uint32_t relays_max = 4) {
    network_ = std::make_unique<SimNetwork>(seed);
    ring_ = std::make_unique<SimRing>(*network_, ring);
    listeners_.resize(1);
    listeners_[0].mask = config::Endpoint{"192.0.2.9", 443};
    make_relay(relays_max, kIdleNs);
  }
  void make_relay(uint32_t relays_max, int64_t idle_ns, NameResolver* resolver = nullptr,
                  std::vector<net::SocketAddress> own = {}) {
    const MaskRelayOptions options{relays_max, &open_,       &of_address_,
                                   idle_ns,    kNsPerSecond, std::move(own)};
    relay_ = std::make_unique<MaskRelay>(
        options, listeners_, *ring_, resolver, counters_, now(),
        [this](std::unique_ptr<Client> client) { over_.push_back(std::move(client)); });
  }
  ~MaskRelayTest() override {
    if (ring_ == nullptr) return;
    EXPECT_TRUE(network_->violations().empty());
    ring_->stop();
    relay_.reset();
  }

  // Who is to be relayed, having sent `first`; of another address each time, or of `address`.
  ClientId start(std::string_view first, uint32_t address = 0) {
    ClientId client = 0;
    net::DetachedSocket socket;
    socket.fd = net::OwnedFd(network_->connect_directly(client));
    const ByteView bytes = as_bytes(first);
    auto who = std::make_unique<Client>(&transport_);
    store_le(who->peer.ip.data(), address != 0 ? address : ++addresses_);
    if (!relay_->take_place(who->peer)) {
      ring_->close_now(socket.fd.release());
      return client;
    }
    relay_->start(std::move(who), std::move(socket), Bytes(bytes.begin(), bytes.end()));
    return client;
  }
  [[nodiscard]] Now now() const { return {network_->now_ns(), network_->now_ns()}; }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      std::array<net::Completion, 64> completions;
      const size_t reaped = ring_->turn(completions, 0);
      relay_->begin_turn(std::span(completions).first(reaped), now());
      relay_->flush();
      relay_->expire(now());
    }
  }
  void pass(int64_t ns) {
    for (const int64_t end_ns = network_->now_ns() + ns; network_->now_ns() < end_ns;) {
      network_->advance(50 * kNsPerMs);
      turns(1);
    }
  }
  std::string read(ClientId client) { return std::string(as_text(network_->read(client))); }
  uint64_t count(Counter counter) const { return counters_.read(counter); }

  CounterBlock counters_;
  std::unique_ptr<SimNetwork> network_;
  std::unique_ptr<SimRing> ring_;
  std::vector<config::Listener> listeners_;
  mtproto::TransportConfig transport_;
  std::atomic<uint32_t> open_{0};
  AddressBudget of_address_{0, 0, 0};
  uint32_t addresses_ = 1000;
  std::vector<std::unique_ptr<Client>> over_;
  std::unique_ptr<MaskRelay> relay_;
};

TEST_F(MaskRelayTest, CarriesBytesAndEnds) {
  open();
  const ClientId client = start("hello");
  turns(6);
  ASSERT_EQ(network_->connected().size(), 1U);
  const ClientId mask = network_->connected()[0];
  EXPECT_EQ(read(mask), "hello");
  network_->write(mask, as_bytes("welcome"));
  turns(6);
  EXPECT_EQ(read(client), "welcome");
  network_->write(client, as_bytes("last"));
  network_->finish(client);
  turns(8);
  EXPECT_EQ(read(mask), "last");
  EXPECT_TRUE(network_->saw_end(mask));
  EXPECT_FALSE(network_->saw_end(client));
  network_->write(mask, as_bytes("goodbye"));
  network_->finish(mask);
  turns(12);
  EXPECT_EQ(read(client), "goodbye");
  EXPECT_TRUE(network_->saw_end(client));
  EXPECT_EQ(over_.size(), 1U);
  EXPECT_EQ(open_.load(), 0U);
  EXPECT_EQ(count(Counter::kMaskSocketsOpened), 2U);
  EXPECT_EQ(count(Counter::kMaskSocketsClosed), 2U);
  EXPECT_EQ(count(Counter::kConnects), 0U) << "those are the shards'";
  EXPECT_EQ(count(Counter::kConnectionsMovedIn), 0U) << "and those are clients'";
  EXPECT_EQ(network_->open_descriptors(), 0U);
}

TEST_F(MaskRelayTest, AResetOfOneSideEndsTheOther) {
  for (const bool by_mask : {false, true}) {
    open();
    const ClientId client = start("hello");
    turns(6);
    const ClientId mask = network_->connected().at(0);
    (void)read(mask);
    network_->write(by_mask ? mask : client, as_bytes("a last word"));
    turns(6);
    network_->write(by_mask ? client : mask, as_bytes("unheard"));
    network_->reset(by_mask ? mask : client);
    turns(20);
    EXPECT_EQ(network_->open_descriptors(), 0U);
    EXPECT_EQ(open_.load(), 0U);
    EXPECT_EQ(over_.size(), by_mask ? 2U : 1U);
    EXPECT_TRUE(network_->saw_reset(by_mask ? client : mask)) << "and not an orderly end";
    EXPECT_EQ(read(by_mask ? client : mask), "a last word") << "what was sent before it";
    ring_->stop();
    relay_.reset();
    ring_.reset();
  }
}

TEST_F(MaskRelayTest, AMaskThatCannotBeReachedMeansNoAnswer) {
  open();
  network_->set_reach(SimNetwork::Reach::kRefused);
  const ClientId client = start("hello");
  turns(10);
  EXPECT_EQ(count(Counter::kMaskRelaysFailed), 1U);
  EXPECT_EQ(count(Counter::kMaskConnectErrors), 1U);
  EXPECT_EQ(read(client), "");
  EXPECT_TRUE(network_->saw_end(client));
  // It has not heard that nobody listens, and what it says on is no reason to reset it.
  network_->write(client, as_bytes("is anybody there?"));
  turns(10);
  EXPECT_TRUE(over_.empty());
  network_->finish(client);
  turns(10);
  EXPECT_FALSE(network_->saw_reset(client));
  EXPECT_EQ(over_.size(), 1U);
  EXPECT_EQ(open_.load(), 0U);
  network_->set_reach(SimNetwork::Reach::kSilent);
  (void)start("hello");
  turns(3);
  EXPECT_EQ(over_.size(), 1U);
  pass(kMaskConnectTimeoutNs + kLingerNs + kNsPerSecond);
  EXPECT_EQ(count(Counter::kMaskRelaysFailed), 2U);
  EXPECT_EQ(count(Counter::kMaskConnectErrors), 2U);
  EXPECT_EQ(over_.size(), 2U);
  // Two clients and two attempts.
  EXPECT_EQ(count(Counter::kMaskSocketsOpened), 4U);
  EXPECT_EQ(count(Counter::kMaskSocketsClosed), 4U);
  EXPECT_EQ(count(Counter::kConnectErrors), 0U) << "those are the shards'";
}

TEST_F(MaskRelayTest, ThereAreOnlySoMany) {
  open(1, {}, 2);
  std::vector<ClientId> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(start("hello"));
  turns(6);
  EXPECT_EQ(count(Counter::kMaskRelays), 2U);
  EXPECT_EQ(count(Counter::kMaskRelaysRefused), 3U);
  EXPECT_TRUE(over_.empty());
  EXPECT_EQ(open_.load(), 2U);
  network_->reset(clients[0]);
  turns(20);
  for (const ClientId mask : network_->connected()) network_->finish(mask);
  turns(20);
  EXPECT_LT(open_.load(), 2U);
  (void)start("again");
  EXPECT_EQ(count(Counter::kMaskRelays), 3U);
}

// One prober leaves room for others.
TEST_F(MaskRelayTest, OneAddressHasItsShareAlone) {
  open(1, {}, 2 * kMaskAddressShare);
  std::vector<ClientId> clients;
  clients.reserve(5);
  for (int i = 0; i < 5; ++i) clients.push_back(start("hello", 1));
  (void)start("hello", 2);
  turns(6);
  EXPECT_EQ(count(Counter::kMaskRelays), 3U);
  EXPECT_EQ(count(Counter::kMaskRelaysRefused), 3U);
  EXPECT_EQ(open_.load(), 3U);
  network_->reset(clients[0]);
  turns(20);
  for (const ClientId mask : network_->connected()) network_->finish(mask);
  turns(20);
  (void)start("again", 1);
  EXPECT_EQ(count(Counter::kMaskRelays), 4U) << "its place is free again";
}

TEST_F(MaskRelayTest, SilenceHasAnEndWhateverIsConfigured) {
  open();
  make_relay(4, config::kNoTimeoutNs);
  (void)start("hello");
  turns(6);
  pass(kMaskIdleMaxNs + kNsPerSecond);
  EXPECT_EQ(count(Counter::kMaskRelaysTimedOut), 1U);
  EXPECT_EQ(over_.size(), 1U);
}

TEST_F(MaskRelayTest, TheGatewayIsNoMaskOfItsOwn) {
  open();
  listeners_[0].mask = config::Endpoint{"127.0.0.1", 443};
  for (const std::string_view own : {"0.0.0.0:443", "*:443", "127.0.0.1:443"}) {
    make_relay(4, kIdleNs, nullptr, {*net::parse_socket_address(own)});
    network_->finish(start("hello"));
    turns(10);
    EXPECT_TRUE(network_->connected().empty()) << own;
  }
  EXPECT_EQ(count(Counter::kMaskRelaysFailed), 3U);
  make_relay(4, kIdleNs, nullptr, {*net::parse_socket_address("*:444")});
  (void)start("hello");
  turns(6);
  EXPECT_EQ(network_->connected().size(), 1U) << "another port is another server";
}

// --- names

// Answers as told, and not before.
class Names {
 public:
  [[nodiscard]] AskForName asker() {
    return [this](const std::string&, uint16_t, std::vector<net::SocketAddress>& found) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !answers_.empty(); });
      const bool known = answers_.front();
      answers_.pop_front();
      if (!known) return std::string("nobody knows it");
      found.push_back(*net::parse_socket_address("192.0.2.9:443"));
      return std::string();
    };
  }
  void answer(bool known) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(known);
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<bool> answers_;
};

class MaskNameTest : public MaskRelayTest {
 protected:
  MaskNameTest() {
    open();
    listeners_[0].mask = config::Endpoint{"example.com", 443};
    make_relay(4, kIdleNs, &resolver_);
  }
  ~MaskNameTest() override {
    relay_->drain();
    names_.answer(false);  // the thread may still wait for one
  }
  // The answer comes from another thread.
  template <typename Condition>
  void turn_until(Condition&& condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i) {
      sleep_ns(kNsPerMs);
      turns(1);
    }
    EXPECT_TRUE(condition());
  }

  uint64_t failed() const { return count(Counter::kMaskRelaysFailed); }

  Names names_;
  NameResolver resolver_{names_.asker()};
};

TEST_F(MaskNameTest, IsAskedForAgainSoonAfterAFailure) {
  (void)start("hello");
  turns(3);
  EXPECT_EQ(failed(), 0U) << "it waits for the name";
  names_.answer(false);
  turn_until([&] { return failed() == 1; });
  (void)start("hello");
  EXPECT_EQ(failed(), 2U) << "too soon";
  pass(kMaskLookupRetryNs);
  (void)start("hello");
  EXPECT_EQ(failed(), 2U) << "it is asked for again";
  names_.answer(false);
  turn_until([&] { return failed() == 3; });
  pass(kMaskLookupRetryNs);
  (void)start("hello");
  EXPECT_EQ(failed(), 4U) << "the pause doubles";
  pass(kMaskLookupRetryNs);
  (void)start("hello");
  names_.answer(true);
  turn_until([&] { return network_->connected().size() == 1; });
  EXPECT_EQ(failed(), 4U);
}

TEST_F(MaskNameTest, IsNotWaitedForForever) {
  const int64_t began_ns = network_->now_ns();
  (void)start("hello");
  turns(3);
  pass(kMaskNameWaitNs / 2);
  (void)start("later");
  EXPECT_LE(relay_->next_wake_ns(), began_ns + kMaskNameWaitNs);
  pass(kMaskNameWaitNs / 2);
  EXPECT_EQ(failed(), 1U);
  names_.answer(true);
  turn_until([&] { return network_->connected().size() == 1; });
  EXPECT_EQ(failed(), 1U) << "who came later is relayed";
}

TEST_F(MaskRelayTest, SilenceHasAnEnd) {
  open();
  const ClientId client = start("hello");
  turns(6);
  pass(kIdleNs / 2);
  network_->write(client, as_bytes("still here"));
  pass(kIdleNs / 2 + kNsPerSecond);
  EXPECT_EQ(count(Counter::kMaskRelaysTimedOut), 0U);
  EXPECT_TRUE(over_.empty());
  pass(kIdleNs);
  EXPECT_EQ(count(Counter::kMaskRelaysTimedOut), 1U);
  EXPECT_EQ(over_.size(), 1U);
  EXPECT_EQ(network_->open_descriptors(), 0U);
}

TEST_F(MaskRelayTest, WhatIsNotTakenStopsTheOtherSide) {
  SimRingOptions ring;
  ring.buffer_bytes = 4096;
  open(1, ring);
  const ClientId client = start("hello");
  turns(6);
  const ClientId mask = network_->connected().at(0);
  const std::string much(1 << 20, 'x');
  network_->write(client, as_bytes(much));
  turns(200);
  // What the mask's socket took, what is queued, and what one turn may bring.
  const uint64_t taken = count(Counter::kMaskBytesReceived);
  EXPECT_LT(taken, 512U * 1024);
  std::string arrived = read(mask).substr(5);
  for (int i = 0; i < 2000 && arrived.size() < much.size(); ++i) {
    turns(2);
    arrived += read(mask);
  }
  EXPECT_TRUE(arrived == much);
}

TEST_F(MaskRelayTest, TheEndOfTheGatewayEndsThem) {
  open();
  const ClientId client = start("hello");
  turns(6);
  network_->set_reach(SimNetwork::Reach::kSilent);
  (void)start("on its way");
  relay_->drain();
  (void)start("too late");
  turns(10);
  network_->finish(client);
  for (const ClientId mask : network_->connected()) network_->finish(mask);
  turns(10);
  pass(3 * kNsPerSecond);
  EXPECT_EQ(over_.size(), 3U);
  EXPECT_EQ(open_.load(), 0U);
  // That of the client that no table has had, which the simulation does not see closed.
  EXPECT_EQ(network_->open_descriptors(), 1U);
}

// Whatever the ring does, each side gets what the other has sent, in order and up to its end.
TEST_F(MaskRelayTest, NothingIsLostWhateverTheRingDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SimRandom random(seed);
    SimRingOptions ring;
    ring.buffers = static_cast<unsigned>(random.between(4, 16));
    ring.buffer_bytes = random.between(64, 576);
    ring.faults = SimFaults::any(random);
    ring.faults.accept_error = 0;  // without a descriptor a mask cannot be reached
    open(seed, ring);
    network_->set_send_buffer_bytes(random.between(50, 2000));
    std::string up(random.between(1, 30'000), ' ');
    std::string down(random.between(1, 30'000), ' ');
    for (char& letter : up) letter = static_cast<char>(random.next());
    for (char& letter : down) letter = static_cast<char>(random.next());
    const size_t first = random.between(0, up.size());
    const ClientId client = start(std::string_view(up).substr(0, first));
    network_->write(client, as_bytes(std::string_view(up).substr(first)));
    network_->finish(client);
    std::string got_up;
    std::string got_down;
    bool answered = false;
    for (int i = 0; i < 50'000 && over_.empty(); ++i) {
      network_->advance(kNsPerMs / 10);
      turns(1);
      if (network_->connected().empty()) continue;
      const ClientId mask = network_->connected()[0];
      got_up += read(mask);
      got_down += read(client);
      if (answered || got_up.size() < first) continue;
      answered = true;
      network_->write(mask, as_bytes(down));
      network_->finish(mask);
    }
    ASSERT_EQ(over_.size(), 1U);
    turns(50);
    ASSERT_EQ(network_->connected().size(), 1U);
    got_up += read(network_->connected().at(0));
    got_down += read(client);
    EXPECT_TRUE(got_up == up);
    EXPECT_TRUE(got_down == down);
    EXPECT_TRUE(network_->violations().empty());
    ring_->stop();
    relay_.reset();
    ring_.reset();
    over_.clear();
  }
}

}  // namespace
}  // namespace ringway::gateway
