// crypto/openssl_ptr: owning pointers for the OpenSSL objects that this room uses, and numbers.
// Only for .cc files of this room, of tls, and of their tests and benchmarks.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>

#include <memory>

#include "base/assert.h"
#include "base/bytes.h"

namespace ringway::crypto {

template <auto kFree>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
// BN_clear_free overwrites the number: many of ours are secret.
using BnPtr = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;
using BnCtxPtr = std::unique_ptr<BN_CTX, OpensslFree<BN_CTX_free>>;
using MontPtr = std::unique_ptr<BN_MONT_CTX, OpensslFree<BN_MONT_CTX_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using PkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;

// A number from its big-endian bytes.
inline BnPtr bn_of(ByteView bytes) noexcept {
  BnPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  RW_ASSERT(number != nullptr);
  return number;
}

}  // namespace ringway::crypto
