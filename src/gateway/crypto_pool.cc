#include "gateway/crypto_pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

namespace ringway::gateway {
namespace {

constexpr int kPromptNice = 5;
constexpr int kNiceWhereNoIdle = 19;
// What the prompt thread may take: a twentieth of a core, and so much of it at once.
constexpr int64_t kPromptShare = 20;
constexpr int64_t kPromptBurstNs = 20 * kNsPerMs;
constexpr size_t kPromptJobsMax = 4;  // queued or under way there
constexpr int64_t kRetryNs = kNsPerMs;

// Linux keeps both per thread. Failing is harmless: the pool then merely competes.
void yield_to_workers() {
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_IDLE, &none) == 0) return;
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceWhereNoIdle);
}

void pause_ns(int64_t ns) noexcept {
  const timespec pause{ns / kNsPerSecond, ns % kNsPerSecond};
  nanosleep(&pause, nullptr);
}

}  // namespace

CryptoPool::Lane::Lane() { RW_ASSERT(sem_init(&work_, 0, 0) == 0); }

CryptoPool::Lane::~Lane() {
  for (const Entry* entry = handed_in_.load(); entry != nullptr;) {
    const std::unique_ptr<const Entry> done(entry);
    entry = done->next;
  }
  sem_destroy(&work_);
}

void CryptoPool::Lane::put(std::unique_ptr<Entry> entry) noexcept {
  Entry* const added = entry.release();
  added->next = handed_in_.load(std::memory_order_relaxed);
  while (!handed_in_.compare_exchange_weak(added->next, added, std::memory_order_release,
                                           std::memory_order_relaxed)) {
  }
  sem_post(&work_);
}

std::unique_ptr<CryptoPool::Entry> CryptoPool::Lane::take() {
  while (sem_wait(&work_) != 0) {  // a signal came between
  }
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    for (Entry* latest = handed_in_.exchange(nullptr, std::memory_order_acquire);
         latest != nullptr;) {
      Entry* const before = latest->next;
      queue_.emplace_front(latest);
      latest = before;
    }
  }
  if (queue_.empty()) return nullptr;
  std::unique_ptr<Entry> entry = std::move(queue_.front());
  queue_.pop_front();
  return entry;
}

CryptoPool::CryptoPool(unsigned threads, size_t jobs_per_address_max, Deliver deliver)
    : jobs_per_address_max_(jobs_per_address_max), deliver_(std::move(deliver)) {
  threads_.reserve(threads + 1);
  threads_.emplace_back([this] { run_promptly(); });
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run_idle(); });
  }
}

CryptoPool::~CryptoPool() { stop(); }

// Under the workers' lock.
CryptoPool::Queued* CryptoPool::queued_of(uint64_t address_key) {
  if (queued_per_address_.size() >= kCryptoPoolAddressesMax) {
    // Only those that count a job are of use, and there are at most kCryptoPoolJobsMax of them.
    std::erase_if(queued_per_address_, [](const auto& entry) {
      return entry.second.load(std::memory_order_acquire) == 0;
    });
  }
  return &queued_per_address_[address_key];
}

// Under the workers' lock.
CryptoPool::Lane& CryptoPool::pick_lane() noexcept {
  const bool prompt = prompt_open_.load(std::memory_order_relaxed) &&
                      prompt_jobs_.load(std::memory_order_relaxed) < kPromptJobsMax;
  return prompt ? prompt_ : idle_;
}

PoolAnswer CryptoPool::submit(CryptoTask& task) {
  const std::lock_guard lock(workers_mutex_);
  if (stopping_.load(std::memory_order_relaxed)) return PoolAnswer::kFull;
  if (queued_.load(std::memory_order_relaxed) >= kCryptoPoolJobsMax) return PoolAnswer::kFull;
  Queued* const queued = queued_of(task.address_key);
  if (queued->load(std::memory_order_relaxed) >= jobs_per_address_max_) {
    return PoolAnswer::kAddressFull;
  }
  queued->fetch_add(1, std::memory_order_relaxed);
  queued_.fetch_add(1, std::memory_order_relaxed);
  Lane& lane = pick_lane();
  auto entry = std::make_unique<Entry>();
  entry->task = std::move(task);
  entry->of_address = queued;
  entry->prompt = &lane == &prompt_;
  if (entry->prompt) prompt_jobs_.fetch_add(1, std::memory_order_relaxed);
  lane.put(std::move(entry));
  return PoolAnswer::kQueued;
}

bool CryptoPool::run_one(Lane& lane) {
  const std::unique_ptr<Entry> entry = lane.take();
  if (entry == nullptr || stopping_.load(std::memory_order_relaxed)) return false;
  queued_.fetch_sub(1, std::memory_order_relaxed);
  // From here on the count may be gone.
  entry->of_address->fetch_sub(1, std::memory_order_release);
  if (entry->task.tls != nullptr) {
    entry->task.tls_ok = entry->task.tls->handshake_step().ok();
  } else {
    entry->task.job->run();
  }
  if (entry->prompt) prompt_jobs_.fetch_sub(1, std::memory_order_relaxed);
  while (!deliver_(entry->task)) {
    // The worker's inbox is full. This thread may wait; a worker never does.
    pause_ns(kRetryNs);
    if (stopping_.load(std::memory_order_relaxed)) return false;
  }
  return true;
}

void CryptoPool::run_idle() {
  pthread_setname_np(pthread_self(), "rw-crypto");
  yield_to_workers();
  while (run_one(idle_)) {
  }
}

void CryptoPool::run_promptly() {
  pthread_setname_np(pthread_self(), "rw-crypto-now");
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kPromptNice);
  // When it would have had all of its share back, had it spent nothing since; the future means
  // debt.
  int64_t paid_ns = 0;
  for (int64_t before_ns = read_clock_ns(CLOCK_THREAD_CPUTIME_ID); run_one(prompt_);) {
    const int64_t after_ns = read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    const int64_t now_ns = read_clock_ns(CLOCK_MONOTONIC);
    paid_ns = std::max(paid_ns, now_ns) + (after_ns - before_ns) * kPromptShare;
    before_ns = after_ns;
    const int64_t debt_ns = paid_ns - now_ns - kPromptBurstNs * kPromptShare;
    if (debt_ns <= 0) continue;
    prompt_open_.store(false, std::memory_order_relaxed);
    pause_ns(debt_ns);
    prompt_open_.store(true, std::memory_order_relaxed);
  }
}

void CryptoPool::stop() {
  {
    // Nothing is handed in after this.
    const std::lock_guard lock(workers_mutex_);
    if (stopping_.exchange(true)) return;
  }
  prompt_.end();
  for (size_t i = 1; i < threads_.size(); ++i) idle_.end();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace ringway::gateway
