#include "gateway/name_resolver.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ringway::gateway {
namespace {

class TestWaker final : public Waker {
 public:
  void wake() noexcept override {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    condition_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return wakes_ > 0; });
    --wakes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  int wakes_ = 0;
};

TEST(NameResolver, FindsAddressesAndWakes) {
  TestWaker waker;
  NameResolver resolver;
  const auto lookup = resolver.look_up("localhost", 443, waker);
  waker.wait();
  std::vector<net::SocketAddress> addresses;
  std::string error;
  ASSERT_TRUE(lookup->take(addresses, error));
  EXPECT_EQ(error, "");
  ASSERT_FALSE(addresses.empty());
  for (const net::SocketAddress& address : addresses) {
    const std::string text = address.to_string();
    EXPECT_TRUE(text == "127.0.0.1:443" || text == "[::1]:443") << text;
  }
}

TEST(NameResolver, SaysWhyAndGoesOn) {
  TestWaker waker;
  NameResolver resolver;
  const auto bad = resolver.look_up(std::string(300, 'x'), 1, waker);
  const auto good = resolver.look_up("localhost", 1, waker);
  waker.wait();
  waker.wait();
  std::vector<net::SocketAddress> addresses;
  std::string error;
  ASSERT_TRUE(bad->take(addresses, error));
  EXPECT_TRUE(addresses.empty());
  EXPECT_NE(error, "");
  ASSERT_TRUE(good->take(addresses, error));
  EXPECT_EQ(error, "");
  EXPECT_FALSE(addresses.empty());
}

TEST(NameResolver, AnAnswerThatNobodyWantsWakesNobody) {
  auto waker = std::make_unique<TestWaker>();
  NameResolver resolver;
  for (int i = 0; i < 50; ++i) resolver.look_up("localhost", 1, *waker)->forget();
  waker = nullptr;
}

}  // namespace
}  // namespace ringway::gateway
