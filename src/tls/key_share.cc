#include "tls/key_share.h"

#include <openssl/evp.h>

#include "base/assert.h"
#include "crypto/openssl_ptr.h"

namespace ringway::tls {

KeyShare draw_key_share() {
  const crypto::PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  RW_ASSERT(key != nullptr);
  KeyShare share{};
  size_t size = share.size();
  RW_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), share.data(), &size) == 1);
  return share;
}

}  // namespace ringway::tls
