// base/counters: what happened, counted where it happened.
//
// Each worker owns one CounterBlock and is its only writer; any thread may read. A count is a
// relaxed load and store, so that counting costs what an ordinary increment costs. Every refusal,
// limit and loss has a counter: "dropped in silence" does not exist.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/distribution.h"

namespace ringway {

// X(identifier, metric name)
#define RINGWAY_COUNTERS(X)                                      \
  X(kConnectionsAccepted, "connections_accepted")                \
  X(kConnectionsClosed, "connections_closed")                    \
  X(kConnectionsRefusedFull, "connections_refused_full")         \
  X(kConnectionsRefusedAddress, "connections_refused_address")   \
  X(kConnectionsRefusedListener, "connections_refused_listener") \
  X(kConnectionsDealt, "connections_dealt")                      \
  X(kProxyHeadersRefused, "proxy_headers_refused")               \
  X(kTlsHandshakes, "tls_handshakes")                            \
  X(kTlsHandshakesFailed, "tls_handshakes_failed")               \
  X(kTlsHandshakesLimited, "tls_handshakes_limited")             \
  X(kTlsHandshakesRefused, "tls_handshakes_refused")             \
  X(kTlsErrors, "tls_errors")                                    \
  X(kWebSocketsOpened, "websockets_opened")                      \
  X(kWebSocketErrors, "websocket_errors")                        \
  X(kHttpRequests, "http_requests")                              \
  X(kHttpRequestsRefused, "http_requests_refused")               \
  X(kHttpRequestsFailed, "http_requests_failed")                 \
  X(kFakeTlsOpened, "fake_tls_opened")                           \
  X(kFakeTlsRefused, "fake_tls_refused")                         \
  X(kFakeTlsReplays, "fake_tls_replays")                         \
  X(kFakeTlsReplaysFull, "fake_tls_replays_full")                \
  X(kFakeTlsErrors, "fake_tls_errors")                           \
  X(kMaskRelays, "mask_relays")                                  \
  X(kMaskRelaysRefused, "mask_relays_refused")                   \
  X(kMaskRelaysFailed, "mask_relays_failed")                     \
  X(kMaskRelaysTimedOut, "mask_relays_timed_out")                \
  X(kMaskSocketsOpened, "mask_sockets_opened")                   \
  X(kMaskConnectErrors, "mask_connect_errors")                   \
  X(kMaskSocketsClosed, "mask_sockets_closed")                   \
  X(kMaskBytesReceived, "mask_bytes_received")                   \
  X(kMaskBytesSent, "mask_bytes_sent")                           \
  X(kConnectionsMovedOut, "connections_moved_out")               \
  X(kConnectionsMovedIn, "connections_moved_in")                 \
  X(kAcceptErrors, "accept_errors")                              \
  X(kAcceptBackoffs, "accept_backoffs")                          \
  X(kReceiveBuffersExhausted, "receive_buffers_exhausted")       \
  X(kBytesReceived, "bytes_received")                            \
  X(kBytesSent, "bytes_sent")                                    \
  X(kConnects, "connects")                                       \
  X(kConnectErrors, "connect_errors")                            \
  X(kLinksClosed, "links_closed")                                \
  X(kLinkBytesReceived, "link_bytes_received")                   \
  X(kLinkBytesSent, "link_bytes_sent")                           \
  X(kSendErrors, "send_errors")                                  \
  X(kSendQueueOverflows, "send_queue_overflows")                 \
  X(kInboxOverflows, "inbox_overflows")                          \
  X(kTimeoutFirstByte, "timeout_first_byte")                     \
  X(kTimeoutHandshake, "timeout_handshake")                      \
  X(kTimeoutFrame, "timeout_frame")                              \
  X(kTimeoutIdle, "timeout_idle")                                \
  X(kTimeoutDrain, "timeout_drain")                              \
  X(kTimeoutKeyLookup, "timeout_key_lookup")                     \
  X(kFramesReceived, "frames_received")                          \
  X(kTransportErrors, "transport_errors")                        \
  X(kUnencryptedErrors, "unencrypted_errors")                    \
  X(kMessagesOpened, "messages_opened")                          \
  X(kMessagesRefused, "messages_refused")                        \
  X(kMessagesRouted, "messages_routed")                          \
  X(kMessagesSealed, "messages_sealed")                          \
  X(kMessagesLost, "messages_lost")                              \
  X(kMessagesRejected, "messages_rejected")                      \
  X(kMessagesAbandoned, "messages_abandoned")                    \
  X(kUnboundPings, "unbound_pings")                              \
  X(kUnboundMessagesIgnored, "unbound_messages_ignored")         \
  X(kUnboundCallsRefused, "unbound_calls_refused")               \
  X(kBindsForwarded, "binds_forwarded")                          \
  X(kBindsConfirmed, "binds_confirmed")                          \
  X(kBindsRefused, "binds_refused")                              \
  X(kBindsTimedOut, "binds_timed_out")                           \
  X(kBindingsChanged, "bindings_changed")                        \
  X(kKeysExpired, "keys_expired")                                \
  X(kMessagesHandedOver, "messages_handed_over")                 \
  X(kQuickAcks, "quick_acks")                                    \
  X(kHandshakesStarted, "handshakes_started")                    \
  X(kHandshakesDone, "handshakes_done")                          \
  X(kHandshakesFailed, "handshakes_failed")                      \
  X(kHandshakesRetried, "handshakes_retried")                    \
  X(kHandshakesEvicted, "handshakes_evicted")                    \
  X(kHandshakesLimited, "handshakes_limited")                    \
  X(kKeyCacheHits, "key_cache_hits")                             \
  X(kKeyCacheMisses, "key_cache_misses")                         \
  X(kKeyCacheEvictions, "key_cache_evictions")                   \
  X(kKeyQueries, "key_queries")                                  \
  X(kKeyQueriesUnknown, "key_queries_unknown")                   \
  X(kKeyQueriesFailed, "key_queries_failed")                     \
  X(kUnknownKeysLimited, "unknown_keys_limited")                 \
  X(kKeysPerConnectionLimited, "keys_per_connection_limited")    \
  X(kConnectionsPerKeyLimited, "connections_per_key_limited")    \
  X(kInputLimited, "input_limited")                              \
  X(kBackPressurePauses, "back_pressure_pauses")                 \
  X(kClosedWithoutShard, "closed_without_shard")                 \
  X(kRemoteFrames, "remote_frames")                              \
  X(kLargeMessages, "large_messages")                            \
  X(kSessionsOpened, "sessions_opened")                          \
  X(kSessionsClosed, "sessions_closed")                          \
  X(kSessionClosesDelayed, "session_closes_delayed")             \
  X(kPushesDelivered, "pushes_delivered")                        \
  X(kPushesRefused, "pushes_refused")                            \
  X(kShardBatches, "shard_batches")                              \
  X(kShardMessages, "shard_messages")                            \
  X(kShardErrors, "shard_errors")                                \
  X(kShardsTakenOut, "shards_taken_out")                         \
  X(kShardsReadmitted, "shards_readmitted")                      \
  X(kMessagesSetAside, "messages_set_aside")                     \
  X(kRedirectsFollowed, "redirects_followed")                    \
  X(kRedirectsRefused, "redirects_refused")                      \
  X(kHttpCalls, "http_calls")                                    \
  X(kHttpCallsLimited, "http_calls_limited")                     \
  X(kHttpCallsFailed, "http_calls_failed")                       \
  X(kHttpCallsCancelled, "http_calls_cancelled")                 \
  X(kShardSetChanges, "shard_set_changes")                       \
  X(kEtcdLoads, "etcd_loads")                                    \
  X(kEtcdErrors, "etcd_errors")                                  \
  X(kEtcdValuesRefused, "etcd_values_refused")                   \
  X(kEtcdLeases, "etcd_leases")                                  \
  X(kEtcdRegistrations, "etcd_registrations")                    \
  X(kShardReplays, "shard_replays")                              \
  X(kTurns, "turns")

enum class Counter : uint16_t {
#define X(identifier, name) identifier,
  RINGWAY_COUNTERS(X)
#undef X
};

inline constexpr size_t kCounterCount = 0
#define X(identifier, name) +1
    RINGWAY_COUNTERS(X)
#undef X
    ;

[[nodiscard]] std::string_view counter_name(Counter counter) noexcept;

class alignas(64) CounterBlock {
 public:
  // The owner's thread.
  void add(Counter counter, uint64_t amount = 1) noexcept {
    auto& cell = cells_[static_cast<size_t>(counter)];
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  // Any thread.
  [[nodiscard]] uint64_t read(Counter counter) const noexcept {
    return cells_[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }

  // What is not only counted but has a size; the same threads.
  void observe(Distribution distribution, uint64_t value, uint64_t times = 1) noexcept {
    distributions_.observe(distribution, value, times);
  }
  [[nodiscard]] DistributionCounts read(Distribution distribution) const noexcept {
    return distributions_.read(distribution);
  }

 private:
  std::array<std::atomic<uint64_t>, kCounterCount> cells_{};
  DistributionBlock distributions_;
};

}  // namespace ringway
