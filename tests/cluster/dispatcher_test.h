// What the dispatcher's tests with one shard or two share.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/stepped_test.h"

namespace ringway::cluster {

inline constexpr const char* kShard = "10.0.0.1:20120";
inline constexpr const char* kOther = "10.0.0.2:20120";

class DispatcherTest : public SteppedTest {
 protected:
  void make(DispatcherOptions options = {}, uint64_t seed = 1) {
    make_transport(seed);
    options.worker = 4;
    make_dispatcher(std::move(options));
  }
  void start(DispatcherOptions options = {}, uint64_t seed = 1) {
    make(std::move(options), seed);
    dispatcher_->set_shards({kShard}, now_);
    settle();
  }

  MemoryShard& shard(const char* address = kShard) { return transport_->shard(address); }

  // One long pause: calls end late, as where a transport forgets their deadlines.
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
};

}  // namespace ringway::cluster
