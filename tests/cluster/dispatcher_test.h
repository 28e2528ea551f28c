// What the dispatcher's tests share: a dispatcher over shards in memory, one step at a time; what
// comes in which order is the seed's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/dispatcher.h"
#include "cluster/recorder.h"
#include "support/memory_transport.h"

namespace ringway::cluster {

inline constexpr const char* kShard = "10.0.0.1:20120";
inline constexpr const char* kOther = "10.0.0.2:20120";

class DispatcherTest : public ::testing::Test {
 protected:
  void make(DispatcherOptions options = {}, uint64_t seed = 1) {
    dispatcher_.reset();
    transport_ = std::make_unique<MemoryTransport>(MemoryTransport::Mode::kStepped, seed);
    options.server_id = "10.9.9.9:20110";
    options.worker = 4;
    dispatcher_ = std::make_unique<Dispatcher>(options, *transport_, events_, waker_, counters_);
  }
  void start(DispatcherOptions options = {}, uint64_t seed = 1) {
    make(options, seed);
    dispatcher_->set_shards({kShard}, now_);
    settle();
  }

  MemoryShard& shard(const char* address = kShard) { return transport_->shard(address); }

  void turn() {
    now_.mono_ns += kNsPerMs;
    now_.unix_ns += kNsPerMs;
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
  void wait(int64_t ns) {
    now_.mono_ns += ns;
    settle();
  }
  // Until the link has gone through its pauses.
  void reconnect() {
    for (int i = 0; i < 100; ++i) wait(100 * kNsPerMs);
  }

  Submit send(int64_t key, uint32_t number, size_t size = 32) {
    const NumberedMessage m(key, number, size);
    return dispatcher_->send(m.message);
  }
  std::vector<ShardStatus> status() {
    std::vector<ShardStatus> all;
    dispatcher_->status(all);
    return all;
  }
  std::string wire() { return status().at(0).wire; }

  // The numbers that the shard took from this key, in order, without repetitions.
  std::vector<uint32_t> numbers(int64_t key) {
    std::vector<uint32_t> all;
    std::set<uint32_t> seen;
    for (const ShardMessage& m : shard().received()) {
      if (m.auth_key_id != key || m.close) continue;
      const uint32_t n = number_of(m.payload);
      if (seen.insert(n).second) all.push_back(n);
    }
    return all;
  }
  static std::vector<uint32_t> counting(uint32_t count) {
    std::vector<uint32_t> all(count);
    for (uint32_t i = 0; i < count; ++i) all[i] = i;
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
