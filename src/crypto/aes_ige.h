// crypto/aes_ige: AES-256 in infinite garble extension mode.
//
// c[i] = E(p[i] ^ c[i-1]) ^ p[i-1]; the 32-byte iv is c[-1] followed by p[-1]. IGE is serial inside
// one message, so the batch calls take many messages and kernels run them side by side. All work is
// in place; data sizes are multiples of 16 (the caller has checked). The batch calls work on any
// thread and keep nothing of what they are given; an IgeStream belongs to one thread at a time.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/secret.h"

namespace ringway::crypto {

inline constexpr size_t kAesBlockBytes = 16;

struct IgeKeyIv {
  Secret<32> key;
  Secret<32> iv;
};

struct IgeJob {
  const IgeKeyIv* key_iv = nullptr;
  ByteSpan data;
};

void ige_decrypt_many(std::span<const IgeJob> jobs) noexcept;
void ige_encrypt_many(std::span<const IgeJob> jobs) noexcept;

// One message in pieces, for messages that are worked off over several turns.
enum class IgeDirection : uint8_t { kDecrypt, kEncrypt };
class IgeStream {
 public:
  IgeStream(const IgeKeyIv& key_iv, IgeDirection direction) noexcept;
  // data.size() % 16 == 0; in place.
  void update(ByteSpan data) noexcept;

 private:
  IgeKeyIv state_;  // the iv moves along with the data
  IgeDirection direction_;
};

}  // namespace ringway::crypto
