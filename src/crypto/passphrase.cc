#include "crypto/passphrase.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/openssl_ptr.h"
#include "crypto/random.h"

namespace ringway::crypto {
namespace {

using CipherCtxPtr = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>>;
using KdfPtr = std::unique_ptr<EVP_KDF, OpensslFree<EVP_KDF_free>>;
using KdfCtxPtr = std::unique_ptr<EVP_KDF_CTX, OpensslFree<EVP_KDF_CTX_free>>;
using Key = Secret<32>;

constexpr std::array<uint8_t, 8> kMagic = {'R', 'W', 'S', 'E', 'C', '1', 0, 0};
constexpr uint8_t kScrypt = 1;
constexpr size_t kCostAt = kMagic.size();
constexpr size_t kSaltAt = kCostAt + 4;
constexpr size_t kSaltBytes = 16;
constexpr size_t kNonceAt = kSaltAt + kSaltBytes;
constexpr size_t kNonceBytes = 12;
constexpr size_t kHeaderBytes = kNonceAt + kNonceBytes;
constexpr size_t kTagBytes = 16;

struct Cost {
  uint8_t log2_n = 15;
  uint8_t r = 8;
  uint8_t p = 1;

  // What a file may ask for: 128 MiB and a few seconds.
  [[nodiscard]] bool allowed() const noexcept {
    // N below 2^(16 r) is scrypt's own condition.
    return log2_n >= 10 && log2_n <= 17 && r >= 1 && r <= 8 && p >= 1 && p <= 4 && log2_n < 16 * r;
  }
};

Key derive(ByteView passphrase, ByteView salt, Cost cost) {
  const KdfPtr kdf(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr));
  RW_ASSERT(kdf != nullptr);
  const KdfCtxPtr context(EVP_KDF_CTX_new(kdf.get()));
  RW_ASSERT(context != nullptr);
  uint64_t n = uint64_t{1} << cost.log2_n;
  uint32_t r = cost.r;
  uint32_t p = cost.p;
  uint64_t memory_max = uint64_t{256} << 20;
  // OpenSSL reads through pointers that are not const; an empty passphrase needs one as well.
  static uint8_t nothing = 0;
  auto* const pass = passphrase.empty() ? &nothing : const_cast<uint8_t*>(passphrase.data());
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, pass, passphrase.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt.data()),
                                        salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max),
      OSSL_PARAM_construct_end()};
  Key key;
  RW_ASSERT(EVP_KDF_derive(context.get(), key.data(), key.size(), params) == 1);
  return key;
}

CipherCtxPtr begin(const Key& key, ByteView header, bool sealing) {
  CipherCtxPtr cipher(EVP_CIPHER_CTX_new());
  RW_ASSERT(cipher != nullptr);
  // The length of the nonce is GCM's own default.
  RW_ASSERT(EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(),
                              header.subspan(kNonceAt).data(), sealing ? 1 : 0) == 1);
  int length = 0;
  RW_ASSERT(EVP_CipherUpdate(cipher.get(), nullptr, &length, header.data(),
                             static_cast<int>(kHeaderBytes)) == 1);
  return cipher;
}

}  // namespace

bool is_passphrase_sealed(ByteView sealed) noexcept {
  return sealed.size() >= kMagic.size() && std::equal(kMagic.begin(), kMagic.end(), sealed.begin());
}

Bytes seal_with_passphrase(ByteView plain, ByteView passphrase) {
  const Cost cost;
  Bytes sealed(kHeaderBytes + plain.size() + kTagBytes);
  std::copy(kMagic.begin(), kMagic.end(), sealed.begin());
  const std::array<uint8_t, 4> costs = {kScrypt, cost.log2_n, cost.r, cost.p};
  std::copy(costs.begin(), costs.end(), sealed.begin() + kCostAt);
  const ByteSpan all(sealed);
  random_bytes(all.subspan(kSaltAt, kSaltBytes + kNonceBytes));
  const Key key = derive(passphrase, all.subspan(kSaltAt, kSaltBytes), cost);
  const CipherCtxPtr cipher = begin(key, all.first(kHeaderBytes), true);
  int length = 0;
  uint8_t* const text = all.subspan(kHeaderBytes).data();
  RW_ASSERT(EVP_CipherUpdate(cipher.get(), text, &length, plain.data(),
                             static_cast<int>(plain.size())) == 1);
  RW_ASSERT(EVP_CipherFinal_ex(cipher.get(), text + length, &length) == 1);
  RW_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                all.last(kTagBytes).data()) == 1);
  return sealed;
}

Result<Bytes> open_with_passphrase(ByteView sealed, ByteView passphrase) {
  if (!is_passphrase_sealed(sealed) || sealed.size() < kHeaderBytes + kTagBytes) {
    return Error::kMalformed;
  }
  const Cost cost{sealed[kCostAt + 1], sealed[kCostAt + 2], sealed[kCostAt + 3]};
  if (sealed[kCostAt] != kScrypt || !cost.allowed()) return Error::kMalformed;
  const Key key = derive(passphrase, sealed.subspan(kSaltAt, kSaltBytes), cost);
  const CipherCtxPtr cipher = begin(key, sealed.first(kHeaderBytes), false);
  const ByteView text = sealed.subspan(kHeaderBytes, sealed.size() - kHeaderBytes - kTagBytes);
  std::array<uint8_t, kTagBytes> tag{};
  std::copy_n(sealed.last(kTagBytes).begin(), kTagBytes, tag.begin());
  Bytes plain(text.size());
  int length = 0;
  RW_ASSERT(EVP_CipherUpdate(cipher.get(), plain.data(), &length, text.data(),
                             static_cast<int>(text.size())) == 1);
  RW_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  if (EVP_CipherFinal_ex(cipher.get(), plain.data() + length, &length) != 1) {
    cleanse(plain.data(), plain.size());
    return Error::kNotAllowed;
  }
  return plain;
}

}  // namespace ringway::crypto
