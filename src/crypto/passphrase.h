// crypto/passphrase: bytes that only a passphrase opens: scrypt and AES-256-GCM.
//
// "RWSEC1" 00 00 | kdf = 1 | log2 N | r | p | salt 16 | nonce 12 | ciphertext | tag 16, and all
// that stands before the ciphertext is authenticated with it. A call takes 32 MiB and a tenth of a
// second: at start and when a file is saved, never on a thread that serves. Any thread.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::crypto {

[[nodiscard]] bool is_passphrase_sealed(ByteView sealed) noexcept;

[[nodiscard]] Bytes seal_with_passphrase(ByteView plain, ByteView passphrase);
// kMalformed: it is no such thing, or of a kind or cost that is not served. kNotAllowed: another
// passphrase, or bytes that somebody changed.
[[nodiscard]] Result<Bytes> open_with_passphrase(ByteView sealed, ByteView passphrase);

}  // namespace ringway::crypto
