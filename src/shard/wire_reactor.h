// shard/wire_reactor: one stream between a gateway and the shard, whichever of the two it is.
//
// Reading and writing go on side by side: one read and one write are in flight at most. What waits
// to be written is bounded by not reading: above kShardLinkQueueBytesMax the stream is not read
// until enough of it has gone out.
//
//   open --(peer half-closed, cancelled, write failed, end())--> ending --(read and write idle)-->
//   finished
//
// The object keeps itself alive from start() until OnDone. Callbacks come on gRPC's threads;
// `mutex_` guards the members below it and is held while nothing of gRPC is called.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/limits.h"

namespace ringway::shard {

template <typename Up, typename Down>
class WireReactor : public grpc::ServerBidiReactor<Up, Down> {
 public:
  // Starts reading; `self` owns this.
  void start(std::shared_ptr<WireReactor> self) {
    RW_ASSERT(self.get() == this);
    self_ = std::move(self);
    this->StartRead(&up_);
  }

  void OnReadDone(bool ok) final {
    if (ok) {
      handle(up_);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      ending_ = true;
    }
    advance();
  }

  void OnWriteDone(bool ok) final {
    bool read = false;
    {
      const std::lock_guard lock(mutex_);
      queued_bytes_ -= writing_.bytes;
      if (spare_.size() < kSpareMax) {
        writing_.message->Clear();
        spare_.push_back(std::move(writing_.message));
      }
      writing_ = {};
      if (!ok) drop_queue();
      read = paused_ && !ending_ && queued_bytes_ <= kShardLinkQueueBytesMax / 2;
      if (read) {
        paused_ = false;
        reading_ = true;
      }
    }
    if (read) this->StartRead(&up_);
    advance();
  }

  void OnCancel() final {
    {
      const std::lock_guard lock(mutex_);
      drop_queue();
    }
    advance();
  }

  void OnDone() final {
    const std::shared_ptr<WireReactor> self = std::move(self_);
    closed();
  }

 protected:
  // A message has come. It stays valid until read_next() or end(), one of which must follow.
  virtual void handle(Up& up) = 0;
  // The stream is over; nothing is called after it.
  virtual void closed() {}

  // Reads on when the queue has room, and writes what was queued.
  void read_next() {
    bool read = false;
    {
      const std::lock_guard lock(mutex_);
      paused_ = queued_bytes_ > kShardLinkQueueBytesMax && !ending_;
      read = !paused_ && !ending_;
      reading_ = read;
    }
    if (read) this->StartRead(&up_);
    advance();
  }

  // Ends the stream with `status` once what is queued has gone out.
  void end(const grpc::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      ending_ = true;
      status_ = status;
    }
    advance();
  }

  // A message to fill, perhaps one that was used before. Under the lock.
  [[nodiscard]] std::unique_ptr<Down> fresh() {
    if (spare_.empty()) return std::make_unique<Down>();
    auto message = std::move(spare_.back());
    spare_.pop_back();
    return message;
  }
  // Under the lock: whether anything can still be sent.
  [[nodiscard]] bool is_open() const noexcept { return !ending_; }
  // Under the lock: the last message that is not being written; null when there is none.
  [[nodiscard]] Down* last_queued() noexcept {
    return queue_.empty() ? nullptr : queue_.back().message.get();
  }
  // Under the lock: how much last_queued() holds, as told to count_queued().
  [[nodiscard]] size_t last_queued_bytes() const noexcept {
    return queue_.empty() ? 0 : queue_.back().bytes;
  }
  // Under the lock.
  Down& queue(std::unique_ptr<Down> message) {
    queue_.push_back({std::move(message), 0});
    return *queue_.back().message;
  }
  // Under the lock: so many bytes were added to last_queued(). They count until they are written.
  void count_queued(size_t bytes) noexcept {
    queue_.back().bytes += bytes;
    queued_bytes_ += bytes;
  }

  // Starts the next write, or finishes. Not under the lock.
  void advance() {
    const Down* next = nullptr;
    grpc::WriteOptions options;
    bool finish = false;
    grpc::Status status;
    {
      const std::lock_guard lock(mutex_);
      if (writing_.message != nullptr || finished_) return;
      if (!queue_.empty()) {
        writing_ = std::move(queue_.front());
        queue_.pop_front();
        next = writing_.message.get();
        if (!queue_.empty()) options.set_buffer_hint();
      } else if (ending_ && !reading_) {
        finished_ = finish = true;
        status = status_;
      }
    }
    if (next != nullptr) this->StartWrite(next, options);
    if (finish) this->Finish(status);
  }

  std::mutex mutex_;

 private:
  static constexpr size_t kSpareMax = 8;

  struct Queued {
    std::unique_ptr<Down> message;
    size_t bytes = 0;
  };

  void drop_queue() {
    for (const Queued& queued : queue_) queued_bytes_ -= queued.bytes;
    queue_.clear();
    ending_ = true;
  }

  std::shared_ptr<WireReactor> self_;
  Up up_;
  std::deque<Queued> queue_;
  std::vector<std::unique_ptr<Down>> spare_;
  Queued writing_;
  size_t queued_bytes_ = 0;
  bool reading_ = true;  // a read is in flight, or its message is being handled
  bool paused_ = false;
  bool ending_ = false;
  bool finished_ = false;
  grpc::Status status_;
};

}  // namespace ringway::shard
