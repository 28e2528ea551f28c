// Three shards in memory on each of the wires, and the account of what was given to them: each
// message that was accepted arrives, the first deliveries of each key in order.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "cluster/stepped_test.h"

namespace ringway::cluster {

inline const std::vector<std::string> kNodes = {"10.0.0.1:20120", "10.0.0.2:20120",
                                                "10.0.0.3:20120"};

// What the shards know.
struct WireCase {
  bool batch, stream, unary;
  const char* name;
  friend void PrintTo(const WireCase& wire, std::ostream* out) { *out << wire.name; }
};
inline const auto kEachWire =
    ::testing::Values(WireCase{true, true, true, "batch"}, WireCase{false, true, true, "stream"},
                      WireCase{false, false, true, "unary"});
inline std::string wire_name(const ::testing::TestParamInfo<WireCase>& wire) {
  return wire.param.name;
}

class ThreeNodesTest : public SteppedTest, public ::testing::WithParamInterface<WireCase> {
 protected:
  // One delivery to one shard, in the order of all of them.
  struct Delivery {
    size_t shard = 0;
    int64_t key = 0;
    uint32_t number = 0;
  };

  void start(uint64_t seed, const DispatcherOptions& options = {}) {
    make_transport(seed);
    deliveries_.clear();
    accepted_.clear();
    for (size_t i = 0; i < kNodes.size(); ++i) {
      shard(i).set_wires(GetParam().batch, GetParam().stream, GetParam().unary);
      shard(i).on_message([this, i](MemoryShard&, const ShardMessage& m) {
        if (!m.close) deliveries_.push_back({i, m.perm_auth_key_id, number_of(m.payload)});
      });
    }
    make_dispatcher(options);
    dispatcher_->set_shards(kNodes, now_);
    lost_before_ = counters_.read(Counter::kMessagesLost);
    settle();
  }

  MemoryShard& shard(size_t i) { return transport_->shard(kNodes[i]); }
  bool send(int64_t key) {
    const NumberedMessage m(key, accepted_[key], 32);
    if (dispatcher_->send(m.message) != Submit::kAccepted) return false;
    ++accepted_[key];
    return true;
  }
  std::string owner(int64_t key) { return status().at(dispatcher_->shard_of(key)).address; }
  // A key that belongs to this node while all are there.
  int64_t key_of(size_t node) {
    int64_t key = 1;
    while (owner(key) != kNodes[node]) ++key;
    return key;
  }
  uint64_t lost() { return counters_.read(Counter::kMessagesLost) - lost_before_; }

  void check(uint64_t seed = 0) {
    std::map<int64_t, uint32_t> next;
    for (const Delivery& d : deliveries_) {
      ASSERT_LE(d.number, next[d.key]) << "seed " << seed << " key " << d.key << " overtook";
      if (d.number == next[d.key]) ++next[d.key];
    }
    for (const auto& [key, count] : accepted_) {
      ASSERT_EQ(next[key], count) << "seed " << seed << " key " << key << " misses messages";
    }
    ASSERT_EQ(dispatcher_->unacknowledged(), 0U) << "seed " << seed;
    ASSERT_EQ(lost(), 0U) << "seed " << seed;
  }

  std::vector<Delivery> deliveries_;
  std::map<int64_t, uint32_t> accepted_;
  uint64_t lost_before_ = 0;
};

}  // namespace ringway::cluster
