// Connections that the table makes itself, over a simulated network and over the real one.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/connection_table.h"
#include "net/listener.h"
#include "net/uring_ring.h"
#include "support/sim_ring.h"

namespace ringway::net {
namespace {

using testing::ClientId;
using testing::SimFaults;
using testing::SimNetwork;
using testing::SimRing;

const SocketAddress kSomewhere = *parse_socket_address("192.0.2.1:443");

class Events final : public ConnectionHandler {
 public:
  void on_accept(ConnectionHandle handle, uint16_t) override { accepted.push_back(handle); }
  void on_connected(ConnectionHandle handle) override { connected.push_back(handle); }
  void on_bytes(ConnectionHandle handle, ByteSpan bytes) override {
    received[handle.slot] += as_text(bytes);
  }
  void on_send_drained(ConnectionHandle) override { ++drained; }
  void on_timer(ConnectionHandle, TimerKind) override {}
  void on_closed(ConnectionHandle handle, CloseReason reason) override {
    closed.push_back({handle, reason});
  }
  void on_detached(ConnectionHandle, DetachedSocket&&) override {}

  std::vector<ConnectionHandle> accepted;
  std::vector<ConnectionHandle> connected;
  std::vector<std::pair<ConnectionHandle, CloseReason>> closed;
  std::map<uint32_t, std::string> received;
  int drained = 0;
};

ConnectionTableOptions link_options() {
  ConnectionTableOptions options;
  options.user = RingUser::kLinks;
  options.output_high_bytes = 0;
  options.connect_ns = kNsPerSecond;
  return options;
}

class ConnectTest : public ::testing::Test {
 protected:
  ~ConnectTest() override {
    ring_.stop();
    EXPECT_TRUE(network_.violations().empty());
  }
  [[nodiscard]] Now now() const { return {network_.now_ns(), network_.now_ns()}; }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      std::array<Completion, 64> completions;
      const size_t size = ring_.turn(completions, 0);
      table_.process(std::span(completions).first(size), now());
      table_.release_received();
      table_.flush_sends();
      table_.expire(now());
    }
  }

  SimNetwork network_{7};
  SimRing ring_{network_, {}};
  CounterBlock counters_;
  Events events_;
  ConnectionTable table_{link_options(), ring_, events_, counters_, now()};
};

TEST_F(ConnectTest, OpensAndCarriesBytes) {
  const ConnectionHandle handle = table_.connect(kSomewhere);
  ASSERT_TRUE(handle.valid());
  EXPECT_FALSE(table_.is_open(handle));
  EXPECT_TRUE(table_.reserve(handle, 5).empty()) << "not before it is open";
  turns(1);
  ASSERT_EQ(events_.connected.size(), 1U);
  EXPECT_TRUE(events_.accepted.empty());
  EXPECT_EQ(table_.peer(handle).to_string(), "192.0.2.1:443");
  EXPECT_TRUE(table_.write(handle, as_bytes("hello")));
  turns(2);
  const ClientId peer = network_.connected().at(0);
  EXPECT_EQ(as_text(network_.read(peer)), "hello");
  EXPECT_EQ(events_.drained, 1) << "little is left: told each time";
  network_.write(peer, as_bytes("there"));
  turns(1);
  EXPECT_EQ(events_.received[handle.slot], "there");
  table_.close(handle, CloseMode::kNow);
  turns(3);
  ASSERT_EQ(events_.closed.size(), 1U);
  EXPECT_EQ(events_.closed[0].second, CloseReason::kLocal);
  EXPECT_EQ(network_.open_descriptors(), 0U);
  EXPECT_EQ(counters_.read(Counter::kConnects), 1U);
  EXPECT_EQ(counters_.read(Counter::kLinksClosed), 1U);
  EXPECT_EQ(counters_.read(Counter::kLinkBytesReceived), 5U);
  EXPECT_EQ(counters_.read(Counter::kBytesReceived), 0U) << "those are the clients'";
}

TEST_F(ConnectTest, ARefusalEndsIt) {
  network_.set_reach(SimNetwork::Reach::kRefused);
  ASSERT_TRUE(table_.connect(kSomewhere).valid());
  turns(3);
  EXPECT_TRUE(events_.connected.empty());
  ASSERT_EQ(events_.closed.size(), 1U);
  EXPECT_EQ(events_.closed[0].second, CloseReason::kNotReached);
  EXPECT_EQ(counters_.read(Counter::kConnectErrors), 1U);
  EXPECT_EQ(network_.open_descriptors(), 0U);
}

TEST_F(ConnectTest, SilenceEndsItInTime) {
  network_.set_reach(SimNetwork::Reach::kSilent);
  ASSERT_TRUE(table_.connect(kSomewhere).valid());
  turns(3);
  network_.advance(kNsPerSecond / 2);
  turns(3);
  EXPECT_TRUE(events_.closed.empty());
  EXPECT_LE(table_.next_wake_ns(), now().mono_ns + kNsPerSecond);
  network_.advance(kNsPerSecond);
  turns(10);
  ASSERT_EQ(events_.closed.size(), 1U);
  EXPECT_EQ(events_.closed[0].second, CloseReason::kNotReached);
  EXPECT_EQ(network_.open_descriptors(), 0U);
}

TEST_F(ConnectTest, MayBeGivenUpBefore) {
  network_.set_reach(SimNetwork::Reach::kSilent);
  const ConnectionHandle handle = table_.connect(kSomewhere);
  table_.close(handle, CloseMode::kFlush);
  turns(10);
  ASSERT_EQ(events_.closed.size(), 1U);
  EXPECT_EQ(events_.closed[0].second, CloseReason::kLocal);
  EXPECT_EQ(network_.open_descriptors(), 0U);
}

TEST_F(ConnectTest, AFullTableMakesNone) {
  ConnectionTableOptions options = link_options();
  options.connections_max = 1;
  ConnectionTable small(options, ring_, events_, counters_, now());
  EXPECT_TRUE(small.connect(kSomewhere).valid());
  EXPECT_FALSE(small.connect(kSomewhere).valid());
  EXPECT_EQ(counters_.read(Counter::kConnectErrors), 1U);
  ring_.stop();
}

// Whatever the network does, each connection ends once and leaves nothing behind.
TEST(ConnectSim, EveryConnectionEndsOnce) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SimNetwork network(seed);
    auto& random = network.random();
    SimRing ring(network, {.faults = SimFaults::any(random)});
    CounterBlock counters;
    Events events;
    const auto now = [&] { return Now{network.now_ns(), network.now_ns()}; };
    ConnectionTable table(link_options(), ring, events, counters, now());
    std::vector<ConnectionHandle> made;
    for (int i = 0; i < 400 && (i < 100 || table.size() > 0); ++i) {
      if (i < 100) {
        network.set_reach(static_cast<SimNetwork::Reach>(random.between(0, 2)));
        if (random.chance(30)) {
          const ConnectionHandle handle = table.connect(kSomewhere);
          if (handle.valid()) made.push_back(handle);
        }
        if (!made.empty() && random.chance(20)) {
          const ConnectionHandle any = made[random.between(0, made.size() - 1)];
          if (random.chance(50)) (void)table.write(any, Bytes(random.between(1, 3000)));
          if (random.chance(30)) table.close(any, CloseMode::kFlush);
        }
        if (!network.connected().empty() && random.chance(10))
          network.reset(network.connected()[0]);
      } else {
        table.close_all(CloseMode::kNow);
        network.advance(kNsPerSecond);
      }
      std::array<Completion, 16> completions;
      const size_t size = ring.turn(completions, 0);
      table.process(std::span(completions).first(size), now());
      table.release_received();
      table.flush_sends();
      table.expire(now());
    }
    ASSERT_EQ(table.size(), 0U) << seed;
    ASSERT_EQ(events.closed.size(), made.size()) << seed;
    ASSERT_EQ(network.open_descriptors(), 0U) << seed;
    ASSERT_TRUE(network.violations().empty()) << seed;
    ring.stop();
  }
}

// Clients and links on one ring: a table that listens and one that connects to it.
TEST(ConnectUring, TwoTablesShareARing) {
  auto created = UringRing::create({.entries = 64, .buffers = 16, .buffer_bytes = 512});
  ASSERT_NE(created.ring, nullptr) << created.error;
  UringRing& ring = *created.ring;
  ASSERT_EQ(ring.start(), "");
  auto listener = open_listener(*parse_socket_address("127.0.0.1:0"), {});
  ASSERT_TRUE(listener.fd.valid()) << listener.error;
  auto closed_port = open_listener(*parse_socket_address("127.0.0.1:0"), {});
  const SocketAddress nobody = closed_port.address;
  closed_port.fd.reset();
  CounterBlock counters;
  Events at_server;
  Events at_link;
  {
    ConnectionTable server({}, ring, at_server, counters, read_clocks());
    ConnectionTable links(link_options(), ring, at_link, counters, read_clocks());
    server.add_listener(std::move(listener.fd));
    const auto run_until = [&](auto&& done) {
      const int64_t end_ns = read_clocks().mono_ns + 10 * kNsPerSecond;
      while (!done() && read_clocks().mono_ns < end_ns) {
        std::array<Completion, 16> completions;
        const size_t size = ring.turn(completions, 5 * kNsPerMs);
        for (ConnectionTable* table : {&server, &links}) {
          table->process(std::span(completions).first(size), read_clocks());
          table->release_received();
          table->flush_sends();
          table->expire(read_clocks());
        }
      }
      return done();
    };
    const ConnectionHandle good = links.connect(listener.address);
    const ConnectionHandle bad = links.connect(nobody);
    ASSERT_TRUE(run_until([&] {
      return at_link.connected.size() == 1 && at_link.closed.size() == 1 &&
             at_server.accepted.size() == 1;
    }));
    EXPECT_EQ(at_link.connected[0], good);
    EXPECT_EQ(at_link.closed[0].first, bad);
    EXPECT_EQ(at_link.closed[0].second, CloseReason::kNotReached);
    const ConnectionHandle accepted = at_server.accepted[0];
    EXPECT_TRUE(links.write(good, as_bytes("up")));
    EXPECT_TRUE(server.write(accepted, as_bytes("down")));
    ASSERT_TRUE(run_until([&] {
      return at_server.received[accepted.slot] == "up" && at_link.received[good.slot] == "down";
    }));
    links.close(good, CloseMode::kNow);
    ASSERT_TRUE(run_until([&] { return at_server.closed.size() == 1; }));
    // One that is under way when everything ends.
    (void)links.connect(*parse_socket_address("192.0.2.1:9"));
    ring.stop();
  }
}

}  // namespace
}  // namespace ringway::net
