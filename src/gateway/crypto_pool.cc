#include "gateway/crypto_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "base/limits.h"

namespace ringway::gateway {
namespace {

constexpr int kPoolNice = 5;
constexpr long kRetryNs = 1'000'000;

}  // namespace

CryptoPool::CryptoPool(unsigned threads, size_t jobs_per_address_max, Deliver deliver)
    : jobs_per_address_max_(jobs_per_address_max), deliver_(std::move(deliver)) {
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
  }
}

CryptoPool::~CryptoPool() { stop(); }

PoolAnswer CryptoPool::submit(CryptoTask& task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= kCryptoPoolJobsMax) return PoolAnswer::kFull;
    size_t& queued = queued_per_address_[task.address_key];
    if (queued >= jobs_per_address_max_) return PoolAnswer::kAddressFull;
    ++queued;
    queue_.push_back(std::move(task));
  }
  work_.notify_one();
  return PoolAnswer::kQueued;
}

bool CryptoPool::take(CryptoTask& out) {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (stopping_) return false;
  out = std::move(queue_.front());
  queue_.pop_front();
  const auto queued = queued_per_address_.find(out.address_key);
  if (--queued->second == 0) queued_per_address_.erase(queued);
  return true;
}

void CryptoPool::run() {
  pthread_setname_np(pthread_self(), "rw-crypto");
  // Linux keeps niceness per thread. Failing is harmless: the pool then merely competes.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kPoolNice);
  CryptoTask task;
  while (take(task)) {
    task.job->run();
    while (!deliver_(task)) {
      // The worker's inbox is full. This thread may wait; a worker never does.
      const timespec pause{0, kRetryNs};
      nanosleep(&pause, nullptr);
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    task = CryptoTask{};
  }
}

void CryptoPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
    queued_per_address_.clear();
  }
  work_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace ringway::gateway
