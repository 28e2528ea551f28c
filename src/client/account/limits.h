// client/account/limits: the bounds of this room.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringway::client {

inline constexpr size_t kCredentialsBytesMax = 4095;  // mtprotod reads no more
inline constexpr size_t kCredentialsStateBytesMax = 1 << 20;
inline constexpr size_t kCredentialsSealBytes = 64;  // what sealing adds to a file, and some more
inline constexpr size_t kCredentialsKeysMax = 64;    // of DCs

}  // namespace ringway::client
