#include "crypto/factor.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "crypto/random.h"

namespace ringway::crypto {
namespace {

__extension__ typedef unsigned __int128
    Wide;  // NOLINT(modernize-use-using): no other form is quiet

uint64_t multiply_mod(uint64_t a, uint64_t b, uint64_t n) noexcept {
  // The server's primes fit 32 bits, and a 64-bit division is many times faster.
  if (n <= UINT32_MAX) return a * b % n;
  return static_cast<uint64_t>(Wide{a} * b % n);
}

uint64_t power_mod(uint64_t base, uint64_t exponent, uint64_t n) noexcept {
  uint64_t result = 1;
  base %= n;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = multiply_mod(result, base, n);
    base = multiply_mod(base, base, n);
  }
  return result;
}

// These twelve bases decide every number below 2^64 (Sorenson and Webster, 2015).
constexpr uint64_t kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};

// Below this number the first four decide (Jaeschke, 1993).
constexpr uint64_t kFourBasesBelow = 3'215'031'751;

// n - 1 = odd * 2^twos.
bool is_witness(uint64_t base, uint64_t n, uint64_t odd, int twos) noexcept {
  uint64_t x = power_mod(base, odd, n);
  if (x == 1 || x == n - 1) return false;
  for (int i = 1; i < twos; ++i) {
    x = multiply_mod(x, x, n);
    if (x == n - 1) return false;
  }
  return true;
}

// The next prime from a random start. Primes behind long gaps are more likely; that is no matter,
// since the product is public and made to be taken apart.
uint32_t random_prime() noexcept {
  // Bit 30 on makes it 31 bits wide; two of them multiply to less than 2^62.
  uint32_t candidate = (random_u32() & 0x3fff'ffff) | 0x4000'0001;
  while (!is_prime(candidate)) candidate += 2;
  return candidate;
}

uint64_t square_root(uint64_t n) noexcept {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit != 0; bit >>= 1) {
    const uint64_t trial = root | bit;
    if (trial * trial <= n) root = trial;
  }
  return root;
}

uint64_t difference(uint64_t a, uint64_t b) noexcept { return a > b ? a - b : b - a; }

constexpr uint64_t kGcdEvery = 128;  // differences multiplied together before one gcd is taken

// Multiplication modulo an odd n below 2^63 without a division: a * b / 2^64 mod n (Montgomery,
// 1985). The factor 2^64 has no divisor in common with n, so it changes no gcd with n.
class Product {
 public:
  explicit Product(uint64_t n) noexcept : n_(n) {
    uint64_t inverse = n;  // of n modulo 8; each round doubles the bits that are right
    for (int bits = 3; bits < 64; bits *= 2) inverse *= 2 - n * inverse;
    negative_inverse_ = 0 - inverse;
  }
  [[nodiscard]] uint64_t operator()(uint64_t a, uint64_t b) const noexcept {
    const Wide product = Wide{a} * b;
    const uint64_t multiple = static_cast<uint64_t>(product) * negative_inverse_;
    const auto result = static_cast<uint64_t>((product + Wide{multiple} * n_) >> 64);
    return result >= n_ ? result - n_ : result;
  }

 private:
  uint64_t n_;
  uint64_t negative_inverse_;
};

// One attempt of Brent's variant of Pollard's rho with x -> x^2 / 2^64 + step (BIT 20, 1980): a
// factor of the odd composite n, or n itself when this step finds none.
uint64_t rho(uint64_t n, uint64_t step) noexcept {
  const Product times(n);
  const auto next = [&](uint64_t x) {
    const uint64_t sum = times(x, x) + step;
    return sum >= n ? sum - n : sum;
  };
  uint64_t y = 2;
  uint64_t x = y;
  uint64_t batch_start = y;
  uint64_t product = 1;
  uint64_t found = 1;
  for (uint64_t length = 1; found == 1; length *= 2) {
    x = y;
    for (uint64_t i = 0; i < length; ++i) y = next(y);
    for (uint64_t done = 0; done < length && found == 1; done += kGcdEvery) {
      batch_start = y;
      const uint64_t count = std::min(kGcdEvery, length - done);
      for (uint64_t i = 0; i < count; ++i) {
        y = next(y);
        product = times(product, difference(x, y));
      }
      found = std::gcd(product, n);
    }
  }
  if (found != n) return found;
  // Both factors fell into one batch: walk it again, a gcd at each step.
  do {
    batch_start = next(batch_start);
    found = std::gcd(difference(x, batch_start), n);
  } while (found == 1);
  return found;
}

PrimePair pair_of(uint64_t a, uint64_t b) noexcept {
  const uint64_t p = std::min(a, b);
  const uint64_t q = std::max(a, b);
  if (p == q || q > UINT32_MAX || !is_prime(p) || !is_prime(q)) return {};
  return {static_cast<uint32_t>(p), static_cast<uint32_t>(q)};
}

}  // namespace

bool is_prime(uint64_t n) noexcept {
  if (n < 2) return false;
  for (const uint64_t base : kBases) {
    if (n % base == 0) return n == base;
  }
  const int twos = std::countr_zero(n - 1);
  const uint64_t odd = (n - 1) >> twos;
  const auto bases = std::span(kBases).first(n < kFourBasesBelow ? 4 : std::size(kBases));
  return std::none_of(bases.begin(), bases.end(),
                      [&](uint64_t base) { return is_witness(base, n, odd, twos); });
}

PrimePair make_prime_pair() noexcept {
  const uint32_t first = random_prime();
  uint32_t second = random_prime();
  while (second == first) second = random_prime();
  return {std::min(first, second), std::max(first, second)};
}

PrimePair factor(uint64_t pq) noexcept {
  if (pq < 6 || pq >> 63 != 0 || is_prime(pq)) return {};
  if (pq % 2 == 0) return pair_of(2, pq / 2);
  const uint64_t root = square_root(pq);
  // A square never makes the rho end, and two equal primes are no answer.
  if (root * root == pq) return {};
  for (uint64_t step = 1;; ++step) {
    const uint64_t found = rho(pq, step);
    if (found != pq) return pair_of(found, pq / found);
  }
}

}  // namespace ringway::crypto
