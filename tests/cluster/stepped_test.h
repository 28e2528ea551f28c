// A dispatcher over shards in memory, one step at a time; what comes in which order is the seed's.
// The base of all tests that look at what a dispatcher does with its shards.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "cluster/dispatcher.h"
#include "cluster/recorder.h"
#include "support/memory_transport.h"

namespace ringway::cluster {

class SteppedTest : public ::testing::Test {
 protected:
  // Shards before the dispatcher that may know them.
  void make_transport(uint64_t seed) {
    dispatcher_.reset();
    transport_ = std::make_unique<MemoryTransport>(MemoryTransport::Mode::kStepped, seed);
  }
  void make_dispatcher(DispatcherOptions options) {
    options.server_id = "10.9.9.9:20110";
    dispatcher_ = std::make_unique<Dispatcher>(options, *transport_, events_, waker_, counters_);
  }

  void turn(int64_t ns = kNsPerMs) {
    now_.mono_ns += ns;
    now_.unix_ns += ns;
    transport_->pass_time(ns);
    dispatcher_->poll(now_);
    dispatcher_->flush(now_);
  }
  // Turns and steps until nothing moves.
  void settle() {
    for (int quiet = 0; quiet < 3;) {
      turn();
      quiet = transport_->step() ? 0 : quiet + 1;
      transport_->settle();
    }
  }
  // Turns that are `step_ns` apart; in each the shards do all that they can.
  void run_for(int64_t ns, int64_t step_ns = 50 * kNsPerMs) {
    for (const int64_t end = now_.mono_ns + ns; now_.mono_ns < end;) {
      turn(step_ns);
      transport_->settle();
    }
  }
  [[nodiscard]] std::vector<ShardStatus> status() const {
    std::vector<ShardStatus> all;
    dispatcher_->status(all);
    return all;
  }

  Now now_{.mono_ns = 1'000'000, .unix_ns = 1'700'000'000 * kNsPerSecond};
  CounterBlock counters_;
  CountingWaker waker_;
  Recorder events_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

}  // namespace ringway::cluster
