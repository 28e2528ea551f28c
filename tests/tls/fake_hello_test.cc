// The opening of fake TLS: known answers, both roles against each other, and hostile hellos.
#include "tls/fake_hello.h"

#include <openssl/bn.h>

#include <set>
#include <vector>

#include "base/limits.h"
#include "crypto/openssl_ptr.h"
#include "tls/fake_client_hello.h"
#include "tls/replay_cache.h"
#include "tls_testing.h"

namespace ringway::tls {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr size_t kTimeAt = kTlsHelloRandomAt + 28;  // of the record: what no digest covers

FakeTlsSecret own_secret() { return make_secret("00112233445566778899aabbccddeeff", "a.example"); }

Result<FakeHello> read(const Bytes& start, const FakeTlsSecret& secret, int64_t now = kNow) {
  return read_fake_hello(start, {&secret, 1}, now);
}

Error error_of(const Bytes& start, const FakeTlsSecret& secret, int64_t now = kNow) {
  return read(start, secret, now).error();
}

TEST(FakeHello, OfARealClientIsAuthentic) {
  const Bytes record = hex(kKnownHello);
  const Result<FakeHello> hello = read(record, known_secret(), kKnownSeconds);
  ASSERT_TRUE(hello.ok()) << to_string(hello.error());
  EXPECT_EQ(hello->secret, 0u);
  EXPECT_EQ(hello->cipher, 0x1303);
  EXPECT_EQ(hello->session_id_bytes, 32);
  EXPECT_EQ(to_hex(hello->replay_id()), "5ef08f7376806c76e144bbf49149b2e8");
  EXPECT_EQ(hello->record.size(), record.size());
}

// A client's random over other bytes, as mtg's tests have it.
TEST(FakeHello, WithTheRandomOfAnotherIsNot) {
  Bytes record = make_fake_client_hello(known_secret(), kKnownSeconds).record;
  const Bytes other = hex(kKnownHello);
  std::copy_n(other.begin() + kTlsHelloRandomAt, kTlsRandomBytes,
              record.begin() + kTlsHelloRandomAt);
  EXPECT_EQ(error_of(record, known_secret(), kKnownSeconds), Error::kUnknownKey);
}

// Computed with Python's hmac over bytes that were put together there.
TEST(FakeFlight, IsTheKnownOne) {
  const Bytes record = hex(kKnownHello);
  const Result<FakeHello> hello = read(record, known_secret(), kKnownSeconds);
  ASSERT_TRUE(hello.ok());
  KeyShare share;
  share.fill(0x11);
  const Bytes flight = make_fake_flight(*hello, known_secret(), share, Bytes(1024, 0x22));
  EXPECT_EQ(flight.size(), 1162u);
  const Bytes expected =
      hex("160303007a020000760303"
          "bf47dd292c05a20214cf2b3521f91508dbae2928280b443f2e6d95cc86e148cf"
          "204add81676b873059f7076b6b0f58df76da63a0938e83a24178b84573208c0aae"
          "130300002e00330024001d0020"
          "1111111111111111111111111111111111111111111111111111111111111111"
          "002b00020304"
          "140303000101"
          "1703030400");
  EXPECT_EQ(to_hex(ByteView(flight).first(expected.size())), to_hex(expected));
  EXPECT_EQ(flight.back(), 0x22);
}

TEST(FakeHello, OfOurOwnClientIsAuthenticAtEverySize) {
  const FakeTlsSecret secret = own_secret();
  for (const size_t size : {size_t{517}, size_t{518}, size_t{519}, size_t{600}, size_t{1025},
                            size_t{1800}, size_t{4096}, kFakeHelloBytesMax}) {
    const FakeClientHello made = make_fake_client_hello(secret, kNow, size);
    EXPECT_GE(made.record.size(), size);
    EXPECT_LE(made.record.size(), size + 3);
    const Result<FakeHello> hello = read(made.record, secret);
    ASSERT_TRUE(hello.ok()) << size << " " << to_string(hello.error());
    EXPECT_EQ(hello->cipher, 0x1301);
    EXPECT_EQ(to_hex(hello->random), to_hex(made.random));
  }
}

TEST(FakeHello, WaitsForItsLastByteAndLeavesWhatFollows) {
  const FakeTlsSecret secret = own_secret();
  Bytes record = make_fake_client_hello(secret, kNow, 1300).record;
  for (size_t size = 0; size < record.size(); ++size) {
    const Bytes start(record.begin(), record.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_EQ(error_of(start, secret), Error::kTruncated) << size;
  }
  const size_t size = record.size();
  record.insert(record.end(), {0x14, 0x03, 0x03});
  const Result<FakeHello> hello = read(record, secret);
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hello->record.size(), size);
}

TEST(FakeHello, NoChangedBitGetsIn) {
  const FakeTlsSecret secret = own_secret();
  const Bytes record = make_fake_client_hello(secret, kNow).record;
  for (size_t at = 0; at < record.size(); ++at) {
    if (at >= kTimeAt && at < kTimeAt + 4) continue;
    for (int bit = 0; bit < 8; ++bit) {
      const Bytes changed = with_byte(record, at, static_cast<uint8_t>(record[at] ^ (1 << bit)));
      ASSERT_FALSE(read(changed, secret).ok()) << at << " " << bit;
    }
  }
}

// The time can be changed by who does not know the key: that is what is remembered against.
TEST(FakeHello, WithAChangedTimeIsStillTheSameHello) {
  const FakeTlsSecret secret = own_secret();
  const Bytes old = make_fake_client_hello(secret, kNow - 24 * 3600).record;
  EXPECT_EQ(error_of(old, secret), Error::kTimeout);
  Bytes renewed = old;
  store_le(renewed.data() + kTimeAt, load_le<uint32_t>(old.data() + kTimeAt) ^
                                         static_cast<uint32_t>(kNow - 24 * 3600) ^
                                         static_cast<uint32_t>(kNow));
  const Result<FakeHello> first = read(old, secret, kNow - 24 * 3600);
  const Result<FakeHello> again = read(renewed, secret);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(again.ok());
  ReplayCache cache;
  EXPECT_EQ(cache.insert(first->replay_id(), kNow - 24 * 3600), ReplayCache::Verdict::kNew);
  EXPECT_EQ(cache.insert(again->replay_id(), kNow), ReplayCache::Verdict::kSeen);
}

TEST(FakeHello, IsGoodForItsTimeOnly) {
  const FakeTlsSecret secret = own_secret();
  const auto made_at = [&](int64_t seconds) {
    return error_of(make_fake_client_hello(secret, seconds).record, secret);
  };
  EXPECT_EQ(made_at(kNow - kFakeHelloAgeMaxSeconds), Error::kNone);
  EXPECT_EQ(made_at(kNow - kFakeHelloAgeMaxSeconds - 1), Error::kTimeout);
  EXPECT_EQ(made_at(kNow + kFakeHelloAheadMaxSeconds), Error::kNone);
  EXPECT_EQ(made_at(kNow + kFakeHelloAheadMaxSeconds + 1), Error::kTimeout);
  EXPECT_EQ(made_at(0), Error::kTimeout);
  EXPECT_EQ(made_at(UINT32_MAX), Error::kTimeout);
}

TEST(FakeHello, IsForItsDomainOnly) {
  FakeTlsSecret secret = own_secret();
  const Bytes record = make_fake_client_hello(secret, kNow).record;
  secret.domain = "A.Example";
  EXPECT_EQ(error_of(record, secret), Error::kNone);
  for (const char* other : {"b.example", "a.example.org", "a.exampl", ".example", ""}) {
    secret.domain = other;
    EXPECT_EQ(error_of(record, secret), Error::kNotAllowed) << other;
  }
}

TEST(FakeHello, FindsItsSecretAmongMany) {
  std::vector<FakeTlsSecret> secrets;
  for (int i = 0; i < 40; ++i) {
    FakeTlsSecret secret = own_secret();
    secret.key.data()[0] = static_cast<uint8_t>(i / 2);  // each key for two domains
    secret.domain = i % 2 == 0 ? "even.example" : "odd.example";
    secrets.push_back(secret);
  }
  for (size_t i = 0; i < secrets.size(); ++i) {
    const Bytes record = make_fake_client_hello(secrets[i], kNow).record;
    const Result<FakeHello> hello = read_fake_hello(record, secrets, kNow);
    ASSERT_TRUE(hello.ok()) << i;
    EXPECT_EQ(hello->secret, i);
  }
  FakeTlsSecret unknown = own_secret();
  unknown.key.data()[15] ^= 1;
  unknown.domain = "odd.example";
  const Bytes record = make_fake_client_hello(unknown, kNow).record;
  EXPECT_EQ(read_fake_hello(record, secrets, kNow).error(), Error::kUnknownKey);
  EXPECT_EQ(read_fake_hello(record, {}, kNow).error(), Error::kUnknownKey);
}

// A whole record that makes no sense is a TLS client's that is not ours.
TEST(FakeHello, MalformedOnesAreNotWaitedFor) {
  EXPECT_EQ(error_of(hex("16030100050100000101"), own_secret()), Error::kMalformed);
  Bytes record = make_fake_client_hello(own_secret(), kNow).record;
  record[kTlsHelloRandomAt + kTlsRandomBytes] = 255;  // the session id's length
  EXPECT_EQ(error_of(record, own_secret()), Error::kMalformed);
}

class Flight : public testing::Test {
 protected:
  Flight() : client_(make_fake_client_hello(secret_, kNow)) {
    const Result<FakeHello> hello = read(client_.record, secret_);
    EXPECT_TRUE(hello.ok());
    if (hello.ok()) flight_ = make_fake_flight(*hello, secret_);
  }
  Result<size_t> check(ByteView start) { return read_fake_flight(start, secret_, client_.random); }

  FakeTlsSecret secret_ = own_secret();
  FakeClientHello client_;
  Bytes flight_;
};

TEST_F(Flight, IsWhatTheClientWaitsFor) {
  for (size_t size = 0; size < flight_.size(); ++size) {
    ASSERT_EQ(check(ByteView(flight_).first(size)).error(), Error::kTruncated) << size;
  }
  const Result<size_t> size = check(flight_);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, flight_.size());
  const size_t whole = flight_.size();
  flight_.push_back(0x17);
  EXPECT_EQ(*check(flight_), whole);
}

TEST_F(Flight, ChangedOrMadeWithAnotherKeyIsRefused) {
  for (size_t at = 0; at < flight_.size(); ++at) {
    const Bytes changed = with_byte(flight_, at, flight_[at] ^ 1);
    ASSERT_FALSE(check(changed).ok()) << at;
  }
  secret_.key.data()[0] ^= 1;
  EXPECT_EQ(check(flight_).error(), Error::kUnknownKey);
}

TEST_F(Flight, HasTheSameLengthForASecretGiveOrTakeOne) {
  const Result<FakeHello> hello = read(client_.record, secret_);
  ASSERT_TRUE(hello.ok());
  std::set<size_t> sizes;
  std::set<std::string> shares;
  for (int i = 0; i < 200; ++i) {
    const Bytes flight = make_fake_flight(*hello, secret_);
    sizes.insert(flight.size());
    EXPECT_GE(flight.size(), 138u + 2500u);
    EXPECT_LE(flight.size(), 138u + 4700u);
    shares.insert(to_hex(ByteView(flight).subspan(89, 32)));
  }
  // Each is as good as never missed: one of three, and its neighbours.
  EXPECT_EQ(sizes.size(), 3u);
  EXPECT_EQ(*sizes.rbegin() - *sizes.begin(), 2u);
  EXPECT_EQ(shares.size(), 200u);
}

// u is the coordinate of a point when u^3 + 486662 u^2 + u is a square modulo 2^255 - 19.
bool on_curve(ByteView little_endian) {
  const crypto::BnPtr p(BN_new());
  const crypto::BnPtr u(BN_new());
  const crypto::BnPtr sum(BN_new());
  const crypto::BnPtr factor(BN_new());
  const crypto::BnCtxPtr context(BN_CTX_new());
  EXPECT_TRUE(BN_set_bit(p.get(), 255) && BN_sub_word(p.get(), 19));
  EXPECT_NE(BN_lebin2bn(little_endian.data(), static_cast<int>(little_endian.size()), u.get()),
            nullptr);
  // u * (u * (u + 486662) + 1)
  EXPECT_TRUE(BN_copy(factor.get(), u.get()) && BN_add_word(factor.get(), 486662));
  EXPECT_TRUE(BN_mod_mul(sum.get(), u.get(), factor.get(), p.get(), context.get()));
  EXPECT_TRUE(BN_add_word(sum.get(), 1));
  EXPECT_TRUE(BN_mod_mul(factor.get(), sum.get(), u.get(), p.get(), context.get()));
  return BN_kronecker(factor.get(), p.get(), context.get()) == 1;
}

TEST(KeyShares, ArePointsOfTheCurve) {
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(on_curve(draw_key_share()));
  KeyShare two{};
  two[0] = 2;  // on the twist
  EXPECT_FALSE(on_curve(two));
}

}  // namespace
}  // namespace ringway::tls
