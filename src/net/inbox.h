// net/inbox: the one door into a worker from other threads.
//
// A bounded queue that wakes the worker's ring. post() is for any thread and never blocks or spins;
// the rest is for the worker. Messages of one thread keep their order.
#pragma once

#include <cstddef>
#include <utility>

#include "base/mpsc_queue.h"
#include "base/waker.h"

namespace ringway::net {

template <typename Message>
class Inbox {
 public:
  // `waker` outlives the inbox. `capacity` is rounded up to a power of two.
  Inbox(size_t capacity, Waker& waker) : queue_(capacity), waker_(waker) {}

  // Any thread. False when full: `message` is then untouched, and the caller counts the loss or
  // refuses what asked for it.
  [[nodiscard]] bool post(Message&& message) {
    if (!queue_.push(std::move(message))) return false;
    waker_.wake();
    return true;
  }

  // The worker: calls take(Message&&) for up to `count_max` messages; returns how many. When some
  // are left (has_message()), the next turn must not wait: no further wake comes for them.
  template <typename Take>
  size_t drain(size_t count_max, Take&& take) {
    size_t count = 0;
    Message message{};
    while (count < count_max && queue_.pop(message)) {
      take(std::move(message));
      ++count;
    }
    return count;
  }

  [[nodiscard]] bool has_message() const noexcept { return queue_.has_item(); }
  [[nodiscard]] size_t capacity() const noexcept { return queue_.capacity(); }

 private:
  MpscQueue<Message> queue_;
  Waker& waker_;
};

}  // namespace ringway::net
