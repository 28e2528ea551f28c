// client/session_limits: the bounds of one session as a client holds it. Those that others share
// are in base/limits.h (kClient...).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::client {

inline constexpr size_t kSessionContainerMessagesMax = 1000;  // that we send, acks included
inline constexpr size_t kSessionIdsPerRequestMax = 1000;      // of msgs_state_req, msg_resend_req
inline constexpr size_t kSessionResendsOwedMax = 1000;        // that the server asked for at once
inline constexpr size_t kSessionDroppedMax = 1024;  // dropped calls whose results are recognised
inline constexpr size_t kSessionDropsMax = 256;     // rpc_drop_answer whose answers are awaited
inline constexpr size_t kSessionSaltsMax = 64;      // that are kept of future_salts
inline constexpr int32_t kSessionSaltsAsked = 32;   // with one get_future_salts
inline constexpr size_t kSessionGzipDepthMax = 2;   // gzip_packed in gzip_packed
// All that is unpacked of one frame; one object may take kClientInflateBytesMax of it.
inline constexpr size_t kSessionFrameInflateBytesMax = 4 * kClientInflateBytesMax;
inline constexpr size_t kSessionStatementsMax = 256;  // of its own that wait to be sent
inline constexpr int kSessionFaultsMax = 2;           // a message the server calls faulty so often

// A server that knows msgs_state_req answers it at once; one that lets this pass twice does not.
inline constexpr int64_t kSessionStateWaitNs = 5 * kNsPerSecond;
inline constexpr int kSessionStateTriesMax = 2;
inline constexpr int64_t kSessionServiceWaitNs = 60 * kNsPerSecond;  // other questions of its own
inline constexpr int64_t kSessionSaltsPauseNs = 60 * kNsPerSecond;   // between get_future_salts
inline constexpr int64_t kSessionSaltMarginNs = 60 * kNsPerSecond;   // before valid_until

// How far a server's msg_id may be from its clock as we know it.
inline constexpr int64_t kSessionPastMaxNs = 300 * kNsPerSecond;
inline constexpr int64_t kSessionFutureMaxNs = 30 * kNsPerSecond;
// The wall clock and the monotonic one part by more than this: somebody set the clock, or the
// machine slept.
inline constexpr int64_t kSessionClockStepNs = 2 * kNsPerSecond;

static_assert(kSessionContainerMessagesMax <= kClientContainerMessagesMax);
static_assert(kSessionDropsMax < kClientPendingMax);

}  // namespace ringway::client
