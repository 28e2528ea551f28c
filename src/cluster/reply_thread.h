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

// Shared by the service and every push that is under way; the pushes may outlive the service.
class ReplyQueue {
 public:
  // Any thread, cheap. After close() nobody waits for the answer any more.
  void post(std::shared_ptr<PushWaiter> waiter, uint64_t slot, bool delivered) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      first = replies_.empty();
      replies_.push_back({std::move(waiter), slot, delivered});
    }
    if (first) ready_.notify_one();
  }

  // What is there is still answered.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
  }

  // Answers until the queue is closed and empty.
  void run() {
    std::vector<Reply> taken;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return closed_ || !replies_.empty(); });
        if (replies_.empty()) return;
        taken.swap(replies_);
      }
      for (const Reply& reply : taken) reply.waiter->answer(reply.slot, reply.delivered);
      taken.clear();
    }
  }

 private:
  struct Reply {
    std::shared_ptr<PushWaiter> waiter;
    uint64_t slot = 0;
    bool delivered = false;
  };

  std::mutex mutex_;
  std::condition_variable ready_;
  bool closed_ = false;
  std::vector<Reply> replies_;
};

// The service's own thread: runs the queue for as long as it lives.
class ReplyThread {
 public:
  ReplyThread() : thread_([this] { queue_->run(); }) {}
  ~ReplyThread() {
    queue_->close();
    thread_.join();
  }

  [[nodiscard]] const std::shared_ptr<ReplyQueue>& queue() const noexcept { return queue_; }

 private:
  const std::shared_ptr<ReplyQueue> queue_ = std::make_shared<ReplyQueue>();
  std::thread thread_;  // last: it uses the queue
};

}  // namespace ringway::cluster
