#include "crypto/dh.h"

#include <openssl/bn.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "crypto/dh_fixed_base.h"
#include "crypto/openssl_ptr.h"

namespace ringway::crypto {
namespace {

// A safe prime; 3 generates the subgroup of prime order because p mod 3 = 2. Telegram's servers
// have used it since 2013 and many clients accept no other.
constexpr std::array<uint8_t, kDhBytes> kPrime = {
    0xc7, 0x1c, 0xae, 0xb9, 0xc6, 0xb1, 0xc9, 0x04, 0x8e, 0x6c, 0x52, 0x2f, 0x70, 0xf1, 0x3f, 0x73,
    0x98, 0x0d, 0x40, 0x23, 0x8e, 0x3e, 0x21, 0xc1, 0x49, 0x34, 0xd0, 0x37, 0x56, 0x3d, 0x93, 0x0f,
    0x48, 0x19, 0x8a, 0x0a, 0xa7, 0xc1, 0x40, 0x58, 0x22, 0x94, 0x93, 0xd2, 0x25, 0x30, 0xf4, 0xdb,
    0xfa, 0x33, 0x6f, 0x6e, 0x0a, 0xc9, 0x25, 0x13, 0x95, 0x43, 0xae, 0xd4, 0x4c, 0xce, 0x7c, 0x37,
    0x20, 0xfd, 0x51, 0xf6, 0x94, 0x58, 0x70, 0x5a, 0xc6, 0x8c, 0xd4, 0xfe, 0x6b, 0x6b, 0x13, 0xab,
    0xdc, 0x97, 0x46, 0x51, 0x29, 0x69, 0x32, 0x84, 0x54, 0xf1, 0x8f, 0xaf, 0x8c, 0x59, 0x5f, 0x64,
    0x24, 0x77, 0xfe, 0x96, 0xbb, 0x2a, 0x94, 0x1d, 0x5b, 0xcd, 0x1d, 0x4a, 0xc8, 0xcc, 0x49, 0x88,
    0x07, 0x08, 0xfa, 0x9b, 0x37, 0x8e, 0x3c, 0x4f, 0x3a, 0x90, 0x60, 0xbe, 0xe6, 0x7c, 0xf9, 0xa4,
    0xa4, 0xa6, 0x95, 0x81, 0x10, 0x51, 0x90, 0x7e, 0x16, 0x27, 0x53, 0xb5, 0x6b, 0x0f, 0x6b, 0x41,
    0x0d, 0xba, 0x74, 0xd8, 0xa8, 0x4b, 0x2a, 0x14, 0xb3, 0x14, 0x4e, 0x0e, 0xf1, 0x28, 0x47, 0x54,
    0xfd, 0x17, 0xed, 0x95, 0x0d, 0x59, 0x65, 0xb4, 0xb9, 0xdd, 0x46, 0x58, 0x2d, 0xb1, 0x17, 0x8d,
    0x16, 0x9c, 0x6b, 0xc4, 0x65, 0xb0, 0xd6, 0xff, 0x9c, 0xa3, 0x92, 0x8f, 0xef, 0x5b, 0x9a, 0xe4,
    0xe4, 0x18, 0xfc, 0x15, 0xe8, 0x3e, 0xbe, 0xa0, 0xf8, 0x7f, 0xa9, 0xff, 0x5e, 0xed, 0x70, 0x05,
    0x0d, 0xed, 0x28, 0x49, 0xf4, 0x7b, 0xf9, 0x59, 0xd9, 0x56, 0x85, 0x0c, 0xe9, 0x29, 0x85, 0x1f,
    0x0d, 0x81, 0x15, 0xf6, 0x35, 0xb1, 0x05, 0xee, 0x2e, 0x4e, 0x15, 0xd0, 0x4b, 0x24, 0x54, 0xbf,
    0x6f, 0x4f, 0xad, 0xf0, 0x34, 0xb1, 0x04, 0x03, 0x11, 0x9c, 0xd8, 0xe3, 0xb9, 0x2f, 0xcc, 0x5b,
};

// 2^1984 has 249 bytes: a one and 248 zero bytes.
constexpr size_t kLowestBytes = 1984 / 8 + 1;

// p - 2^1984.
constexpr std::array<uint8_t, kDhBytes> highest_value() {
  std::array<uint8_t, kDhBytes> value = kPrime;
  for (size_t i = kDhBytes - kLowestBytes + 1; i-- > 0;) {
    if (value[i]-- != 0) break;  // without a borrow
  }
  return value;
}
constexpr std::array<uint8_t, kDhBytes> kHighest = highest_value();

// What all threads share, read-only once made, for the life of the process.
struct Group {
  BIGNUM* prime = BN_bin2bn(kPrime.data(), kDhBytes, nullptr);
  BIGNUM* generator = BN_new();
  BN_MONT_CTX* mont = BN_MONT_CTX_new();
  const FixedBase* powers = nullptr;  // of the generator

  Group() noexcept {
    const BnCtxPtr scratch(BN_CTX_new());
    RW_ASSERT(prime != nullptr && generator != nullptr && mont != nullptr && scratch != nullptr);
    RW_ASSERT(BN_set_word(generator, static_cast<BN_ULONG>(kDhG)) == 1);
    RW_ASSERT(BN_MONT_CTX_set(mont, prime, scratch.get()) == 1);
    powers = new FixedBase(generator, mont, scratch.get());
  }
};

const Group& group() noexcept {
  static const Group* const made = new Group();
  return *made;
}

BN_CTX* scratch() noexcept {
  thread_local const BnCtxPtr context(BN_CTX_new());
  RW_ASSERT(context != nullptr);
  return context.get();
}

void power(const BIGNUM* base, ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept {
  RW_ASSERT(!exponent.empty() && exponent.size() <= kDhBytes);
  const Group& g = group();
  const BnPtr secret = bn_of(exponent);
  const BnPtr result(BN_new());
  RW_ASSERT(result != nullptr);
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  RW_ASSERT(
      BN_mod_exp_mont_consttime(result.get(), base, secret.get(), g.prime, scratch(), g.mont) == 1);
  RW_ASSERT(BN_bn2binpad(result.get(), out.data(), kDhBytes) == static_cast<int>(kDhBytes));
}

}  // namespace

std::span<const uint8_t, kDhBytes> dh_prime() noexcept { return kPrime; }

bool dh_value_in_range(ByteView value) noexcept {
  while (!value.empty() && value.front() == 0) value = value.subspan(1);
  if (value.size() < kLowestBytes) return false;
  if (value.size() != kDhBytes) return value.size() < kDhBytes;
  // Equal lengths, big-endian: comparing bytes compares numbers.
  return std::memcmp(value.data(), kHighest.data(), kDhBytes) <= 0;
}

void set_dh_exponent_length(DhExponent& exponent) noexcept { exponent.data()[0] |= 0x80; }

void dh_public(ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept {
  if (exponent.size() > kDhExponentBytes) return power(group().generator, exponent, out);
  RW_ASSERT(!exponent.empty());
  DhExponent padded;
  std::copy(exponent.begin(), exponent.end(), padded.span().last(exponent.size()).begin());
  group().powers->power(padded.view(), out, scratch());
}

Result<void> dh_power(ByteView base, ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept {
  if (!dh_value_in_range(base)) return Error::kBadDh;
  while (base.size() > kDhBytes) base = base.subspan(1);  // leading zeros, as the check has shown
  power(bn_of(base).get(), exponent, out);
  return {};
}

}  // namespace ringway::crypto
