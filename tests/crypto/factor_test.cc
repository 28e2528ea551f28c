#include "crypto/factor.h"

#include <bit>

#include "test_bytes.h"

namespace ringway::crypto {
namespace {

TEST(Factor, PublishedPairs) {
  const PrimePair official = factor(0x1460'e7d3'fa72'7791);
  EXPECT_EQ(official.p, 0x3c23'57cfu);
  EXPECT_EQ(official.q, 0x56bf'b29fu);
  const PrimePair gnetway = factor(0x17ed'4894'1a08'f981);
  EXPECT_EQ(gnetway.p, 0x494c'553bu);
  EXPECT_EQ(gnetway.q, 0x5391'1073u);
}

TEST(Factor, SmallNumbersByTrial) {
  for (uint64_t n = 0; n < 5000; ++n) {
    uint64_t smallest = 2;
    while (smallest * smallest <= n && n % smallest != 0) ++smallest;
    const bool prime = n >= 2 && smallest * smallest > n;
    ASSERT_EQ(is_prime(n), prime) << n;
    const uint64_t rest = n < 2 ? 0 : n / smallest;
    const bool pair = n >= 2 && !prime && rest != smallest && is_prime(rest);
    const PrimePair found = factor(n);
    ASSERT_EQ(found.p, pair ? smallest : 0) << n;
    ASSERT_EQ(found.q, pair ? rest : 0) << n;
  }
}

// Strong pseudoprimes to the first bases, Carmichael numbers, and the borders of the type.
TEST(Factor, HardPrimalityCases) {
  for (const uint64_t composite :
       {uint64_t{2047}, uint64_t{1373653}, uint64_t{25326001}, uint64_t{3215031751},
        uint64_t{2152302898747}, uint64_t{3474749660383}, uint64_t{341550071728321},
        uint64_t{3825123056546413051}, uint64_t{561}, uint64_t{1729}, uint64_t{UINT64_MAX}}) {
    EXPECT_FALSE(is_prime(composite)) << composite;
  }
  for (const uint64_t prime : {uint64_t{2}, uint64_t{2147483647}, uint64_t{4294967291},
                               uint64_t{2305843009213693951}, uint64_t{18446744073709551557u}}) {
    EXPECT_TRUE(is_prime(prime)) << prime;
  }
}

TEST(Factor, RefusesWhatIsNoPair) {
  EXPECT_EQ(factor(uint64_t{2147483647} * 2147483647).p, 0u);   // a square
  EXPECT_EQ(factor(2305843009213693951).p, 0u);                 // a prime
  EXPECT_EQ(factor(uint64_t{2147483647} * 65537 * 257).p, 0u);  // three factors
  EXPECT_EQ(factor(uint64_t{2} * 4294967311).p, 0u);            // one factor above 32 bits
  EXPECT_EQ(factor(uint64_t{1} << 63).p, 0u);                   // out of range
  EXPECT_EQ(factor(UINT64_MAX).p, 0u);
}

TEST(Factor, LopsidedPairs) {
  const PrimePair pair = factor(uint64_t{3} * 2147483647);
  EXPECT_EQ(pair.p, 3u);
  EXPECT_EQ(pair.q, 2147483647u);
  const PrimePair even = factor(uint64_t{2} * 4294967291);
  EXPECT_EQ(even.p, 2u);
  EXPECT_EQ(even.q, 4294967291u);
}

TEST(Factor, MadePairsComeApartAgain) {
  uint64_t previous = 0;
  for (int round = 0; round < 40; ++round) {
    const PrimePair made = make_prime_pair();
    ASSERT_LT(made.p, made.q);
    ASSERT_EQ(std::bit_width(made.p), 31);
    ASSERT_EQ(std::bit_width(made.q), 31);
    ASSERT_TRUE(is_prime(made.p));
    ASSERT_TRUE(is_prime(made.q));
    ASSERT_LT(made.product(), uint64_t{1} << 63);
    ASSERT_NE(made.product(), previous);
    previous = made.product();
    const PrimePair found = factor(made.product());
    ASSERT_EQ(found.p, made.p);
    ASSERT_EQ(found.q, made.q);
  }
}

}  // namespace
}  // namespace ringway::crypto
