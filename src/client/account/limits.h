// client/account/limits: how much an account holds at once, and how long it waits for things.
//
// Only this room uses them; what the whole client role shares is in base/limits.h. What bites is
// told by the call that it hits (CallOutcome) or counted (AccountCounts).
#pragma once

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::client {

// Calls that are not done. A session's own messages (pings, a binding) want room beside them.
inline constexpr size_t kAccountCallsMax = kClientPendingMax - 96;
static_assert(kAccountCallsMax > 1000);
inline constexpr size_t kAccountCallBytesMax = 64 * 1024 * 1024;  // of them
// Calls that were given up after they were sent: how long the server may take to say that it is
// done, and how many are remembered; beyond that they count as settled.
inline constexpr int64_t kCallSettleNs = 60 * kNsPerSecond;
inline constexpr size_t kSettlingCallsMax = 1024;
inline constexpr int kCallRedirectsMax = 3;
// Of one call, by answers that say that it was not processed.
inline constexpr int kCallRepeatsMax = 5;
inline constexpr size_t kOpenWaitsMax = 1024;
inline constexpr size_t kWaitReleasesMax = 16;            // of held calls, by one answer
inline constexpr size_t kDcAddressesMax = 32;             // of one DC
inline constexpr size_t kDcsMax = 64;                     // known at once
inline constexpr int64_t kDcIdleNs = 300 * kNsPerSecond;  // then a link that is not main is closed
inline constexpr int64_t kStateSaltPeriodNs = 60 * kNsPerSecond;

inline constexpr size_t kLookupsMax = 16;  // names that are looked up at a time

// One link.
inline constexpr int64_t kLinkConnectNs = 10 * kNsPerSecond;
inline constexpr int64_t kLinkKeyExchangeNs = 30 * kNsPerSecond;
inline constexpr int64_t kLinkBindNs = 30 * kNsPerSecond;
inline constexpr int64_t kLinkPingNs = 60 * kNsPerSecond;
inline constexpr int32_t kLinkDisconnectDelaySeconds = 75;  // the server's patience between pings
inline constexpr int64_t kLinkSilenceNs = 90 * kNsPerSecond;
inline constexpr int64_t kBackoffFirstNs = 100 * kNsPerMs;
inline constexpr int64_t kBackoffMaxNs = 30 * kNsPerSecond;
inline constexpr size_t kLinkReadBytes = 64 * 1024;
inline constexpr size_t kLinkReadsPerTurn = 16;
inline constexpr size_t kLinkSendBytesMax = 8 * 1024 * 1024;  // more stays in the session
inline constexpr int kKeyRefusalsMax = 2;                     // -404 in a row for a permanent key
inline constexpr int kBindRefusalsMax = 3;                    // then the permanent key is looked at
inline constexpr int32_t kTemporaryKeyRenewPercent = 80;
// A temporary key that was replaced keeps its link so long for the calls that it still has.
inline constexpr int64_t kRetiredLinkNs = 60 * kNsPerSecond;

// What is stored, and signing in.
inline constexpr size_t kCredentialsBytesMax = 4095;  // mtprotod reads no more
inline constexpr size_t kCredentialsStateBytesMax = 1 << 20;
inline constexpr size_t kCredentialsSealBytes = 64;  // what sealing adds to a file, and some more
inline constexpr size_t kCredentialsKeysMax = 64;    // of DCs

inline constexpr int kSignInTriesMax = 3;           // of a code, and of a password
inline constexpr int kSignInTokensMax = 20;         // of QR codes, one after the other
inline constexpr int64_t kSignInTokenSeconds = 25;  // that one is shown

}  // namespace ringway::client
