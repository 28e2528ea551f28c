// gateway/status: what the gateway shows of itself: plain values, for metrics and health.
//
// Made by Gateway::status() on the reader's thread, from what the workers publish. Counters and
// distributions are those of this moment; the rest of a worker is at most kStatusIntervalNs old
// while it turns, and as old as its last turn while it sleeps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "cluster/dispatcher.h"

namespace ringway::gateway {

// Why the bytes of a client were no MTProto, in gnetway's words.
enum class DecodeReason : uint8_t {
  kBadMagic,       // no transport, or one that is switched off
  kBadLength,      // of a frame
  kBadChecksum,    // of a frame of the full transport
  kBadSequence,    // of such a frame
  kDecrypt,        // a message that its key does not open
  kUnexpectedEnd,  // the connection ended inside a frame
  kOther,
};
inline constexpr size_t kDecodeReasonCount = 7;
[[nodiscard]] std::string_view to_string(DecodeReason reason) noexcept;

// Connections by the listener that accepted them. They end on the worker where they live then, so
// only the sums over the workers make sense.
struct ListenerStatus {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t bytes_received = 0;
  uint64_t frames_received = 0;
  uint64_t bytes_sent = 0;
  std::array<uint64_t, kDecodeReasonCount> decode_errors{};
};

// What a worker publishes as a whole.
struct WorkerGauges {
  uint64_t connections = 0;
  uint64_t sessions = 0;
  uint64_t keys_cached = 0;
  uint64_t input_bytes = 0;   // of clients, not handed on yet
  uint64_t output_bytes = 0;  // for clients, not sent yet
  std::vector<cluster::ShardStatus> links;
};

struct WorkerStatus {
  std::array<uint64_t, kCounterCount> counters{};
  std::array<DistributionCounts, kDistributionCount> distributions{};
  std::vector<ListenerStatus> listeners;
  WorkerGauges gauges;
  uint64_t connections_max = 0;
  int64_t last_turn_ns = 0;  // monotonic
  int64_t cpu_ns = 0;        // of its thread
};

struct GatewayStatus {
  struct Listener {
    std::string address;
    std::string protocol;  // "tcp"
  };
  std::vector<Listener> listeners;
  std::vector<WorkerStatus> workers;
  // Of the threads beside them, such as those that speak to etcd.
  std::array<uint64_t, kCounterCount> beside_workers{};
  uint64_t shards_known = 0;  // the size of the node set
  // Whether etcd serves us now; nothing where it is not used for this.
  std::optional<bool> etcd_discovery_up;
  std::optional<bool> etcd_registered;
  bool draining = false;
};

}  // namespace ringway::gateway
