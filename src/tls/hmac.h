// tls/hmac: HMAC-SHA256 (RFC 2104) with the 16-byte keys of fake TLS.
//
// Pure functions; any thread. The time depends on the lengths alone. Nothing of what is passed in
// is kept, and what was made of a key is overwritten.
#pragma once

#include <initializer_list>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/sha.h"

namespace ringway::tls {

inline constexpr size_t kHmacKeyBytes = 16;
using HmacKey = Secret<kHmacKeyBytes>;

// The code of the concatenation of `parts`.
[[nodiscard]] crypto::Sha256Digest hmac_sha256(const HmacKey& key,
                                               std::initializer_list<ByteView> parts) noexcept;

// The codes of one text under several keys, worked off side by side: digests[i] is keys[i]'s.
// At most kHmacBatchMax keys.
inline constexpr size_t kHmacBatchMax = 16;
void hmac_sha256_many(std::span<const HmacKey* const> keys, ByteView text,
                      std::span<crypto::Sha256Digest> digests) noexcept;

}  // namespace ringway::tls
