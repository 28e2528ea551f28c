#include "crypto/dh_group.h"

#include <openssl/bn.h>

#include "base/assert.h"
#include "crypto/openssl_ptr.h"
#include "crypto/sha.h"

namespace ringway::crypto {
namespace {

constexpr int32_t kGeneratorMin = 2;
constexpr int32_t kGeneratorMax = 7;
constexpr size_t kGoodPrimesMax = 16;          // that are remembered
constexpr size_t kLowestBytes = 1984 / 8 + 1;  // 2^1984 has them

// g is a square modulo a safe prime p exactly when p leaves one of `residues`, a bit each, modulo
// `modulus` (quadratic reciprocity). 4 is one always.
struct SquareCondition {
  uint32_t modulus;
  uint32_t residues;
};
constexpr std::array<SquareCondition, kGeneratorMax - kGeneratorMin + 1> kSquareConditions = {{
    {8, 1U << 7},
    {3, 1U << 2},
    {1, 1U << 0},
    {5, 1U << 1 | 1U << 4},
    {24, 1U << 19 | 1U << 23},
    {7, 1U << 3 | 1U << 5 | 1U << 6},
}};

uint32_t remainder(ByteView number, uint32_t modulus) noexcept {
  uint32_t rest = 0;
  for (const uint8_t byte : number) rest = (rest << 8 | byte) % modulus;
  return rest;
}

bool is_safe_prime(ByteView bytes) {
  const BnCtxPtr scratch(BN_CTX_new());
  const BnPtr prime = bn_of(bytes);
  const BnPtr half(BN_new());
  RW_ASSERT(scratch != nullptr && half != nullptr);
  RW_ASSERT(BN_rshift1(half.get(), prime.get()) == 1);
  return BN_check_prime(prime.get(), scratch.get(), nullptr) == 1 &&
         BN_check_prime(half.get(), scratch.get(), nullptr) == 1;
}

// The last ones that this thread has found to be safe, by their digests.
class GoodPrimes {
 public:
  [[nodiscard]] bool has(const Sha256Digest& digest) const noexcept {
    return std::ranges::find(digests_, digest) != digests_.end();
  }
  void add(const Sha256Digest& digest) noexcept { digests_[next_++ % digests_.size()] = digest; }

 private:
  std::array<Sha256Digest, kGoodPrimesMax> digests_{};  // zeros are no prime's
  size_t next_ = 0;
};

GoodPrimes& good_primes() noexcept {
  thread_local GoodPrimes primes;
  return primes;
}

void power(const DhGroup& group, const BIGNUM* base, ByteView exponent,
           std::span<uint8_t, kDhBytes> out) noexcept {
  RW_ASSERT(!exponent.empty() && exponent.size() <= kDhBytes);
  const BnCtxPtr scratch(BN_CTX_new());
  const BnPtr prime = bn_of(group.prime);
  const BnPtr secret = bn_of(exponent);
  const BnPtr result(BN_new());
  RW_ASSERT(scratch != nullptr && result != nullptr);
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  RW_ASSERT(BN_mod_exp_mont_consttime(result.get(), base, secret.get(), prime.get(), scratch.get(),
                                      nullptr) == 1);
  RW_ASSERT(BN_bn2binpad(result.get(), out.data(), kDhBytes) == static_cast<int>(kDhBytes));
}

}  // namespace

Result<DhGroup> read_dh_group(int32_t g, ByteView prime) noexcept {
  if (g < kGeneratorMin || g > kGeneratorMax) return Error::kBadDh;
  // The lowest bit too: powers are computed before the prime has been looked at more closely.
  if (prime.size() != kDhBytes || (prime.front() & 0x80) == 0 || (prime.back() & 1) == 0) {
    return Error::kBadDh;
  }
  const SquareCondition& condition = kSquareConditions[static_cast<size_t>(g - kGeneratorMin)];
  const uint32_t residue = remainder(prime, condition.modulus);
  if ((condition.residues >> residue & 1) == 0) return Error::kBadDh;
  DhGroup group;
  group.g = g;
  std::ranges::copy(prime, group.prime.begin());
  return group;
}

Result<void> check_dh_prime(const DhGroup& group) {
  if (group.has_known_prime()) return {};
  const Sha256Digest digest = sha256({group.prime});
  if (good_primes().has(digest)) return {};
  if (!is_safe_prime(group.prime)) return Error::kBadDh;
  good_primes().add(digest);
  return {};
}

bool dh_value_in_range(const DhGroup& group, ByteView value) noexcept {
  if (group.has_known_prime()) return dh_value_in_range(value);
  while (!value.empty() && value.front() == 0) value = value.subspan(1);
  if (value.size() < kLowestBytes || value.size() > kDhBytes) return false;
  // value + 2^1984 <= p.
  const BnPtr raised = bn_of(value);
  const BnPtr lowest(BN_new());
  RW_ASSERT(lowest != nullptr);
  RW_ASSERT(BN_set_bit(lowest.get(), 8 * (kLowestBytes - 1)) == 1);
  RW_ASSERT(BN_add(raised.get(), raised.get(), lowest.get()) == 1);
  return BN_cmp(raised.get(), bn_of(group.prime).get()) <= 0;
}

void dh_public(const DhGroup& group, ByteView exponent, std::span<uint8_t, kDhBytes> out) noexcept {
  if (group.g == kDhG && group.has_known_prime()) return dh_public(exponent, out);
  const BnPtr generator(BN_new());
  RW_ASSERT(generator != nullptr);
  RW_ASSERT(BN_set_word(generator.get(), static_cast<BN_ULONG>(group.g)) == 1);
  power(group, generator.get(), exponent, out);
}

Result<void> dh_power(const DhGroup& group, ByteView base, ByteView exponent,
                      std::span<uint8_t, kDhBytes> out) noexcept {
  if (group.has_known_prime()) return dh_power(base, exponent, out);
  if (!dh_value_in_range(group, base)) return Error::kBadDh;
  power(group, bn_of(base).get(), exponent, out);
  return {};
}

}  // namespace ringway::crypto
