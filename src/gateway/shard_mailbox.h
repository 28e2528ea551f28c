// gateway/shard_mailbox: the newest set of session shards on its way to one worker.
//
// Discovery may learn of many sets while a worker takes a turn. Only the newest one counts, so one
// place per worker is enough: put() replaces what the worker has not taken yet. At most one message
// that says "look here" is under way. put() and take() may run at the same time, each on one
// thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace ringway::gateway {

class ShardMailbox {
 public:
  using Set = std::vector<std::string>;

  ShardMailbox() = default;
  ~ShardMailbox() { (void)take(); }
  ShardMailbox(const ShardMailbox&) = delete;
  ShardMailbox& operator=(const ShardMailbox&) = delete;

  // True when nothing was waiting: the worker is then to be told.
  [[nodiscard]] bool put(Set set) {
    return exchange(std::make_unique<Set>(std::move(set))) == nullptr;
  }
  // Null when there is nothing.
  [[nodiscard]] std::unique_ptr<Set> take() { return exchange(nullptr); }

 private:
  std::unique_ptr<Set> exchange(std::unique_ptr<Set> set) {
    return std::unique_ptr<Set>(waiting_.exchange(set.release(), std::memory_order_acq_rel));
  }

  std::atomic<Set*> waiting_{nullptr};
};

}  // namespace ringway::gateway
