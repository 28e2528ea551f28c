// proxy/limits: what callers may take of the proxy, and how much of it waits.
//
// Immutable numbers of this room. Sizes are bytes, times nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::proxy {

// Messages, both ways.
inline constexpr size_t kMessageBytesMax = size_t{16} << 20;
static_assert(kMessageBytesMax == kTranscodedBytesMax);
// A thread's conversion buffer that has grown above this is given back.
inline constexpr size_t kKeptBufferBytesMax = size_t{256} << 10;

// Calls that wait, per client (a token, or a connection without one) and in a session.
inline constexpr size_t kQueuedCallsPerClientMax = 256;
inline constexpr size_t kQueuedBytesPerClientMax = size_t{16} << 20;
inline constexpr size_t kQueuedCallsMax = 65536;
inline constexpr size_t kQueuedBytesMax = size_t{256} << 20;
// Calls that the server has not answered yet. Uploads and downloads have places of their own, so
// that files hold up nothing else.
inline constexpr size_t kCallsInFlightMax = 64;
inline constexpr size_t kCallsInFlightPerClientMax = 16;
inline constexpr size_t kTransfersInFlightMax = 32;
inline constexpr size_t kTransfersInFlightPerClientMax = 8;
// What a client may send each time that its turn comes; a smaller call counts as much, so that
// small calls of all clients take turns one by one.
inline constexpr int64_t kQuantumBytes = 1024;
inline constexpr int64_t kDefaultCallTimeoutNs = 60 * kNsPerSecond;
// How often calls that wait are looked through for passed deadlines that no client watches.
inline constexpr int64_t kQueueSweepNs = kNsPerSecond;

// The server as a whole.
inline constexpr int kExpectedCalls = 128;  // that gRPC may bring before the first is looked at
inline constexpr int kStreamsPerConnectionMax = 2048;
inline constexpr size_t kServerMemoryBytesMax = size_t{1} << 30;
inline constexpr int kKeepaliveTimeMs = 60'000;
inline constexpr int kKeepaliveTimeoutMs = 20'000;
// A client that pings more often than that is told to go away.
inline constexpr int kClientPingIntervalMinMs = 10'000;
inline constexpr int64_t kStopTimeoutNs = 5 * kNsPerSecond;

// What servers say in errors, as far as it is passed on.
inline constexpr size_t kErrorTextBytesMax = 256;

// The journal of a session's updates, and who listens.
inline constexpr size_t kJournalEventsMax = 10'000;
inline constexpr size_t kJournalBytesMax = size_t{64} << 20;
inline constexpr size_t kListenersMax = 10'000;
inline constexpr size_t kListenersPerCallerMax = 1'000;
inline constexpr size_t kListenTypesMax = 256;
inline constexpr int64_t kHeartbeatNs = 30 * kNsPerSecond;
// How often listeners are looked through for those that need a heartbeat.
inline constexpr int64_t kHeartbeatLookNs = kNsPerSecond;

// Token files. Sessions are named as tokens are.
inline constexpr size_t kTokenFileBytesMax = size_t{1} << 20;
inline constexpr size_t kTokensMax = 4096;
inline constexpr size_t kTokenBytesMin = 16;
inline constexpr size_t kTokenBytesMax = 512;
inline constexpr size_t kTokenNameBytesMax = 64;
inline constexpr size_t kGlobsPerTokenMax = 64;

}  // namespace ringway::proxy
