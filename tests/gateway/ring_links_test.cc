// The pipes of a worker's links over a real ring; the other end is a plain socket.
#include "gateway/ring_links.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "net/listener.h"
#include "net/uring_ring.h"

namespace ringway::gateway {
namespace {

class Events final : public cluster::LinkPipeEvents {
 public:
  void on_opened() override {
    ++opened;
    if (at_opened) at_opened();
  }
  void on_bytes(ByteSpan bytes) override {
    received += as_text(bytes);
    if (at_bytes) at_bytes();
  }
  void on_drained() override { ++drained; }
  void on_closed(std::string_view why) override {
    EXPECT_TRUE(closed.empty());
    closed = why;
    if (at_closed) at_closed();
  }

  std::function<void()> at_opened;
  std::function<void()> at_bytes;
  std::function<void()> at_closed;
  int opened = 0;
  int drained = 0;
  std::string received;
  std::string closed;
};

class RingLinksTest : public ::testing::Test {
 protected:
  RingLinksTest() {
    auto created = net::UringRing::create({.entries = 64, .buffers = 16, .buffer_bytes = 4096});
    EXPECT_NE(created.ring, nullptr) << created.error;
    ring_ = std::move(created.ring);
    EXPECT_EQ(ring_->start(), "");
    links_ = std::make_unique<RingLinks>(*ring_, resolver_, counters_, read_clocks());
    auto listener = net::open_listener(*net::parse_socket_address("127.0.0.1:0"), {});
    EXPECT_TRUE(listener.fd.valid()) << listener.error;
    listener_ = std::move(listener.fd);
    port_ = listener.address.port();
  }
  ~RingLinksTest() override {
    pipe_ = nullptr;
    ring_->stop();
    links_ = nullptr;
  }

  void turn() {
    std::array<net::Completion, 16> completions;
    const size_t count = ring_->turn(completions, 5 * kNsPerMs);
    links_->begin_turn({completions.data(), count}, read_clocks());
    links_->flush();
    links_->expire(read_clocks());
  }
  template <typename Done>
  [[nodiscard]] bool run_until(Done&& done) {
    const int64_t end_ns = read_clocks().mono_ns + 20 * kNsPerSecond;
    while (!done() && read_clocks().mono_ns < end_ns) turn();
    return done();
  }
  void connect(const std::string& address) { pipe_ = links_->connect(address, events_); }
  void open() {
    connect("127.0.0.1:" + std::to_string(port_));
    EXPECT_EQ(events_.opened, 0) << "no event from inside a call";
    EXPECT_EQ(pipe_->room(), 0U);
    ASSERT_TRUE(run_until([this] { return events_.opened == 1; }));
    accept();
  }
  void accept() {
    pollfd wait{listener_.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 20'000), 1);
    peer_ = net::OwnedFd(::accept(listener_.get(), nullptr, nullptr));
    ASSERT_TRUE(peer_.valid());
  }
  void write(std::string_view text) {
    const ByteSpan space = pipe_->reserve(text.size());
    ASSERT_EQ(space.size(), text.size());
    std::copy(text.begin(), text.end(), space.begin());
    pipe_->commit();
  }

  CounterBlock counters_;
  NameResolver resolver_;
  std::unique_ptr<net::UringRing> ring_;
  std::unique_ptr<RingLinks> links_;
  net::OwnedFd listener_;
  net::OwnedFd peer_;
  uint16_t port_ = 0;
  Events events_;
  std::unique_ptr<cluster::LinkPipe> pipe_;
};

TEST_F(RingLinksTest, CarriesBytesBothWays) {
  open();
  EXPECT_EQ(pipe_->room(), kLinkQueueBytesMax);
  write("up");
  EXPECT_EQ(pipe_->room(), kLinkQueueBytesMax - 2);
  ASSERT_TRUE(
      run_until([this] { return events_.drained > 0 && pipe_->room() == kLinkQueueBytesMax; }));
  std::array<char, 8> read{};
  ASSERT_EQ(::read(peer_.get(), read.data(), read.size()), 2);
  ASSERT_EQ(::write(peer_.get(), "down", 4), 4);
  ASSERT_TRUE(run_until([this] { return events_.received == "down"; }));
  EXPECT_TRUE(events_.closed.empty());
  peer_.reset();
  ASSERT_TRUE(run_until([this] { return !events_.closed.empty(); }));
  EXPECT_EQ(pipe_->room(), 0U);
}

TEST_F(RingLinksTest, APeerThatDoesNotReadLeavesNoRoom) {
  open();
  const std::string piece(64 * 1024, 'x');
  size_t written = 0;
  const int64_t end_ns = read_clocks().mono_ns + 20 * kNsPerSecond;
  // The sockets' own buffers take some megabytes.
  while (read_clocks().mono_ns < end_ns && written < (size_t{64} << 20)) {
    if (pipe_->room() >= piece.size()) {
      write(piece);
      written += piece.size();
      continue;
    }
    const size_t before = pipe_->room();
    for (int i = 0; i < 20; ++i) turn();
    if (pipe_->room() == before) break;
  }
  EXPECT_LT(pipe_->room(), piece.size());
  EXPECT_TRUE(pipe_->reserve(kLinkQueueBytesMax).empty());
}

TEST_F(RingLinksTest, BytesMayGatherInTheSocket) {
  open();
  for (int i = 0; i < 5; ++i) turn();  // until the receive waits in the kernel
  pipe_->set_receive_low(8);
  ASSERT_EQ(::write(peer_.get(), "four", 4), 4);
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_EQ(events_.received, "");
  ASSERT_EQ(::write(peer_.get(), "more", 4), 4);
  ASSERT_TRUE(run_until([this] { return events_.received == "fourmore"; }));
  ASSERT_EQ(::write(peer_.get(), "rest", 4), 4);
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_EQ(events_.received, "fourmore");
  // What is there comes when nobody wants to wait any more,
  pipe_->set_receive_low(0);
  ASSERT_TRUE(run_until([this] { return events_.received == "fourmorerest"; }));
  // and the end of the stream does not wait for more bytes.
  pipe_->set_receive_low(8);
  ASSERT_EQ(::write(peer_.get(), "end", 3), 3);
  peer_.reset();
  ASSERT_TRUE(run_until([this] { return !events_.closed.empty(); }));
  EXPECT_EQ(events_.received, "fourmorerestend");
}

TEST_F(RingLinksTest, LooksNamesUp) {
  // No address that we take for one, but one that the resolver knows without asking anybody.
  connect("127.1:" + std::to_string(port_));
  ASSERT_TRUE(run_until([this] { return events_.opened == 1; })) << events_.closed;
}

TEST_F(RingLinksTest, ConnectsToUnixSockets) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("ringway-link-" + std::to_string(::getpid()) + ".sock");
  net::OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  connect("unix:" + path.string());
  EXPECT_TRUE(run_until([this] { return events_.opened == 1; })) << events_.closed;
  std::filesystem::remove(path);
}

TEST_F(RingLinksTest, SaysThatNobodyListens) {
  listener_.reset();
  connect("127.0.0.1:" + std::to_string(port_));
  ASSERT_TRUE(run_until([this] { return !events_.closed.empty(); }));
  EXPECT_EQ(events_.closed, "the shard cannot be reached");
  EXPECT_EQ(events_.opened, 0);
  EXPECT_EQ(counters_.read(Counter::kConnectErrors), 1U);
}

TEST_F(RingLinksTest, SaysThatAnAddressIsNone) {
  connect("unix:");
  EXPECT_TRUE(events_.closed.empty()) << "no event from inside a call";
  EXPECT_EQ(links_->next_wake_ns(), 0);
  turn();
  EXPECT_EQ(events_.closed, "unix: is no address");
}

TEST_F(RingLinksTest, APipeMayGoInsideItsEvents) {
  for (std::function<void()> Events::*place : {&Events::at_opened, &Events::at_bytes}) {
    Events events;
    std::unique_ptr<cluster::LinkPipe> pipe;
    bool gone = false;
    events.*place = [&] {
      pipe = nullptr;
      gone = true;
    };
    pipe = links_->connect("127.0.0.1:" + std::to_string(port_), events);
    ASSERT_TRUE(run_until([&] { return events.opened == 1; }));
    accept();
    ASSERT_EQ(::write(peer_.get(), "x", 1), 1);
    ASSERT_TRUE(run_until([&] { return gone; }));
    for (int i = 0; i < 5; ++i) turn();
    EXPECT_TRUE(events.closed.empty());
  }
  Events events;
  auto pipe = links_->connect("unix:", events);
  events.at_closed = [&] { pipe = nullptr; };
  ASSERT_TRUE(run_until([&] { return pipe == nullptr; }));
}

TEST_F(RingLinksTest, PipesMayGoWhileTheyConnect) {
  for (const std::string address : {"127.0.0.1:", "127.1:"}) {
    connect(address + std::to_string(port_));
    pipe_ = nullptr;
    connect(address + std::to_string(port_));
    turn();
    pipe_ = nullptr;
    for (int i = 0; i < 5; ++i) turn();
  }
  EXPECT_TRUE(events_.closed.empty());
}

}  // namespace
}  // namespace ringway::gateway
