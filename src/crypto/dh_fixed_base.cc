#include "crypto/dh_fixed_base.h"

#include <openssl/crypto.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <bit>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/openssl_ptr.h"

namespace ringway::crypto {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as words");

void check(int done) noexcept { RW_ASSERT(done == 1); }

template <typename Number>
void load(BIGNUM* out, const Number& number) noexcept {
  RW_ASSERT(BN_lebin2bn(reinterpret_cast<const uint8_t*>(number.data()), sizeof number, out) !=
            nullptr);
}

template <typename Number>
void store(const BIGNUM* value, Number& number) noexcept {
  RW_ASSERT(BN_bn2lebinpad(value, reinterpret_cast<uint8_t*>(number.data()), sizeof number) ==
            static_cast<int>(sizeof number));
}

// All ones where a == b, else zero, without a branch.
uint64_t mask_of_equal(uint64_t a, uint64_t b) noexcept {
  const uint64_t differs = a ^ b;
  return ((differs | (0 - differs)) >> 63) - 1;
}

template <typename Number, size_t kEntries>
void pick_by_words(const std::array<Number, kEntries>& entries, size_t wanted,
                   Number& out) noexcept {
  out.fill(0);
  for (size_t i = 0; i < kEntries; ++i) {
    const uint64_t mask = mask_of_equal(i, wanted);
    for (size_t word = 0; word < out.size(); ++word) out[word] |= entries[i][word] & mask;
  }
}

#if defined(__x86_64__)
// The whole number in eight registers.
template <typename Number, size_t kEntries>
__attribute__((target("avx2"))) void pick_avx2(const std::array<Number, kEntries>& entries,
                                               size_t wanted, Number& out) noexcept {
  static_assert(sizeof(Number) == 8 * sizeof(__m256i));
  __m256i sum[8] = {};
  for (size_t i = 0; i < kEntries; ++i) {
    const __m256i mask = _mm256_set1_epi64x(static_cast<int64_t>(mask_of_equal(i, wanted)));
    const auto* in = reinterpret_cast<const __m256i*>(entries[i].data());
    for (size_t k = 0; k < 8; ++k) {
      sum[k] = _mm256_or_si256(sum[k], _mm256_and_si256(_mm256_loadu_si256(in + k), mask));
    }
  }
  for (size_t k = 0; k < 8; ++k) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.data()) + k, sum[k]);
  }
}
#endif

bool bit_at(std::span<const uint8_t, kDhExponentBytes> number, size_t bit) noexcept {
  if (bit >= number.size() * 8) return false;
  return (number[number.size() - 1 - bit / 8] >> (bit % 8) & 1) != 0;
}

}  // namespace

// Tooth t of column c is bit t * kColumns + c; block b has the columns from b * kColumnsPerBlock
// on.
FixedBase::FixedBase(const BIGNUM* base, BN_MONT_CTX* mont, BN_CTX* scratch) noexcept
    : mont_(mont), table_(std::make_unique<Table>()) {
  const BnPtr one(BN_new());
  const BnPtr power(BN_new());
  const BnPtr product(BN_new());
  const BnPtr entry(BN_new());
  RW_ASSERT(one != nullptr && power != nullptr && product != nullptr && entry != nullptr);
  check(BN_to_montgomery(one.get(), BN_value_one(), mont_, scratch));
  check(BN_to_montgomery(power.get(), base, mont_, scratch));
  for (size_t block = 0; block < kBlocks; ++block) store(one.get(), (*table_)[block][0]);

  // `power` walks through base^(2^bit); each tooth of a block doubles the entries filled so far.
  for (size_t bit = 0; bit < kTeeth * kColumns; ++bit) {
    const size_t tooth = bit / kColumns;
    const size_t column = bit % kColumns;
    if (column % kColumnsPerBlock == 0) {
      auto& entries = (*table_)[column / kColumnsPerBlock];
      const size_t filled = size_t{1} << tooth;
      for (size_t i = 0; i < filled; ++i) {
        load(entry.get(), entries[i]);
        check(BN_mod_mul_montgomery(product.get(), entry.get(), power.get(), mont_, scratch));
        store(product.get(), entries[filled + i]);
      }
    }
    check(BN_mod_mul_montgomery(power.get(), power.get(), power.get(), mont_, scratch));
  }
}

void FixedBase::pick(const std::array<Number, kEntries>& entries, size_t wanted,
                     Number& out) noexcept {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return pick_avx2(entries, wanted, out);
#endif
  pick_by_words(entries, wanted, out);
}

void FixedBase::power(std::span<const uint8_t, kDhExponentBytes> exponent,
                      std::span<uint8_t, kDhBytes> out, BN_CTX* scratch) const noexcept {
  const BnPtr result(BN_secure_new());
  const BnPtr entry(BN_secure_new());
  RW_ASSERT(result != nullptr && entry != nullptr);
  check(BN_to_montgomery(result.get(), BN_value_one(), mont_, scratch));
  Number picked;
  for (size_t step = kColumnsPerBlock; step-- > 0;) {
    if (step + 1 != kColumnsPerBlock) {
      check(BN_mod_mul_montgomery(result.get(), result.get(), result.get(), mont_, scratch));
    }
    for (size_t block = 0; block < kBlocks; ++block) {
      const size_t column = block * kColumnsPerBlock + step;
      size_t wanted = 0;
      for (size_t tooth = 0; tooth < kTeeth; ++tooth) {
        wanted |= static_cast<size_t>(bit_at(exponent, tooth * kColumns + column)) << tooth;
      }
      pick((*table_)[block], wanted, picked);
      load(entry.get(), picked);
      check(BN_mod_mul_montgomery(result.get(), result.get(), entry.get(), mont_, scratch));
    }
  }
  OPENSSL_cleanse(picked.data(), sizeof picked);
  check(BN_from_montgomery(result.get(), result.get(), mont_, scratch));
  RW_ASSERT(BN_bn2binpad(result.get(), out.data(), kDhBytes) == static_cast<int>(kDhBytes));
}

}  // namespace ringway::crypto
