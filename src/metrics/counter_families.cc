#include "metrics/counter_families.h"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::metrics {
namespace {

using C = Counter;

std::vector<CounterFamily> connection_families() {
  return {
      {"ringway_connections_accepted_total",
       "Client connections accepted.",
       "",
       {{C::kConnectionsAccepted}}},
      {"ringway_connections_dealt_total",
       "Of these, those that came by a unix socket or a socket of systemd, dealt to the workers.",
       "",
       {{C::kConnectionsDealt}}},
      {"ringway_connections_closed_total",
       "Client connections that have ended.",
       "",
       {{C::kConnectionsClosed}}},
      {"ringway_connections_moved_total",
       "Connections handed to the home worker of their key, by the giving (out) and the taking "
       "(in) worker.",
       "direction",
       {{C::kConnectionsMovedOut, "out"}, {C::kConnectionsMovedIn, "in"}}},
      {"ringway_accept_errors_total", "Accepts that failed.", "", {{C::kAcceptErrors}}},
      {"ringway_accept_backoffs_total",
       "Pauses in accepting because the process is out of descriptors or memory.",
       "",
       {{C::kAcceptBackoffs}}},
      {"ringway_receive_buffers_exhausted_total",
       "Receives that found no free buffer and had to be repeated.",
       "",
       {{C::kReceiveBuffersExhausted}}},
      {"ringway_received_bytes_total", "Bytes received from clients.", "", {{C::kBytesReceived}}},
      {"ringway_sent_bytes_total", "Bytes sent to clients.", "", {{C::kBytesSent}}},
      {"ringway_send_errors_total",
       "Sends to clients or shards that failed.",
       "",
       {{C::kSendErrors}}},
      {"ringway_timeouts_total",
       "Connections closed because a deadline passed.",
       "kind",
       {{C::kTimeoutFirstByte, "first_byte"},
        {C::kTimeoutHandshake, "handshake"},
        {C::kTimeoutFrame, "frame"},
        {C::kTimeoutIdle, "idle"},
        {C::kTimeoutDrain, "drain"},
        {C::kTimeoutKeyLookup, "key_lookup"}}},
      {"ringway_refusals_total",
       "What a limit has refused: connections, frames, look-ups, key exchanges, output.",
       "reason",
       {{C::kConnectionsRefusedFull, "connections_full"},
        {C::kConnectionsRefusedAddress, "connections_per_address"},
        {C::kConnectionsRefusedListener, "connections_per_listener"},
        {C::kTlsHandshakesLimited, "tls_handshakes"},
        {C::kTlsHandshakesRefused, "tls_handshakes_per_address"},
        {C::kMaskRelaysRefused, "mask_connections"},
        {C::kConnectionsPerKeyLimited, "connections_per_key"},
        {C::kKeysPerConnectionLimited, "keys_per_connection"},
        {C::kHandshakesLimited, "handshakes"},
        {C::kUnknownKeysLimited, "unknown_keys"},
        {C::kInputLimited, "input_bytes"},
        {C::kSendQueueOverflows, "output_bytes"},
        {C::kInboxOverflows, "inbox"}}},
  };
}

std::vector<CounterFamily> door_families() {
  return {
      {"ringway_doors_opened_total",
       "Connections that came through a door to their MTProto stream.",
       "door",
       {{C::kTlsHandshakes, "tls"},
        {C::kWebSocketsOpened, "websocket"},
        {C::kFakeTlsOpened, "fake_tls"}}},
      {"ringway_http_posts_total",
       "Messages of HTTP clients: taken, and of them those that were refused with a status of 500 "
       "and above for want of an answer.",
       "state",
       {{C::kHttpRequests, "taken"}, {C::kHttpRequestsFailed, "failed"}}},
      {"ringway_door_errors_total",
       "Connections closed because of what they sent to a door: PROXY headers that are wrong or "
       "missing, handshakes and records of TLS, requests that are none of ours, WebSocket frames, "
       "and fake-TLS hellos that are not authentic, were seen before, or found no room to be "
       "remembered.",
       "kind",
       {{C::kProxyHeadersRefused, "proxy_header"},
        {C::kTlsHandshakesFailed, "tls_handshake"},
        {C::kTlsErrors, "tls"},
        {C::kHttpRequestsRefused, "http_request"},
        {C::kWebSocketErrors, "websocket"},
        {C::kFakeTlsRefused, "fake_tls_hello"},
        {C::kFakeTlsReplays, "fake_tls_replay"},
        {C::kFakeTlsReplaysFull, "fake_tls_replays_full"},
        {C::kFakeTlsErrors, "fake_tls"}}},
      {"ringway_mask_relays_total",
       "Connections that failed fake TLS and were to be relayed to the mask: begun, and of these, "
       "those whose mask could not be reached and those that were silent for too long.",
       "state",
       {{C::kMaskRelays, "begun"},
        {C::kMaskRelaysFailed, "failed"},
        {C::kMaskRelaysTimedOut, "timed_out"}}},
      {"ringway_mask_connect_errors_total",
       "Attempts to connect to a mask that failed; a relay tries each of its addresses.",
       "",
       {{C::kMaskConnectErrors}}},
      {"ringway_mask_sockets_opened_total",
       "Sockets of relays: each has the client's, and one for each attempt to reach the mask.",
       "",
       {{C::kMaskSocketsOpened}}},
      {"ringway_mask_sockets_closed_total",
       "Of these, those that have been closed.",
       "",
       {{C::kMaskSocketsClosed}}},
      {"ringway_mask_bytes_total",
       "Bytes of relays, both ways together, as they came in and went out.",
       "direction",
       {{C::kMaskBytesReceived, "in"}, {C::kMaskBytesSent, "out"}}},
  };
}

std::vector<CounterFamily> message_families() {
  return {
      {"ringway_frames_received_total",
       "Frames received from clients.",
       "",
       {{C::kFramesReceived}}},
      {"ringway_protocol_errors_total",
       "Connections closed because of what they sent: bytes that are no transport or frame, "
       "unencrypted messages that are none, messages that their key does not open.",
       "kind",
       {{C::kTransportErrors, "transport"},
        {C::kUnencryptedErrors, "unencrypted"},
        {C::kMessagesRefused, "message"}}},
      {"ringway_messages_opened_total",
       "Messages of clients decrypted.",
       "",
       {{C::kMessagesOpened}}},
      {"ringway_messages_routed_total",
       "Messages taken over into a shard's window.",
       "",
       {{C::kMessagesRouted}}},
      {"ringway_messages_sealed_total",
       "Messages encrypted for clients.",
       "",
       {{C::kMessagesSealed}}},
      {"ringway_messages_lost_total",
       "Messages that were taken over and given up: their shard could not be made to take them.",
       "",
       {{C::kMessagesLost}}},
      {"ringway_messages_rejected_total",
       "Messages that a shard has refused.",
       "",
       {{C::kMessagesRejected}}},
      {"ringway_messages_abandoned_total",
       "Messages that were not taken over yet when their connection ended.",
       "",
       {{C::kMessagesAbandoned}}},
      {"ringway_large_messages_total",
       "Messages opened or sealed in slices.",
       "",
       {{C::kLargeMessages}}},
      {"ringway_remote_frames_total",
       "Frames handed to another worker because their key has its home there.",
       "",
       {{C::kRemoteFrames}}},
      {"ringway_quick_acks_total", "Quick acks sent.", "", {{C::kQuickAcks}}},
      {"ringway_pushes_total",
       "Messages of shards for clients, by what became of them.",
       "result",
       {{C::kPushesDelivered, "delivered"}, {C::kPushesRefused, "refused"}}},
      {"ringway_back_pressure_pauses_total",
       "Times that a connection had to wait because its shard's window was full.",
       "",
       {{C::kBackPressurePauses}}},
      {"ringway_sessions_opened_total",
       "Sessions that began on this gateway.",
       "",
       {{C::kSessionsOpened}}},
      {"ringway_sessions_closed_total",
       "Sessions whose last connection has ended.",
       "",
       {{C::kSessionsClosed}}},
      {"ringway_session_closes_delayed_total",
       "Ends of sessions that waited for room in their shard's window, or for a shard.",
       "",
       {{C::kSessionClosesDelayed}}},
      {"ringway_turns_total", "Turns of the worker's loop.", "", {{C::kTurns}}},
  };
}

std::vector<CounterFamily> key_families() {
  return {
      {"ringway_key_exchanges_total",
       "Key exchanges by event; started counts those that reached the costly steps.",
       "event",
       {{C::kHandshakesStarted, "started"},
        {C::kHandshakesDone, "done"},
        {C::kHandshakesFailed, "failed"},
        {C::kHandshakesRetried, "retried"},
        {C::kHandshakesEvicted, "evicted"}}},
      {"ringway_key_cache_lookups_total",
       "Look-ups of keys in the worker's cache.",
       "result",
       {{C::kKeyCacheHits, "hit"}, {C::kKeyCacheMisses, "miss"}}},
      {"ringway_key_cache_evictions_total",
       "Keys dropped from the cache for want of room.",
       "",
       {{C::kKeyCacheEvictions}}},
      {"ringway_key_queries_total", "Questions for keys to the shards.", "", {{C::kKeyQueries}}},
      {"ringway_key_query_failures_total",
       "Questions for keys without a key as the answer: the shard does not know it, or gave no "
       "usable answer.",
       "reason",
       {{C::kKeyQueriesUnknown, "unknown_key"}, {C::kKeyQueriesFailed, "no_answer"}}},
      {"ringway_unbound_messages_total",
       "Messages of temporary keys that were not bound: pings answered, messages that need no "
       "answer, calls refused.",
       "kind",
       {{C::kUnboundPings, "ping"},
        {C::kUnboundMessagesIgnored, "ignored"},
        {C::kUnboundCallsRefused, "refused_call"}}},
      {"ringway_binds_total",
       "Bindings of temporary keys: given to a shard, and what became of them.",
       "event",
       {{C::kBindsForwarded, "forwarded"},
        {C::kBindsConfirmed, "confirmed"},
        {C::kBindsRefused, "refused"},
        {C::kBindsTimedOut, "timed_out"}}},
      {"ringway_bindings_changed_total",
       "Temporary keys that were bound to another permanent key.",
       "",
       {{C::kBindingsChanged}}},
      {"ringway_keys_expired_total",
       "Temporary keys that came to their end while in the cache.",
       "",
       {{C::kKeysExpired}}},
  };
}

std::vector<CounterFamily> shard_families() {
  return {
      {"ringway_link_connects_total", "Connections begun to shards.", "", {{C::kConnects}}},
      {"ringway_link_connect_errors_total",
       "Connections to shards that could not be made.",
       "",
       {{C::kConnectErrors}}},
      {"ringway_link_connections_closed_total",
       "Connections to shards that have ended.",
       "",
       {{C::kLinksClosed}}},
      {"ringway_link_received_bytes_total",
       "Bytes received from shards.",
       "",
       {{C::kLinkBytesReceived}}},
      {"ringway_link_sent_bytes_total", "Bytes sent to shards.", "", {{C::kLinkBytesSent}}},
      {"ringway_batches_total", "Batches of messages sent to shards.", "", {{C::kShardBatches}}},
      {"ringway_batched_messages_total",
       "Messages and ends of sessions sent to shards, as often as they were sent.",
       "",
       {{C::kShardMessages}}},
      {"ringway_replays_total",
       "Messages that were sent again: they had not been acknowledged when their link broke or "
       "their key moved.",
       "",
       {{C::kShardReplays}}},
      {"ringway_shards_taken_out_total",
       "Times that a worker took a shard out of its ring for failures in a row.",
       "",
       {{C::kShardsTakenOut}}},
      {"ringway_connections_closed_without_shard_total",
       "Connections closed because no shard took their messages for too long.",
       "",
       {{C::kClosedWithoutShard}}},
      {"ringway_http_calls_total",
       "Calls for HTTP clients to shards, by what became of them; those that were answered are the "
       "rest of the begun ones.",
       "state",
       {{C::kHttpCalls, "begun"},
        {C::kHttpCallsLimited, "refused"},
        {C::kHttpCallsFailed, "failed"},
        {C::kHttpCallsCancelled, "cancelled"}}},
      {"ringway_shards_readmitted_total",
       "Times that such a shard came back.",
       "",
       {{C::kShardsReadmitted}}},
      {"ringway_messages_set_aside_total",
       "Messages that a shard answered with a redirect or with \"later\".",
       "",
       {{C::kMessagesSetAside}}},
      {"ringway_redirects_total",
       "Redirects of shards, by what was done with them.",
       "result",
       {{C::kRedirectsFollowed, "followed"}, {C::kRedirectsRefused, "refused"}}},
      {"ringway_messages_handed_over_total",
       "Messages that went to another shard because their key did: their shard left or failed, or "
       "another one came.",
       "",
       {{C::kMessagesHandedOver}}},
      {"ringway_shard_errors_total",
       "Answers of shards that are errors or make no sense.",
       "",
       {{C::kShardErrors}}},
  };
}

std::vector<CounterFamily> etcd_families() {
  return {
      {"ringway_session_shard_set_changes_total",
       "Changes of the set of session shards in etcd.",
       "",
       {{C::kShardSetChanges}},
       true},
      {"ringway_etcd_loads_total",
       "Times that the session shards were read from etcd as a whole: at the start and after each "
       "lost watch.",
       "",
       {{C::kEtcdLoads}},
       true},
      {"ringway_etcd_errors_total",
       "Calls to etcd that failed, and watches that ended.",
       "",
       {{C::kEtcdErrors}},
       true},
      {"ringway_etcd_values_refused_total",
       "Keys in etcd whose value is no address of a session shard.",
       "",
       {{C::kEtcdValuesRefused}},
       true},
      {"ringway_etcd_leases_total",
       "Leases taken for this gateway's own key: more than one means that one was lost.",
       "",
       {{C::kEtcdLeases}},
       true},
      {"ringway_etcd_registrations_total",
       "Times that this gateway's own key was written.",
       "",
       {{C::kEtcdRegistrations}},
       true},
  };
}

void append(std::vector<CounterFamily>& all, std::vector<CounterFamily> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<CounterFamily> described_families() {
  std::vector<CounterFamily> all = connection_families();
  append(all, door_families());
  append(all, message_families());
  append(all, key_families());
  append(all, shard_families());
  append(all, etcd_families());
  return all;
}

std::vector<CounterFamily> all_families() {
  std::vector<CounterFamily> all = described_families();
  const std::vector<Counter> described = described_counters();
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    if (std::find(described.begin(), described.end(), counter) != described.end()) continue;
    all.push_back({fmt::format("ringway_{}_total", counter_name(counter)),
                   fmt::format("The counter {}.", counter_name(counter)),
                   "",
                   {{counter}}});
  }
  return all;
}

}  // namespace

const std::vector<CounterFamily>& counter_families() {
  static const auto* families = new std::vector<CounterFamily>(all_families());
  return *families;
}

std::vector<Counter> described_counters() {
  std::vector<Counter> described;
  for (const CounterFamily& family : described_families()) {
    for (const CounterFamily::Series& series : family.series) described.push_back(series.counter);
  }
  return described;
}

}  // namespace ringway::metrics
