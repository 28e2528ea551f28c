// gateway/worker_status: where one worker leaves what is shown of it.
//
// The worker is the only writer. What it touches in its turns (the listeners' cells, the time of
// the turn) are atomics that nobody else writes, in cache lines of their own. The gauges are filled
// in a second copy of the worker's and exchanged for the published one under a lock that the worker
// only tries: while a reader holds it, the worker goes on and tries again later.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/limits.h"
#include "gateway/status.h"

namespace ringway::gateway {

// One listener's part of what a worker does.
class alignas(64) ListenerCells {
 public:
  void opened() noexcept { add(opened_, 1); }
  void closed() noexcept { add(closed_, 1); }
  void received(size_t bytes) noexcept { add(bytes_received_, bytes); }
  void frame() noexcept { add(frames_, 1); }
  void sent(size_t bytes) noexcept { add(bytes_sent_, bytes); }
  void decode_error(DecodeReason reason) noexcept {
    add(decode_errors_[static_cast<size_t>(reason)], 1);
  }
  // Any thread.
  [[nodiscard]] ListenerStatus read() const noexcept;

 private:
  using Cell = std::atomic<uint64_t>;
  static void add(Cell& cell, uint64_t amount) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  Cell opened_{0};
  Cell closed_{0};
  Cell bytes_received_{0};
  Cell frames_{0};
  Cell bytes_sent_{0};
  std::array<Cell, kDecodeReasonCount> decode_errors_{};
};

class WorkerStatusBoard {
 public:
  explicit WorkerStatusBoard(size_t listeners);

  // --- the worker
  // A listener that this process does not have (a connection that came from another one) counts
  // for the first.
  [[nodiscard]] ListenerCells& listener(size_t index) noexcept {
    return listeners_[index < listener_count_ ? index : 0];
  }
  void begin_turn(Now now) noexcept { last_turn_ns_.store(now.mono_ns, std::memory_order_relaxed); }
  // When it is time, fill(WorkerGauges&) is called to bring all of the gauges up to date. What is
  // given to it is an older state of them, so that its memory is used again.
  template <typename Fill>
  void publish(Now now, Fill&& fill) {
    if (now.mono_ns - published_ns_ < kStatusIntervalNs) return;
    fill(own_);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    published_ns_ = now.mono_ns;
    std::swap(own_, shown_);
  }

  // --- any thread
  // Everything but the counters, the distributions and the thread's time.
  void read(WorkerStatus& out) const;

 private:
  const size_t listener_count_;
  const std::unique_ptr<ListenerCells[]> listeners_;
  alignas(64) std::atomic<int64_t> last_turn_ns_{0};
  int64_t published_ns_ = 0;
  WorkerGauges own_;
  alignas(64) mutable std::mutex mutex_;
  WorkerGauges shown_;
};

}  // namespace ringway::gateway
