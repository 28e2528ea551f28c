// gateway/worker: one core's loop. One pass of it is a turn, and what one turn brought is the
// batch.
//
//   1  submit and wait     ring.turn()
//   2  read the clock      once
//   3  receive             table.process() -> flow, links.begin_turn() -> shard links
//   4  open                flow.open_and_route()
//   5  route               (the same call)
//   6  inbox               messages of other threads, events of the shards, a slice of large
//   messages,
//                          and what these let go on
//   7  seal                flow.finish_turn()
//   8  send                dispatcher.flush(), links.flush(), table.flush_sends()
//   9  expire              table.expire(), links.expire()
//
// A Worker is made on any thread and then belongs to the one that calls start() and turn(). Only
// post() and what reads its status may be called from elsewhere.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/limits.h"
#include "cluster/dispatcher.h"
#include "cluster/shard_transport.h"
#include "gateway/flow.h"
#include "gateway/mask_relay.h"
#include "gateway/name_resolver.h"
#include "gateway/ring_links.h"
#include "gateway/worker_message.h"
#include "net/connection_table.h"
#include "net/inbox.h"
#include "net/ring.h"

namespace ringway::gateway {

struct WorkerOptions {
  uint32_t index = 0;
  net::ConnectionTableOptions table;
  cluster::DispatcherOptions dispatcher;
  size_t key_cache_entries = 20 * 1024;
  size_t turn_completions = kTurnCompletionsMax;
};

class Worker {
 public:
  // `shared` and `transport` outlive the worker.
  Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring, const SharedContext& shared,
         cluster::ShardTransport& transport);
  // With links to the shards on its own ring.
  Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring, const SharedContext& shared,
         NameResolver& resolver);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The owner's thread, once. Empty, or why the ring cannot be used.
  [[nodiscard]] std::string start(Now now, std::vector<net::OwnedFd> listeners,
                                  const std::vector<std::string>& shards);
  // One turn. Waits at most until the next deadline and at most `wait_ns_max`. `read_now` is called
  // after the wait, for all that the turn does, and at its end, only to measure it.
  template <typename ReadNow>
  void turn(int64_t wait_ns_max, ReadNow&& read_now) {
    const size_t count = ring_->turn(completions_, wait_ns(wait_ns_max));
    work({completions_.data(), count}, read_now());
    flow_->note_duration(read_now().mono_ns - now_.mono_ns);
  }

  // Any thread: a message for this worker. False when its inbox is full, in number or in the bytes
  // of messages for clients; `message` is then untouched.
  [[nodiscard]] bool post(WorkerMessage&& message);

  // The owner's thread, after a turn: whether nothing is left here. Then, once that is published,
  // settle_posts().
  [[nodiscard]] bool drained() const noexcept { return flow_->drained(); }
  void settle_posts() noexcept { flow_->settle_posts(); }
  [[nodiscard]] const CounterBlock& counters() const noexcept { return counters_; }
  // Any thread, once started: everything but the thread's time.
  [[nodiscard]] WorkerStatus status() const;
  [[nodiscard]] net::Ring& ring() noexcept { return *ring_; }
  [[nodiscard]] cluster::Dispatcher& dispatcher() noexcept { return *dispatcher_; }
  [[nodiscard]] net::ConnectionTable& table() noexcept { return *table_; }
  [[nodiscard]] Flow& flow() noexcept { return *flow_; }

 private:
  Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring, const SharedContext& shared,
         cluster::ShardTransport* transport, NameResolver* resolver);
  [[nodiscard]] int64_t wait_ns(int64_t wait_ns_max) const noexcept;
  void make_masks(Now now);
  void work(std::span<const net::Completion> completions, Now now);
  void fill(WorkerGauges& gauges) const;

  const WorkerOptions options_;
  const SharedContext& shared_;
  cluster::ShardTransport* const transport_;  // null: links_ has it
  NameResolver* const resolver_;              // null: transport_ is given
  CounterBlock counters_;
  WorkerStatusBoard status_;
  std::unique_ptr<net::Ring> ring_;
  net::Inbox<WorkerMessage> inbox_;
  std::atomic<size_t> inbox_bytes_{0};  // of messages for clients in it
  std::unique_ptr<Flow> flow_;
  std::unique_ptr<net::ConnectionTable> table_;
  std::unique_ptr<RingLinks> links_;
  std::unique_ptr<MaskRelay> masks_;  // null: no listener has a mask
  std::unique_ptr<cluster::Dispatcher> dispatcher_;
  std::vector<net::Completion> completions_;
  Now now_;  // of the last turn
};

}  // namespace ringway::gateway
