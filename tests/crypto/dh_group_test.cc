// Groups that a server names: which are refused, and that both sides get the same power in others.
#include "crypto/dh_group.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include "crypto/openssl_ptr.h"
#include "crypto/random.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

using DhArray = std::array<uint8_t, kDhBytes>;

Bytes bytes_of(const BnPtr& number) {
  Bytes out(kDhBytes);
  EXPECT_EQ(BN_bn2binpad(number.get(), out.data(), kDhBytes), static_cast<int>(kDhBytes));
  return out;
}

// RFC 3526's 2048-bit group: a safe prime that leaves 7 modulo 8, 4 modulo 5, 23 modulo 24, 5
// modulo 7.
Bytes rfc3526_prime() { return bytes_of(BnPtr(BN_get_rfc3526_prime_2048(nullptr))); }

Bytes known_prime() { return {dh_prime().begin(), dh_prime().end()}; }

// RFC 5114's 2048-bit prime (section 2.3), which is none of the safe ones.
constexpr std::string_view kUnsafePrime =
    "87a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957d4faf7df4561b2aa"
    "30"
    "16c3d91134096faa3bf4296d830e9a7c209e0c6497517abd5a8a9d306bcf67ed91f9e6725b4758c022e0b1ef4275bf"
    "7b"
    "6c5bfc11d45f9088b941f54eb1e59bb8bc39a0bf12307f5c4fdb70c581b23f76b63acae1caa6b7902d52526735488a"
    "0e"
    "f13c6d9a51bfa4ab3ad8347796524d8ef6a167b5a41825d967e144e5140564251ccacb83e6b486f6b3ca3f79715060"
    "26"
    "c0b857f689962856ded4010abd0be621c3a3960a54e710c375f26375d7014103a4b54330c198af126116d2276e1171"
    "5f"
    "693877fad7ef09cadb094ae91e1a1597";

TEST(DhGroup, GeneratorsMustBeSquares) {
  struct Case {
    Bytes prime;
    int32_t g;
    bool fits;
  };
  const Case cases[] = {
      // 3 modulo 8, 2 modulo 3, 3 modulo 5, 11 modulo 24, 6 modulo 7.
      {known_prime(), 1, false},   {known_prime(), 2, false},   {known_prime(), 3, true},
      {known_prime(), 4, true},    {known_prime(), 5, false},   {known_prime(), 6, false},
      {known_prime(), 7, true},    {known_prime(), 8, false},   {known_prime(), -3, false},
      {rfc3526_prime(), 1, false}, {rfc3526_prime(), 2, true},  {rfc3526_prime(), 3, true},
      {rfc3526_prime(), 4, true},  {rfc3526_prime(), 5, true},  {rfc3526_prime(), 6, true},
      {rfc3526_prime(), 7, true},  {rfc3526_prime(), 8, false},
  };
  for (const Case& one : cases) {
    const auto group = read_dh_group(one.g, one.prime);
    ASSERT_EQ(group.ok(), one.fits) << one.g;
    if (!group.ok()) {
      EXPECT_EQ(group.error(), Error::kBadDh);
      continue;
    }
    EXPECT_TRUE(check_dh_prime(*group).ok()) << one.g;
    // What the conditions stand for: g^((p - 1) / 2) = 1.
    const BnPtr p(BN_bin2bn(one.prime.data(), kDhBytes, nullptr));
    const BnPtr half(BN_new());
    BN_rshift1(half.get(), p.get());
    DhArray power;
    dh_public(*group, bytes_of(half), power);
    DhArray expected{};
    expected.back() = 1;
    EXPECT_EQ(power, expected) << one.g;
  }
}

TEST(DhGroup, PrimesOfAnotherSizeAreRefused) {
  const Bytes prime = rfc3526_prime();
  EXPECT_EQ(read_dh_group(4, ByteView(prime).first(255)).error(), Error::kBadDh);
  Bytes longer = prime;
  longer.insert(longer.begin(), 0);
  EXPECT_EQ(read_dh_group(4, longer).error(), Error::kBadDh);
  Bytes shorter = prime;  // 2047 bits in as many bytes
  shorter.front() = 0x7f;
  EXPECT_EQ(read_dh_group(4, shorter).error(), Error::kBadDh);
  Bytes even = prime;
  even.back() = 0xfe;
  EXPECT_EQ(read_dh_group(4, even).error(), Error::kBadDh);
  EXPECT_EQ(read_dh_group(4, {}).error(), Error::kBadDh);
}

TEST(DhGroup, OnlySafePrimesAreGood) {
  const auto unsafe = read_dh_group(4, hex(kUnsafePrime));
  ASSERT_TRUE(unsafe.ok());
  const BnPtr number(BN_bin2bn(unsafe->prime.data(), kDhBytes, nullptr));
  EXPECT_EQ(BN_check_prime(number.get(), nullptr, nullptr), 1) << "it is a prime";
  Bytes composite = rfc3526_prime();
  composite[100] ^= 2;
  const auto product = read_dh_group(4, composite);
  ASSERT_TRUE(product.ok());
  const auto good = read_dh_group(4, rfc3526_prime());
  ASSERT_TRUE(good.ok());
  for (int times = 0; times < 2; ++times) {  // the second time from memory, where there is one
    EXPECT_EQ(check_dh_prime(*unsafe).error(), Error::kBadDh);
    EXPECT_EQ(check_dh_prime(*product).error(), Error::kBadDh);
    EXPECT_TRUE(check_dh_prime(*good).ok());
  }
}

TEST(DhGroup, RangesFollowThePrime) {
  const auto group = read_dh_group(2, rfc3526_prime());
  ASSERT_TRUE(group.ok());
  // p - 2^1984, whose bytes 0 to 7 are those of p less one.
  Bytes highest = rfc3526_prime();
  highest[7] = 0xfe;
  EXPECT_TRUE(dh_value_in_range(*group, highest));
  EXPECT_FALSE(dh_value_in_range(DhGroup(), highest));
  ++highest[7];
  EXPECT_FALSE(dh_value_in_range(*group, highest));
  Bytes lowest(249, 0);
  lowest.front() = 1;
  EXPECT_TRUE(dh_value_in_range(*group, lowest));
  EXPECT_FALSE(dh_value_in_range(*group, Bytes(248, 0xff)));
  EXPECT_FALSE(dh_value_in_range(*group, Bytes(257, 1)));
  EXPECT_FALSE(dh_value_in_range(*group, {}));
  // In the known group the two checks agree.
  for (const int change : {-1, 0, 1}) {
    BnPtr edge(BN_bin2bn(dh_prime().data(), kDhBytes, nullptr));
    BnPtr margin(BN_new());
    BN_set_bit(margin.get(), 1984);
    BN_sub(edge.get(), edge.get(), margin.get());
    if (change > 0) BN_add_word(edge.get(), 1);
    if (change < 0) BN_sub_word(edge.get(), 1);
    const Bytes value = bytes_of(edge);
    EXPECT_EQ(dh_value_in_range(DhGroup(), value), dh_value_in_range(value)) << change;
  }
}

TEST(DhGroup, BothSidesGetTheSamePower) {
  for (const auto& group : {*read_dh_group(2, rfc3526_prime()), *read_dh_group(7, rfc3526_prime()),
                            *read_dh_group(7, known_prime()), DhGroup()}) {
    DhExponent a;
    DhExponent b;
    random_bytes(a.span());
    random_bytes(b.span());
    DhArray g_a;
    DhArray g_b;
    dh_public(group, a.view(), g_a);
    dh_public(group, b.view(), g_b);
    DhArray ours;
    DhArray theirs;
    ASSERT_TRUE(dh_power(group, g_b, a.view(), ours).ok());
    ASSERT_TRUE(dh_power(group, g_a, b.view(), theirs).ok());
    EXPECT_EQ(ours, theirs);
    EXPECT_EQ(dh_power(group, Bytes{1}, a.view(), ours).error(), Error::kBadDh);
  }
}

// 2^16 = 65536 and 7^3 = 343, far below any of the primes.
TEST(DhGroup, SmallPowersAreExact) {
  DhArray out;
  DhArray expected{};
  dh_public(*read_dh_group(2, rfc3526_prime()), Bytes{16}, out);
  expected[kDhBytes - 3] = 1;
  EXPECT_EQ(out, expected);
  dh_public(*read_dh_group(7, known_prime()), Bytes{3}, out);
  expected = {};
  expected[kDhBytes - 2] = 0x01;
  expected[kDhBytes - 1] = 0x57;
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace ringway::crypto
