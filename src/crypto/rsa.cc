#include "crypto/rsa.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <array>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/openssl_ptr.h"
#include "crypto/random.h"
#include "crypto/sha.h"

namespace ringway::crypto {
namespace {

constexpr size_t kRsaBits = kRsaBytes * 8;
constexpr size_t kPemBytesMax = 64 * 1024;

using DecoderCtxPtr = std::unique_ptr<OSSL_DECODER_CTX, OpensslFree<OSSL_DECODER_CTX_free>>;
using EncoderCtxPtr = std::unique_ptr<OSSL_ENCODER_CTX, OpensslFree<OSSL_ENCODER_CTX_free>>;

// Without this, OpenSSL would ask for the password of an encrypted key on the terminal.
int refuse_password(char*, int, int, void*) { return -1; }

int refuse_passphrase(char*, size_t, size_t*, const OSSL_PARAM*, void*) { return 0; }

BnPtr number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return nullptr;
  return BnPtr(raw);
}

// Any of the four PEM forms; null when it is none of them.
PkeyPtr decode(std::string_view pem) {
  EVP_PKEY* raw = nullptr;
  // Selection 0 and no structure: private or public, PKCS #1, PKCS #8 or SubjectPublicKeyInfo.
  DecoderCtxPtr context(
      OSSL_DECODER_CTX_new_for_pkey(&raw, "PEM", nullptr, "RSA", 0, nullptr, nullptr));
  if (context == nullptr) return nullptr;
  OSSL_DECODER_CTX_set_passphrase_cb(context.get(), refuse_passphrase, nullptr);
  OSSL_DECODER_CTX_set_pem_password_cb(context.get(), refuse_password, nullptr);
  const auto* bytes = reinterpret_cast<const unsigned char*>(pem.data());
  size_t size = pem.size();
  const bool decoded = OSSL_DECODER_from_data(context.get(), &bytes, &size) == 1;
  PkeyPtr key(raw);
  ERR_clear_error();
  if (!decoded) return nullptr;
  return key;
}

std::string encode(const EVP_PKEY* key, int selection) {
  // "type-specific" is OpenSSL's name for PKCS #1 here.
  EncoderCtxPtr context(
      OSSL_ENCODER_CTX_new_for_pkey(key, selection, "PEM", "type-specific", nullptr));
  RW_ASSERT(context != nullptr);
  unsigned char* data = nullptr;
  size_t size = 0;
  RW_ASSERT(OSSL_ENCODER_to_data(context.get(), &data, &size) == 1);
  std::string pem(reinterpret_cast<const char*>(data), size);
  OPENSSL_clear_free(data, size);
  return pem;
}

// A TL string: its length in one or four bytes, the data, zeros up to a multiple of four.
void append_tl_string(Bytes& out, ByteView value) {
  ByteAppender append(out);
  if (value.size() < 254) {
    append.u8(static_cast<uint8_t>(value.size()));
  } else {
    append.u32(static_cast<uint32_t>(value.size()) << 8 | 0xfe);
  }
  append.bytes(value);
  while (out.size() % 4 != 0) append.u8(0);
}

uint64_t fingerprint_of(const BIGNUM* n, const BIGNUM* e) {
  Bytes serialized;
  for (const BIGNUM* number : {n, e}) {
    Bytes minimal(static_cast<size_t>(BN_num_bytes(number)));
    BN_bn2bin(number, minimal.data());
    append_tl_string(serialized, minimal);
  }
  const Sha1Digest digest = sha1({serialized});
  return load_le<uint64_t>(digest.data() + 12);
}

// A context of the private operation, kept by each thread for the key that it used last: making one
// looks the algorithm up among OpenSSL's providers. It keeps the key alive. Null when OpenSSL
// refuses.
EVP_PKEY_CTX* decrypt_context(EVP_PKEY* key) {
  thread_local PkeyCtxPtr kept;
  if (kept != nullptr && EVP_PKEY_CTX_get0_pkey(kept.get()) == key) return kept.get();
  kept.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (kept == nullptr || EVP_PKEY_decrypt_init(kept.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(kept.get(), RSA_NO_PADDING) != 1) {
    kept = nullptr;
  }
  return kept.get();
}

}  // namespace

struct RsaKey::Impl {
  PkeyPtr key;
  bool has_private = false;
  uint64_t fingerprint = 0;
  std::array<uint8_t, kRsaBytes> modulus{};

  // False when the key is not one that we serve.
  bool describe() {
    if (EVP_PKEY_is_a(key.get(), "RSA") != 1) return false;
    if (EVP_PKEY_get_bits(key.get()) != static_cast<int>(kRsaBits)) return false;
    const BnPtr n = number_of(key.get(), OSSL_PKEY_PARAM_RSA_N);
    const BnPtr e = number_of(key.get(), OSSL_PKEY_PARAM_RSA_E);
    if (n == nullptr || e == nullptr || BN_is_odd(n.get()) == 0 || BN_is_odd(e.get()) == 0 ||
        BN_is_one(e.get()) != 0) {
      return false;
    }
    if (BN_bn2binpad(n.get(), modulus.data(), kRsaBytes) != static_cast<int>(kRsaBytes)) {
      return false;
    }
    fingerprint = fingerprint_of(n.get(), e.get());
    has_private = number_of(key.get(), OSSL_PKEY_PARAM_RSA_D) != nullptr;
    ERR_clear_error();
    return true;
  }
};

RsaKey::RsaKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RsaKey::~RsaKey() = default;

Result<std::shared_ptr<const RsaKey>> RsaKey::from_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return Error::kMalformed;
  auto impl = std::make_unique<Impl>();
  impl->key = decode(pem);
  if (impl->key == nullptr || !impl->describe()) return Error::kMalformed;
  std::shared_ptr<const RsaKey> key(new RsaKey(std::move(impl)));
  if (!key->has_private()) return key;

  // A damaged private key would fail every key exchange; better to notice it here.
  Secret<kRsaBytes> probe;
  random_bytes(probe.span().subspan(1));  // a leading zero keeps it below the modulus
  Secret<kRsaBytes> raised;
  Secret<kRsaBytes> back;
  if (!key->public_raw(probe.view(), raised.span()).ok() ||
      !key->private_raw(raised.view(), back.span()).ok() ||
      !equal_constant_time(probe.view(), back.view())) {
    return Error::kMalformed;
  }
  return key;
}

std::shared_ptr<const RsaKey> RsaKey::generate() {
  auto impl = std::make_unique<Impl>();
  impl->key = PkeyPtr(EVP_RSA_gen(kRsaBits));  // OpenSSL's default exponent is 65537
  RW_ASSERT(impl->key != nullptr);
  RW_ASSERT(impl->describe());
  return std::shared_ptr<const RsaKey>(new RsaKey(std::move(impl)));
}

bool RsaKey::has_private() const noexcept { return impl_->has_private; }

std::string RsaKey::private_pem() const {
  RW_ASSERT(has_private());
  return encode(impl_->key.get(), EVP_PKEY_KEYPAIR);
}

std::string RsaKey::public_pem() const { return encode(impl_->key.get(), EVP_PKEY_PUBLIC_KEY); }

uint64_t RsaKey::fingerprint() const noexcept { return impl_->fingerprint; }

std::span<const uint8_t, kRsaBytes> RsaKey::modulus() const noexcept { return impl_->modulus; }

Result<void> RsaKey::private_raw(std::span<const uint8_t, kRsaBytes> in,
                                 std::span<uint8_t, kRsaBytes> out) const {
  if (!has_private()) return Error::kInvalidArgument;
  // Equal lengths, big-endian: comparing bytes compares numbers.
  if (std::memcmp(in.data(), impl_->modulus.data(), kRsaBytes) >= 0) return Error::kBadRsa;
  // OpenSSL blinds every private operation of a key that does not forbid it.
  EVP_PKEY_CTX* context = decrypt_context(impl_->key.get());
  size_t size = kRsaBytes;
  if (context == nullptr ||
      EVP_PKEY_decrypt(context, out.data(), &size, in.data(), in.size()) != 1 ||
      size != kRsaBytes) {
    ERR_clear_error();
    return Error::kBadRsa;
  }
  return {};
}

Result<void> RsaKey::public_raw(std::span<const uint8_t, kRsaBytes> in,
                                std::span<uint8_t, kRsaBytes> out) const {
  if (std::memcmp(in.data(), impl_->modulus.data(), kRsaBytes) >= 0) return Error::kBadRsa;
  PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
  size_t size = kRsaBytes;
  if (context == nullptr || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), out.data(), &size, in.data(), in.size()) != 1 ||
      size != kRsaBytes) {
    ERR_clear_error();
    return Error::kBadRsa;
  }
  return {};
}

}  // namespace ringway::crypto
