#include "crypto/srp.h"

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.h"
#include "crypto/openssl_ptr.h"

namespace ringway::crypto {
namespace {

constexpr int kRounds = 100'000;

Sha256Digest salted(ByteView data, ByteView salt) noexcept { return sha256({salt, data, salt}); }

// g as a number of 256 bytes.
SrpNumber generator(const DhGroup& group) noexcept {
  SrpNumber number{};
  number.back() = static_cast<uint8_t>(group.g);
  return number;
}

SrpNumber bytes_of(const BIGNUM* number) noexcept {
  SrpNumber bytes;
  RW_ASSERT(BN_bn2binpad(number, bytes.data(), kDhBytes) == static_cast<int>(kDhBytes));
  return bytes;
}

struct Modulus {
  BnPtr prime;
  BnCtxPtr scratch{BN_CTX_new()};
  BnPtr result{BN_new()};

  explicit Modulus(const DhGroup& group) noexcept : prime(bn_of(group.prime)) {
    RW_ASSERT(scratch != nullptr);
    RW_ASSERT(result != nullptr);
  }
};

// M1 of the secret S that both sides share.
Sha256Digest prove(const DhGroup& group, SrpNumber shared, const SrpSalts& salts,
                   const SrpNumber& a, const SrpNumber& b) noexcept {
  Sha256Digest key = sha256({shared});
  const Sha256Digest hash_p = sha256({group.prime});
  Sha256Digest mixed = sha256({generator(group)});
  std::transform(mixed.begin(), mixed.end(), hash_p.begin(), mixed.begin(),
                 [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x ^ y); });
  const Sha256Digest proof =
      sha256({mixed, sha256({salts.first}), sha256({salts.second}), a, b, key});
  cleanse(shared.data(), shared.size());
  cleanse(key.data(), key.size());
  return proof;
}

}  // namespace

SrpSecret srp_secret(ByteView password, const SrpSalts& salts) noexcept {
  const Sha256Digest inner = salted(salted(password, salts.first), salts.second);
  Secret<64> slow;
  RW_ASSERT(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(inner.data()),
                              static_cast<int>(inner.size()), salts.first.data(),
                              static_cast<int>(salts.first.size()), kRounds, EVP_sha512(),
                              static_cast<int>(slow.size()), slow.data()) == 1);
  return SrpSecret(salted(slow.view(), salts.second));
}

SrpNumber srp_verifier(const SrpSecret& secret, const DhGroup& group) noexcept {
  SrpNumber verifier;
  dh_public(group, secret.view(), verifier);
  return verifier;
}

SrpNumber srp_challenge(const SrpNumber& verifier, ByteView b, const DhGroup& group) noexcept {
  const Sha256Digest multiplier = sha256({group.prime, generator(group)});
  SrpNumber power;
  dh_public(group, b, power);
  Modulus modulus(group);
  const BnPtr k = bn_of(multiplier);
  const BnPtr v = bn_of(verifier);
  const BnPtr g_b = bn_of(power);
  RW_ASSERT(BN_mod_mul(modulus.result.get(), k.get(), v.get(), modulus.prime.get(),
                       modulus.scratch.get()) == 1);
  RW_ASSERT(BN_mod_add(modulus.result.get(), modulus.result.get(), g_b.get(), modulus.prime.get(),
                       modulus.scratch.get()) == 1);
  return bytes_of(modulus.result.get());
}

Result<Sha256Digest> srp_proof(const SrpNumber& verifier, const SrpSalts& salts, ByteView b,
                               ByteView client_value, const DhGroup& group) noexcept {
  if (!dh_value_in_range(group, client_value)) return Error::kBadDh;
  const BnPtr a = bn_of(client_value);
  const SrpNumber a_bytes = bytes_of(a.get());
  const SrpNumber challenge = srp_challenge(verifier, b, group);
  // S = (A * v^u)^b.
  const BnPtr u = bn_of(sha256({a_bytes, challenge}));
  const BnPtr v = bn_of(verifier);
  const BnPtr secret = bn_of(b);
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  Modulus modulus(group);
  BIGNUM* const s = modulus.result.get();
  BN_CTX* const scratch = modulus.scratch.get();
  const BIGNUM* const p = modulus.prime.get();
  RW_ASSERT(BN_mod_exp(s, v.get(), u.get(), p, scratch) == 1);
  RW_ASSERT(BN_mod_mul(s, s, a.get(), p, scratch) == 1);
  RW_ASSERT(BN_mod_exp_mont_consttime(s, s, secret.get(), p, scratch, nullptr) == 1);
  return prove(group, bytes_of(s), salts, a_bytes, challenge);
}

Result<SrpAnswer> srp_answer(const SrpSecret& secret, const SrpSalts& salts, ByteView a,
                             ByteView challenge, const DhGroup& group) noexcept {
  if (!dh_value_in_range(group, challenge)) return Error::kBadDh;
  SrpAnswer answer;
  dh_public(group, a, answer.value);
  const BnPtr b_value = bn_of(challenge);
  const SrpNumber b_bytes = bytes_of(b_value.get());
  // S = (B - k * v)^(a + u * x).
  Modulus modulus(group);
  BIGNUM* const s = modulus.result.get();
  BN_CTX* const scratch = modulus.scratch.get();
  const BIGNUM* const p = modulus.prime.get();
  const BnPtr k = bn_of(sha256({group.prime, generator(group)}));
  const BnPtr v = bn_of(srp_verifier(secret, group));
  RW_ASSERT(BN_mod_mul(s, k.get(), v.get(), p, scratch) == 1);
  RW_ASSERT(BN_mod_sub(s, b_value.get(), s, p, scratch) == 1);
  const BnPtr exponent = bn_of(sha256({answer.value, b_bytes}));
  const BnPtr x = bn_of(secret.view());
  const BnPtr a_number = bn_of(a);
  RW_ASSERT(BN_mul(exponent.get(), exponent.get(), x.get(), scratch) == 1);
  RW_ASSERT(BN_add(exponent.get(), exponent.get(), a_number.get()) == 1);
  BN_set_flags(exponent.get(), BN_FLG_CONSTTIME);
  RW_ASSERT(BN_mod_exp_mont_consttime(s, s, exponent.get(), p, scratch, nullptr) == 1);
  answer.proof = prove(group, bytes_of(s), salts, answer.value, b_bytes);
  return answer;
}

}  // namespace ringway::crypto
