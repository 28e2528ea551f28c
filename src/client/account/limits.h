// client/account/limits: the bounds of this room.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringway::client {

inline constexpr size_t kCredentialsBytesMax = 4095;  // mtprotod reads no more
inline constexpr size_t kCredentialsStateBytesMax = 1 << 20;
inline constexpr size_t kCredentialsSealBytes = 64;  // what sealing adds to a file, and some more
inline constexpr size_t kCredentialsKeysMax = 64;    // of DCs

inline constexpr int kSignInTriesMax = 3;              // of a code, and of a password
inline constexpr int kSignInTokensMax = 20;            // of QR codes, one after the other
inline constexpr int64_t kSignInTokenSecondsMax = 60;  // that one is shown

}  // namespace ringway::client
