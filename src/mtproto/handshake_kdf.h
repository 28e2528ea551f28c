// mtproto/handshake_kdf: the hashes and the temporary cipher of the key exchange, for both sides.
//
// Pure; any thread. Formulas: https://core.telegram.org/mtproto/auth_key
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aes_ige.h"
#include "mtproto/handshake_wire.h"

namespace ringway::mtproto {

// Where unpredictable bytes come from: crypto::random_bytes, but in tests of known answers.
using RandomSource = void (*)(ByteSpan out) noexcept;

// tmp_aes_key and tmp_aes_iv, which hide the two DH messages.
void derive_tmp_key_iv(const NewNonce& new_nonce, const Nonce& server_nonce,
                       crypto::IgeKeyIv& out) noexcept;

// new_nonce_hash1, 2 or 3. `aux_hash` is auth_key_aux_hash() of the key.
[[nodiscard]] Nonce new_nonce_hash(const NewNonce& new_nonce, DhGen result,
                                   int64_t aux_hash) noexcept;

// The key's first salt.
[[nodiscard]] int64_t initial_salt(const NewNonce& new_nonce, const Nonce& server_nonce) noexcept;

// SHA-1(object) | object | 0..15 random bytes, encrypted.
[[nodiscard]] Bytes seal_with_hash(ByteView object, const crypto::IgeKeyIv& key_iv,
                                   RandomSource random);

// Decrypts what seal_with_hash() made and gives it back whole; kBadLength when `sealed` is no whole
// number of blocks, too short for a hash and a constructor, or above kUnencryptedBytesMax.
Result<Bytes> open_with_hash(ByteView sealed, const crypto::IgeKeyIv& key_iv);
inline constexpr size_t kHashBytes = 20;
// Whether `opened` is the hash of the object of `object_bytes` behind it, and under 16 bytes of
// padding.
[[nodiscard]] bool hash_matches(ByteView opened, size_t object_bytes) noexcept;

}  // namespace ringway::mtproto
