// gateway/crypto_pool: the threads that do what takes milliseconds: RSA and modular exponentiation.
//
// Workers hand jobs in and get them back through their inbox; a job is owned by exactly one side at
// any time. The queue is bounded as a whole and per client address, so that one address cannot keep
// the others waiting. Threads run at a lower scheduling priority than workers.
#pragma once

#include <condition_variable>
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

namespace ringway::gateway {

struct CryptoTask {
  std::unique_ptr<mtproto::HandshakeJob> job;
  ConnectionRef connection;  // who waits for it
  uint64_t address_key = 0;  // the client's address, for its share of the queue
  int64_t arrived_ns = 0;    // when its message came, monotonic
};

enum class PoolAnswer : uint8_t { kQueued, kFull, kAddressFull };

class CryptoPool {
 public:
  // Hands a finished task back; called on a pool thread, must not block for long. False: try again.
  using Deliver = std::function<bool(CryptoTask&)>;

  CryptoPool(unsigned threads, size_t jobs_per_address_max, Deliver deliver);
  ~CryptoPool();
  CryptoPool(const CryptoPool&) = delete;
  CryptoPool& operator=(const CryptoPool&) = delete;

  // Any thread. The task is moved from only when the answer is kQueued.
  [[nodiscard]] PoolAnswer submit(CryptoTask& task);
  // Finishes the job in hand on each thread, drops the rest, joins.
  void stop();

 private:
  void run();
  bool take(CryptoTask& out);

  const size_t jobs_per_address_max_;
  const Deliver deliver_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<CryptoTask> queue_;
  std::unordered_map<uint64_t, size_t> queued_per_address_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ringway::gateway
