// cluster/push_answers: what became of the pushes of a batched link, on the way back to the shard.
//
// The worker that delivers a push may be another than the one whose link it came on, so answers are
// added under a lock from any thread; the link's worker takes them with its next batch. An answer
// from the link's own thread wakes nobody: that worker looks before it sleeps. Bounded by the
// pushes that are under way, each of which answers once.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "base/recycled.h"
#include "base/waker.h"
#include "cluster/link_codec.h"
#include "cluster/push.h"

namespace ringway::cluster {

class PushAnswers {
 public:
  // Made on the link's worker.
  explicit PushAnswers(Waker& waker) : waker_(waker), owner_(std::this_thread::get_id()) {}

  // Any thread.
  void add(PushAnswer answer) noexcept {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    const bool first = answers_.empty();
    answers_.push_back(answer);
    has_answers_.store(true, std::memory_order_release);
    if (first && std::this_thread::get_id() != owner_) waker_.wake();
  }

  [[nodiscard]] bool has_answers() const noexcept {
    return has_answers_.load(std::memory_order_acquire);
  }
  // The link's worker; `out` is replaced.
  void take(std::vector<PushAnswer>& out) {
    out.clear();
    const std::lock_guard lock(mutex_);
    out.swap(answers_);
    has_answers_.store(false, std::memory_order_release);
  }
  // Later answers go nowhere: their stream is gone.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    answers_.clear();
  }

 private:
  Waker& waker_;
  const std::thread::id owner_;
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<PushAnswer> answers_;
  std::atomic<bool> has_answers_{false};
};

// One for each push that is under way: their memory is used again.
class LinkPushReply final : public PushReply, public Recycled<LinkPushReply, kSpareRepliesMax> {
 public:
  LinkPushReply(std::shared_ptr<PushAnswers> answers, uint64_t push_id)
      : answers_(std::move(answers)), push_id_(push_id) {}
  ~LinkPushReply() override { done(false); }

  void done(bool delivered) noexcept override {
    if (answers_ == nullptr) return;
    answers_->add({push_id_, delivered});
    answers_ = nullptr;
  }

 private:
  std::shared_ptr<PushAnswers> answers_;
  const uint64_t push_id_;
};

}  // namespace ringway::cluster
