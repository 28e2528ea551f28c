// A waker to sleep on, for tests that stand in a worker's place without a ring.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/waker.h"

namespace ringway::cluster {

class SleepingWaker final : public Waker {
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

}  // namespace ringway::cluster
