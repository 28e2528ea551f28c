// cluster/link_queue: from a transport's threads to the worker that owns a channel.
//
// Producers append under a short lock and wake the worker when the queue stops being empty; the
// worker takes everything at once. Messages are bounded by count and bytes: the producer that
// crosses a bound is told to stop reading, and the worker learns with its next take() which streams
// wait to read on. Completions of writes and calls are bounded by what the worker itself has
// started. After close() nothing is kept and nobody is woken.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/limits.h"
#include "base/waker.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

class LinkQueue {
 public:
  explicit LinkQueue(Waker& waker) : waker_(waker) {}

  // Any thread. False when a stream that has delivered a kMessage must not read on until the worker
  // says so.
  [[nodiscard]] bool put(LinkEvent&& event) {
    const std::lock_guard lock(mutex_);
    if (closed_) return true;
    const bool message = event.kind == LinkEvent::Kind::kMessage;
    const uint64_t id = event.id;
    if (message) {
      ++messages_;
      bytes_ += event.bytes.size();
    }
    const bool first = events_.empty();
    events_.push_back(std::move(event));
    has_events_.store(true, std::memory_order_release);
    // The lock keeps close() from returning, and the waker from dying, during the wake.
    if (first) waker_.wake();
    if (!message || (messages_ < kLinkEventsMax && bytes_ < kLinkEventBytesMax)) return true;
    paused_.push_back(id);
    return false;
  }

  // The worker. Both vectors are replaced.
  void take(std::vector<LinkEvent>& events, std::vector<uint64_t>& paused) {
    events.clear();
    paused.clear();
    const std::lock_guard lock(mutex_);
    events.swap(events_);
    paused.swap(paused_);
    messages_ = 0;
    bytes_ = 0;
    has_events_.store(false, std::memory_order_release);
  }

  [[nodiscard]] bool has_events() const noexcept {
    return has_events_.load(std::memory_order_acquire);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    events_.clear();
    paused_.clear();
  }

 private:
  Waker& waker_;
  std::mutex mutex_;
  bool closed_ = false;
  size_t messages_ = 0;
  size_t bytes_ = 0;
  std::vector<LinkEvent> events_;
  std::vector<uint64_t> paused_;
  std::atomic<bool> has_events_{false};
};

}  // namespace ringway::cluster
