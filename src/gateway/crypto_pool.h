// gateway/crypto_pool: the threads that do what takes milliseconds: RSA and modular exponentiation,
// for key exchanges and for TLS.
//
// Workers hand jobs in and get them back through their inbox; a job is owned by exactly one side at
// any time. The queue is bounded as a whole and per client address, so that one address cannot keep
// the others waiting.
//
// All but one of the threads run at the kernel's idle priority: a worker that wakes takes its core
// from them at once, so that a flood of key exchanges delays nobody's messages. They get the time
// that the cores have left, which on a machine that is busy with other things may be next to none.
// So one thread, the prompt one, competes with everybody, for a small share of one core: single
// exchanges are done at once wherever they are made, and only what goes beyond that share waits
// for idle time.
//
// Because an idle thread may be halted for long at any point, a worker never waits for a lock that
// one holds: the workers' lock is the workers' alone, the idle threads' is theirs, and lists with
// one atomic head lead from the workers to the threads. The prompt thread has a list of its own.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gateway/home.h"
#include "mtproto/handshake_job.h"
#include "tls/tls_stream.h"

namespace ringway::gateway {

// One of the two.
struct CryptoTask {
  std::unique_ptr<mtproto::HandshakeJob> job;
  std::unique_ptr<tls::TlsStream> tls;  // a step of its handshake
  bool tls_ok = false;                  // what that step returned
  ConnectionRef connection;             // who waits for it
  uint64_t exchange = 0;                // of HTTP, by the job's nonce: its number; 0: connection's
  uint64_t address_key = 0;             // the client's address, for its share of the queue
  int64_t arrived_ns = 0;               // when its message came, monotonic
};

enum class PoolAnswer : uint8_t { kQueued, kFull, kAddressFull };

class CryptoPool {
 public:
  // Hands a finished task back; called on a pool thread, must not block for long. False: try again.
  using Deliver = std::function<bool(CryptoTask&)>;

  // `threads` at idle priority, and the prompt one.
  CryptoPool(unsigned threads, size_t jobs_per_address_max, Deliver deliver);
  ~CryptoPool();
  CryptoPool(const CryptoPool&) = delete;
  CryptoPool& operator=(const CryptoPool&) = delete;

  // Any thread of normal priority. The task is moved from only when the answer is kQueued.
  [[nodiscard]] PoolAnswer submit(CryptoTask& task);
  // Finishes the job in hand on each thread, drops the rest, joins. Later submits find it full.
  void stop();

 private:
  // How many jobs of one address are queued. Lives at least as long as one is.
  using Queued = std::atomic<size_t>;

  struct Entry {
    CryptoTask task;
    Queued* of_address = nullptr;
    bool prompt = false;
    Entry* next = nullptr;
  };

  // Jobs on their way to the threads of one priority.
  class Lane {
   public:
    Lane();
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    // Any thread; waits for nobody.
    void put(std::unique_ptr<Entry> entry) noexcept;
    // A thread of the lane: waits for a job; null once end() has been called for it.
    [[nodiscard]] std::unique_ptr<Entry> take();
    // Any thread: one thread of the lane ends once it has nothing left to do.
    void end() noexcept { sem_post(&work_); }

   private:
    sem_t work_;                              // jobs, and one for each thread that is to end
    std::atomic<Entry*> handed_in_{nullptr};  // the latest first
    std::mutex mutex_;
    std::deque<std::unique_ptr<Entry>> queue_;  // guarded by mutex_
  };

  void run_idle();
  void run_promptly();
  // False when the thread is to end.
  bool run_one(Lane& lane);
  [[nodiscard]] Queued* queued_of(uint64_t address_key);
  [[nodiscard]] Lane& pick_lane() noexcept;

  const size_t jobs_per_address_max_;
  const Deliver deliver_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> queued_{0};
  std::atomic<size_t> prompt_jobs_{0};   // queued or under way there
  std::atomic<bool> prompt_open_{true};  // it has some of its share left

  std::mutex workers_mutex_;
  std::unordered_map<uint64_t, Queued> queued_per_address_;  // guarded by workers_mutex_

  Lane idle_;
  Lane prompt_;
  std::vector<std::thread> threads_;
};

}  // namespace ringway::gateway
