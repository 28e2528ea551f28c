#include <chrono>
#include <condition_variable>
#include <mutex>

#include "cluster/grpc_transport.h"
#include "cluster/link_harness.h"

namespace ringway::cluster {
namespace {

class TestWaker final : public Waker {
 public:
  void wake() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    condition_.notify_one();
  }
  void sleep() {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, std::chrono::milliseconds(5), [this] { return woken_; });
    woken_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
};

class GrpcHarness final : public LinkHarness {
 public:
  ShardTransport& transport() override { return *transport_; }
  Waker& waker() override { return waker_; }
  void begin_turn(Now) override {}
  void finish_turn(Now) override {}
  void sleep() override { waker_.sleep(); }

 private:
  TestWaker waker_;
  std::unique_ptr<ShardTransport> transport_ = make_grpc_transport();
};

}  // namespace

std::unique_ptr<LinkHarness> make_link_harness() { return std::make_unique<GrpcHarness>(); }

}  // namespace ringway::cluster
