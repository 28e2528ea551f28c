// client/account/updates_limits: the bounds and waits of an account's updates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace ringway::client {

inline constexpr size_t kUpdatesChannelsMax =
    10'000;                                          // whose pts is known; the longest unseen goes
inline constexpr size_t kUpdatesPeersMax = 200'000;  // users and chats that are known to be known
inline constexpr size_t kUpdatesHeldMax = 2000;      // that wait for what comes before them
inline constexpr size_t kUpdatesHeldBytesMax = 8 * 1024 * 1024;
inline constexpr size_t kUpdatesChannelCallsMax = 8;  // getChannelDifference at a time
inline constexpr size_t kUpdatesStateBytesMax = 1024 * 1024;
inline constexpr int32_t kUpdatesChannelLimit = 100;  // messages of one getChannelDifference
inline constexpr int32_t kUpdatesBotChannelLimit = 100'000;

inline constexpr int64_t kUpdatesHoldNs = 500 * kNsPerMs;         // before a gap is believed
inline constexpr int64_t kUpdatesSilenceNs = 900 * kNsPerSecond;  // before we ask by ourselves
inline constexpr int64_t kUpdatesRetryFirstNs = kNsPerSecond;     // doubled with every failure
inline constexpr int64_t kUpdatesRetryMaxNs = 60 * kNsPerSecond;
// Between two stored states; sealing one costs a tenth of a second.
inline constexpr int64_t kUpdatesStoreNs = kNsPerSecond;
inline constexpr int64_t kUpdatesSealedStoreNs = 30 * kNsPerSecond;
inline constexpr int64_t kUpdatesTimeoutMaxSeconds = 600;  // that a server may ask between slices

}  // namespace ringway::client
