// One thread that accepts for all workers: fair, patient, and gone when it is told to.
#include "gateway/acceptor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/listener.h"

namespace ringway::gateway {
namespace {

class AcceptorTest : public ::testing::Test {
 protected:
  // A socket to be accepted from; its address is the listener's.
  SharedSocket listen(uint16_t listener) {
    auto opened = net::open_listener(*net::parse_socket_address("127.0.0.1:0"), {});
    EXPECT_TRUE(opened.fd.valid()) << opened.error;
    addresses_.push_back(opened.address);
    return {std::move(opened.fd), listener};
  }
  net::OwnedFd connect(size_t number) {
    net::ConnectResult begun = net::start_connect(addresses_[number]);
    EXPECT_TRUE(begun.fd.valid()) << begun.error;
    return std::move(begun.fd);
  }
  void start(uint32_t workers, std::vector<SharedSocket> sockets) {
    dealt_.resize(workers);
    acceptor_ = std::make_unique<Acceptor>(std::move(sockets), workers,
                                           [this](uint32_t worker, AcceptedSocket& socket) {
                                             const std::lock_guard lock(mutex_);
                                             if (full_) {
                                               ++refused_;
                                               return false;
                                             }
                                             dealt_[worker].push_back(std::move(socket));
                                             return true;
                                           });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    size_t total = 0;
    for (const auto& each : dealt_) total += each.size();
    return total;
  }
  template <typename Condition>
  static bool wait_for(Condition condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i) sleep_ns(kNsPerMs);
    return condition();
  }

  std::vector<net::SocketAddress> addresses_;
  std::mutex mutex_;
  bool full_ = false;
  size_t refused_ = 0;
  std::vector<std::vector<AcceptedSocket>> dealt_;
  std::unique_ptr<Acceptor> acceptor_;
};

TEST_F(AcceptorTest, DealsInTurn) {
  std::vector<SharedSocket> sockets;
  sockets.push_back(listen(7));
  sockets.push_back(listen(9));
  start(3, std::move(sockets));
  std::vector<net::OwnedFd> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(connect(i % 2));
  ASSERT_TRUE(wait_for([&] { return count() == 30; }));
  EXPECT_EQ(acceptor_->counters().read(Counter::kConnectionsDealt), 30U);
  size_t sevens = 0;
  for (const auto& each : dealt_) {
    EXPECT_EQ(each.size(), 10U);
    for (const AcceptedSocket& socket : each) {
      EXPECT_TRUE(socket.fd.valid());
      EXPECT_EQ(socket.peer.ip_text().view(), "127.0.0.1");
      sevens += socket.listener == 7 ? 1 : 0;
    }
  }
  EXPECT_EQ(sevens, 15U);
}

TEST_F(AcceptorTest, WaitsWhileNobodyHasRoom) {
  full_ = true;
  std::vector<SharedSocket> sockets;
  sockets.push_back(listen(0));
  start(2, std::move(sockets));
  const net::OwnedFd client = connect(0);
  ASSERT_TRUE(wait_for([&] {
    const std::lock_guard lock(mutex_);
    return refused_ >= 4;
  }));
  EXPECT_EQ(count(), 0U);
  {
    const std::lock_guard lock(mutex_);
    full_ = false;
  }
  EXPECT_TRUE(wait_for([&] { return count() == 1; }));
}

TEST_F(AcceptorTest, EndsWhileNobodyHasRoom) {
  full_ = true;
  std::vector<SharedSocket> sockets;
  sockets.push_back(listen(0));
  start(2, std::move(sockets));
  const net::OwnedFd client = connect(0);
  ASSERT_TRUE(wait_for([&] {
    const std::lock_guard lock(mutex_);
    return refused_ >= 2;
  }));
  acceptor_->stop();
  EXPECT_EQ(count(), 0U);
  // Nobody listens any more.
  net::OwnedFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(::connect(late.get(), addresses_[0].get(), addresses_[0].length), 0);
  acceptor_->stop();
}

}  // namespace
}  // namespace ringway::gateway
