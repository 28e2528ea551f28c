#include "crypto/dh.h"

#include <openssl/bn.h>

#include "crypto/openssl_ptr.h"
#include "crypto/random.h"
#include "dh_vectors.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

using DhArray = std::array<uint8_t, kDhBytes>;

BnPtr number(ByteView bytes) {
  return BnPtr(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

BnPtr power_of_two(int exponent) {
  BnPtr out(BN_new());
  BN_set_bit(out.get(), exponent);
  return out;
}

// `value` + `change`, big-endian without leading zeros.
Bytes bytes_of(const BIGNUM* value, int change = 0) {
  const BnPtr moved(BN_dup(value));
  if (change > 0) BN_add_word(moved.get(), static_cast<BN_ULONG>(change));
  if (change < 0) BN_sub_word(moved.get(), static_cast<BN_ULONG>(-change));
  Bytes out(static_cast<size_t>(BN_num_bytes(moved.get())));
  BN_bn2bin(moved.get(), out.data());
  return out;
}

Bytes with_leading_zeros(const Bytes& value, size_t count) {
  Bytes out(count, 0);
  out.insert(out.end(), value.begin(), value.end());
  return out;
}

BnPtr prime() { return number(dh_prime()); }

BnPtr prime_less_power_of_two(int exponent) {
  BnPtr out = prime();
  BN_sub(out.get(), out.get(), power_of_two(exponent).get());
  return out;
}

// The prime was typed in: it must be a safe prime of 2048 bits for which 3 is a lawful generator.
TEST(Dh, PrimeIsSafe) {
  const BnPtr p = prime();
  EXPECT_EQ(BN_num_bits(p.get()), 2048);
  EXPECT_EQ(BN_check_prime(p.get(), nullptr, nullptr), 1);
  const BnPtr half(BN_new());
  BN_rshift1(half.get(), p.get());
  EXPECT_EQ(BN_check_prime(half.get(), nullptr, nullptr), 1);
  EXPECT_EQ(BN_mod_word(p.get(), 3), 2u);
}

// base^exponent mod p by OpenSSL's plainest function.
DhArray plain_power(ByteView base, ByteView exponent) {
  const BnCtxPtr scratch(BN_CTX_new());
  const BnPtr wanted(BN_new());
  EXPECT_EQ(BN_mod_exp(wanted.get(), number(base).get(), number(exponent).get(), prime().get(),
                       scratch.get()),
            1);
  DhArray bytes{};
  BN_bn2binpad(wanted.get(), bytes.data(), kDhBytes);
  return bytes;
}

// Both kinds of powers, the precomputed ones and those of any base, against OpenSSL.
void expect_right_powers(ByteView exponent) {
  const std::array<uint8_t, 1> g{kDhG};
  DhArray got{};
  dh_public(exponent, got);
  ASSERT_EQ(got, plain_power(g, exponent)) << to_hex(exponent);
  static const Bytes base = hex(kOwnGb);
  ASSERT_TRUE(dh_power(base, exponent, got).ok());
  ASSERT_EQ(got, plain_power(base, exponent)) << to_hex(exponent);
}

TEST(Dh, EveryBitOfAnExponentCounts) {
  for (size_t bit = 0; bit < kDhExponentBytes * 8; ++bit) {
    DhExponent exponent;
    exponent.data()[bit / 8] = static_cast<uint8_t>(1U << bit % 8);
    expect_right_powers(exponent.view());
  }
}

TEST(Dh, EveryLengthOfAnExponent) {
  for (size_t size = 1; size <= kDhBytes; size += size < kDhExponentBytes + 9 ? 1 : 43) {
    Bytes exponent(size, 0xff);
    expect_right_powers(exponent);
    random_bytes(exponent);
    expect_right_powers(exponent);
    std::fill(exponent.begin(), exponent.end(), uint8_t{0});
    expect_right_powers(exponent);
    exponent.back() = 1;
    expect_right_powers(exponent);
    exponent.front() |= 0x80;
    expect_right_powers(exponent);
  }
}

TEST(Dh, RandomExponentsAgreeWithOpenssl) {
  for (int i = 0; i < 300; ++i) {
    DhExponent exponent;
    random_bytes(exponent.span());
    if (i % 2 == 0) set_dh_exponent_length(exponent);
    expect_right_powers(exponent.view());
  }
}

TEST(Dh, ExponentsHaveTheirFullLength) {
  DhExponent exponent;
  set_dh_exponent_length(exponent);
  EXPECT_EQ(to_hex(exponent.view()), "80" + std::string(62, '0'));
  std::fill_n(exponent.data(), exponent.size(), uint8_t{0xff});
  set_dh_exponent_length(exponent);
  EXPECT_EQ(to_hex(exponent.view()), std::string(64, 'f'));
}

TEST(Dh, OfficialRun) {
  const auto b = hex_array<kDhBytes>(kOfficialB);
  DhArray out{};
  dh_public(b, out);
  EXPECT_EQ(to_hex(out), kOfficialGb);
  ASSERT_TRUE(dh_power(hex(kOfficialGa), b, out).ok());
  EXPECT_EQ(to_hex(out), kOfficialAuthKey);
}

TEST(Dh, OwnRunFromBothSides) {
  DhArray a{};
  DhArray b{};
  a.fill(0x5a);
  b.fill(0x3c);
  DhArray out{};
  dh_public(a, out);
  EXPECT_EQ(to_hex(out), kOwnGa);
  dh_public(b, out);
  EXPECT_EQ(to_hex(out), kOwnGb);
  ASSERT_TRUE(dh_power(hex(kOwnGb), a, out).ok());
  EXPECT_EQ(to_hex(out), kOwnAuthKey);
  ASSERT_TRUE(dh_power(hex(kOwnGa), b, out).ok());
  EXPECT_EQ(to_hex(out), kOwnAuthKey);
}

TEST(Dh, RandomExponentsMeet) {
  for (int round = 0; round < 3; ++round) {
    DhArray a{};
    DhArray b{};
    random_bytes(a);
    random_bytes(b);
    DhArray ga{};
    DhArray gb{};
    dh_public(a, ga);
    dh_public(b, gb);
    DhArray left{};
    DhArray right{};
    ASSERT_TRUE(dh_power(gb, a, left).ok());
    ASSERT_TRUE(dh_power(ga, b, right).ok());
    EXPECT_EQ(left, right);
  }
}

TEST(Dh, SmallExponentsAreLeftPadded) {
  DhArray exponent{};
  DhArray out{};
  dh_public(exponent, out);  // g^0
  EXPECT_EQ(to_hex(out), std::string(510, '0') + "01");
  exponent[255] = 5;
  dh_public(exponent, out);
  EXPECT_EQ(to_hex(out), std::string(510, '0') + "f3");
}

TEST(Dh, RangeEdges) {
  const BnPtr low = power_of_two(1984);
  const BnPtr high = prime_less_power_of_two(1984);
  EXPECT_TRUE(dh_value_in_range(bytes_of(low.get())));
  EXPECT_TRUE(dh_value_in_range(bytes_of(low.get(), 1)));
  EXPECT_FALSE(dh_value_in_range(bytes_of(low.get(), -1)));
  EXPECT_TRUE(dh_value_in_range(bytes_of(high.get())));
  EXPECT_TRUE(dh_value_in_range(bytes_of(high.get(), -1)));
  EXPECT_FALSE(dh_value_in_range(bytes_of(high.get(), 1)));

  EXPECT_FALSE(dh_value_in_range({}));
  EXPECT_FALSE(dh_value_in_range(Bytes{0}));
  EXPECT_FALSE(dh_value_in_range(Bytes{1}));
  EXPECT_FALSE(dh_value_in_range(Bytes(kDhBytes, 0)));
  EXPECT_FALSE(dh_value_in_range(bytes_of(prime().get(), -1)));
  EXPECT_FALSE(dh_value_in_range(dh_prime()));
  EXPECT_FALSE(dh_value_in_range(bytes_of(prime().get(), 1)));
  EXPECT_FALSE(dh_value_in_range(Bytes(kDhBytes, 0xff)));
  EXPECT_FALSE(dh_value_in_range(bytes_of(power_of_two(1983).get())));
  EXPECT_FALSE(dh_value_in_range(bytes_of(prime_less_power_of_two(1983).get())));
  EXPECT_FALSE(dh_value_in_range(bytes_of(power_of_two(2048).get())));
  EXPECT_TRUE(dh_value_in_range(bytes_of(power_of_two(2047).get())));
}

TEST(Dh, LeadingZerosDoNotMatter) {
  const BnPtr low = power_of_two(1984);
  const BnPtr high = prime_less_power_of_two(1984);
  for (const size_t zeros : {1u, 7u, 8u, 300u}) {
    EXPECT_TRUE(dh_value_in_range(with_leading_zeros(bytes_of(low.get()), zeros)));
    EXPECT_FALSE(dh_value_in_range(with_leading_zeros(bytes_of(low.get(), -1), zeros)));
    EXPECT_TRUE(dh_value_in_range(with_leading_zeros(bytes_of(high.get()), zeros)));
    EXPECT_FALSE(dh_value_in_range(with_leading_zeros(bytes_of(high.get(), 1), zeros)));
  }
  // 257 significant bytes are too many, 257 with a leading zero are not.
  Bytes long_value = with_leading_zeros(hex(kOwnGb), 1);
  EXPECT_TRUE(dh_value_in_range(long_value));
  long_value[0] = 1;
  EXPECT_FALSE(dh_value_in_range(long_value));
}

TEST(Dh, PowerTakesLeadingZerosAndRefusesWhatIsOutOfRange) {
  DhArray a{};
  a.fill(0x5a);
  DhArray out{};
  ASSERT_TRUE(dh_power(with_leading_zeros(hex(kOwnGb), 1), a, out).ok());
  EXPECT_EQ(to_hex(out), kOwnAuthKey);
  ASSERT_TRUE(dh_power(bytes_of(power_of_two(1984).get()), a, out).ok());
  for (const Bytes& bad : {Bytes{}, Bytes{1}, bytes_of(prime().get(), -1), bytes_of(prime().get()),
                           bytes_of(power_of_two(1983).get())}) {
    const Result<void> result = dh_power(bad, a, out);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error(), Error::kBadDh);
  }
}

}  // namespace
}  // namespace ringway::crypto
