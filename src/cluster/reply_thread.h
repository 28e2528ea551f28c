// cluster/reply_thread: carries answers to pushes from the workers to gRPC.
//
// Handing an answer to gRPC may serialise and send, which is too much for a worker's turn. A worker
// only appends here; one thread of the service's own takes what has come and finishes the calls.
// The queue is bounded by the pushes that are under way, each of which is answered once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ringway::cluster {

// What waits for an answer: a unary call, or a stream with its `slot`-th push.
class PushWaiter {
 public:
  virtual ~PushWaiter() = default;
  // On the reply thread.
  virtual void answer(uint64_t slot, bool delivered) = 0;
};

class ReplyThread {
 public:
  ReplyThread() : thread_([this] { run(); }) {}
  // Answers what is there, then ends.
  ~ReplyThread() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    ready_.notify_one();
    thread_.join();
  }

  // Any thread, cheap.
  void post(std::shared_ptr<PushWaiter> waiter, uint64_t slot, bool delivered) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = replies_.empty();
      replies_.push_back({std::move(waiter), slot, delivered});
    }
    if (first) ready_.notify_one();
  }

 private:
  struct Reply {
    std::shared_ptr<PushWaiter> waiter;
    uint64_t slot = 0;
    bool delivered = false;
  };

  void run() {
    std::vector<Reply> taken;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return stop_ || !replies_.empty(); });
        if (replies_.empty()) return;
        taken.swap(replies_);
      }
      for (const Reply& reply : taken) reply.waiter->answer(reply.slot, reply.delivered);
      taken.clear();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  bool stop_ = false;
  std::vector<Reply> replies_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace ringway::cluster
