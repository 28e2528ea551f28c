#include "crypto/rsa.h"

#include <openssl/core_names.h>
#include <openssl/encoder.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <thread>

#include "crypto/aes_ige.h"
#include "crypto/openssl_ptr.h"
#include "crypto/random.h"
#include "crypto/sha.h"
#include "rsa_vectors.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

using RsaArray = std::array<uint8_t, kRsaBytes>;
using ParamBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, OpensslFree<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, OpensslFree<OSSL_PARAM_free>>;

BnPtr number(std::string_view text) {
  const Bytes bytes = hex(text);
  return BnPtr(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

// An OpenSSL key from numbers; d, p and q are left out for a public key.
PkeyPtr key_from(std::string_view n, std::string_view d = {}, std::string_view p = {},
                 std::string_view q = {}) {
  std::vector<BnPtr> numbers;
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  const auto push = [&](const char* name, BnPtr value) {
    OSSL_PARAM_BLD_push_BN(builder.get(), name, value.get());
    numbers.push_back(std::move(value));
  };
  push(OSSL_PKEY_PARAM_RSA_N, number(n));
  push(OSSL_PKEY_PARAM_RSA_E, number("010001"));
  if (!d.empty()) {
    const BnCtxPtr scratch(BN_CTX_new());
    push(OSSL_PKEY_PARAM_RSA_D, number(d));
    push(OSSL_PKEY_PARAM_RSA_FACTOR1, number(p));
    push(OSSL_PKEY_PARAM_RSA_FACTOR2, number(q));
    for (const auto& [name, prime] : {std::pair{OSSL_PKEY_PARAM_RSA_EXPONENT1, p},
                                      std::pair{OSSL_PKEY_PARAM_RSA_EXPONENT2, q}}) {
      const BnPtr less_one = number(prime);
      BN_sub_word(less_one.get(), 1);
      BnPtr exponent(BN_new());
      BN_mod(exponent.get(), number(d).get(), less_one.get(), scratch.get());
      push(name, std::move(exponent));
    }
    push(OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
         BnPtr(BN_mod_inverse(nullptr, number(q).get(), number(p).get(), scratch.get())));
  }
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_fromdata(context.get(), &key,
                              d.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR, params.get()),
            1);
  return PkeyPtr(key);
}

std::string pem_of(const EVP_PKEY* key, int selection, const char* structure) {
  OSSL_ENCODER_CTX* context =
      OSSL_ENCODER_CTX_new_for_pkey(key, selection, "PEM", structure, nullptr);
  unsigned char* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(OSSL_ENCODER_to_data(context, &data, &size), 1) << structure;
  std::string pem(reinterpret_cast<char*>(data), size);
  OPENSSL_free(data);
  OSSL_ENCODER_CTX_free(context);
  return pem;
}

std::shared_ptr<const RsaKey> loaded(std::string_view pem) {
  auto key = RsaKey::from_pem(pem);
  EXPECT_TRUE(key.ok());
  return key.ok() ? *key : nullptr;
}

std::string test_private_pem() {
  const PkeyPtr key = key_from(kTestN, kTestD, kTestP, kTestQ);
  return pem_of(key.get(), EVP_PKEY_KEYPAIR, "type-specific");
}

std::shared_ptr<const RsaKey> test_key() {
  static const std::shared_ptr<const RsaKey> key = loaded(test_private_pem());
  return key;
}

// tdlib's test key.
constexpr std::string_view kTdlibPem =
    "-----BEGIN RSA PUBLIC KEY-----\n"
    "MIIBCgKCAQEAr4v4wxMDXIaMOh8bayF/NyoYdpcysn5EbjTIOZC0RkgzsRj3SGlu\n"
    "52QSz+ysO41dQAjpFLgxPVJoOlxXokaOq827IfW0bGCm0doT5hxtedu9UCQKbE8j\n"
    "lDOk+kWMXHPZFJKWRgKgTu9hcB3y3Vk+JFfLpq3d5ZB48B4bcwrRQnzkx5GhWOFX\n"
    "x73ZgjO93eoQ2b/lDyXxK4B4IS+hZhjzezPZTI5upTRbs5ljlApsddsHrKk6jJNj\n"
    "8Ygs/ps8e6ct82jLXbnndC9s8HjEvDvBPH9IPjv5JUlmHMBFZ5vFQIfbpo0u0+1P\n"
    "n6bkEi5o7/ifoyVv2pAZTRwppTz0EuXD8QIDAQAB\n"
    "-----END RSA PUBLIC KEY-----\n";

TEST(Rsa, Fingerprints) {
  EXPECT_EQ(static_cast<int64_t>(loaded(kTdlibPem)->fingerprint()), -7596991558377038078);
  EXPECT_EQ(test_key()->fingerprint(), 0x3acd'0719'6f52'8bd6u);
  const PkeyPtr production = key_from(kProductionN);
  EXPECT_EQ(loaded(pem_of(production.get(), EVP_PKEY_PUBLIC_KEY, "type-specific"))->fingerprint(),
            0xd09d'1d85'de64'fd85u);
}

TEST(Rsa, ReadsAllFourPemForms) {
  const PkeyPtr key = key_from(kTestN, kTestD, kTestP, kTestQ);
  struct Form {
    int selection;
    const char* structure;
    const char* title;
    bool is_private;
  };
  for (const Form& form :
       {Form{EVP_PKEY_KEYPAIR, "type-specific", "-----BEGIN RSA PRIVATE KEY-----", true},
        Form{EVP_PKEY_KEYPAIR, "PrivateKeyInfo", "-----BEGIN PRIVATE KEY-----", true},
        Form{EVP_PKEY_PUBLIC_KEY, "type-specific", "-----BEGIN RSA PUBLIC KEY-----", false},
        Form{EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo", "-----BEGIN PUBLIC KEY-----", false}}) {
    const std::string pem = pem_of(key.get(), form.selection, form.structure);
    ASSERT_TRUE(pem.starts_with(form.title)) << pem.substr(0, 40);
    const auto read = loaded(pem);
    ASSERT_NE(read, nullptr) << form.title;
    EXPECT_EQ(read->has_private(), form.is_private) << form.title;
    EXPECT_EQ(read->fingerprint(), 0x3acd'0719'6f52'8bd6u) << form.title;
    EXPECT_EQ(to_hex(read->modulus()), kTestN) << form.title;
  }
}

TEST(Rsa, RefusesWhatIsNoKeyOfOurs) {
  const auto refused = [](std::string_view pem) {
    const auto key = RsaKey::from_pem(pem);
    return !key.ok() && key.error() == Error::kMalformed;
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"));
  EXPECT_TRUE(refused("not a key at all"));
  EXPECT_TRUE(refused(std::string(100000, 'A')));
  std::string cut = test_private_pem();
  cut.resize(cut.size() / 2);
  EXPECT_TRUE(refused(cut));
  for (const unsigned bits : {1024u, 3072u}) {
    const PkeyPtr other(EVP_RSA_gen(bits));
    EXPECT_TRUE(refused(pem_of(other.get(), EVP_PKEY_KEYPAIR, "type-specific"))) << bits;
    EXPECT_TRUE(refused(pem_of(other.get(), EVP_PKEY_PUBLIC_KEY, "type-specific"))) << bits;
  }
  const PkeyPtr curve(EVP_EC_gen("P-256"));
  EXPECT_TRUE(refused(pem_of(curve.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo")));
}

// An encrypted key must be an error, not a question on the terminal.
TEST(Rsa, EncryptedKeyIsAnErrorAndAsksNobody) {
  const PkeyPtr key = key_from(kTestN, kTestD, kTestP, kTestQ);
  const BioPtr out(BIO_new(BIO_s_mem()));
  const unsigned char password[] = "secret";
  ASSERT_EQ(
      PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(),
                                    reinterpret_cast<const char*>(password), 6, nullptr, nullptr),
      1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  const auto read = RsaKey::from_pem({data, static_cast<size_t>(size)});
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error(), Error::kMalformed);
}

// A private exponent that does not belong to the modulus.
TEST(Rsa, DamagedPrivateKeyIsRefused) {
  std::string d(kTestD);
  d[100] = d[100] == '7' ? '8' : '7';
  const PkeyPtr key = key_from(kTestN, d, kTestP, kTestQ);
  EXPECT_FALSE(RsaKey::from_pem(pem_of(key.get(), EVP_PKEY_KEYPAIR, "type-specific")).ok());
}

TEST(Rsa, RawKnownAnswers) {
  RsaArray out{};
  ASSERT_TRUE(test_key()->private_raw(hex_array<kRsaBytes>(kPaddedCipher), out).ok());
  EXPECT_EQ(to_hex(out), kPaddedPlain);
  ASSERT_TRUE(test_key()->public_raw(hex_array<kRsaBytes>(kPaddedPlain), out).ok());
  EXPECT_EQ(to_hex(out), kPaddedCipher);
}

TEST(Rsa, ResultsAreLeftPadded) {
  RsaArray out{};
  out.fill(0xaa);
  ASSERT_TRUE(test_key()->private_raw(hex_array<kRsaBytes>(kLeadingZeroCipher), out).ok());
  EXPECT_EQ(out[0], 0);
  RsaArray back{};
  ASSERT_TRUE(test_key()->public_raw(out, back).ok());
  EXPECT_EQ(to_hex(back), kLeadingZeroCipher);

  RsaArray small{};
  ASSERT_TRUE(test_key()->public_raw(small, out).ok());
  EXPECT_EQ(out, small);
  small[255] = 1;
  ASSERT_TRUE(test_key()->private_raw(small, out).ok());
  EXPECT_EQ(out, small);
}

// The raw part of a published RSA_PAD run, with its padding built here step by step.
TEST(Rsa, PublishedPadRun) {
  const PkeyPtr raw = key_from(kProductionN);
  const auto key = loaded(pem_of(raw.get(), EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo"));
  Bytes padded(192, 0);
  std::fill_n(padded.begin(), 144, uint8_t{'a'});
  const IgeKeyIv temp_key;  // 32 zero bytes, and the zero iv
  const Sha256Digest hash = sha256({temp_key.key.view(), padded});
  Bytes body(padded.rbegin(), padded.rend());
  body.insert(body.end(), hash.begin(), hash.end());
  const IgeJob job{&temp_key, body};
  ige_encrypt_many({&job, 1});
  const Sha256Digest mask = sha256({body});
  RsaArray in{};
  std::copy(mask.begin(), mask.end(), in.begin());
  std::copy(body.begin(), body.end(), in.begin() + 32);
  EXPECT_EQ(to_hex(ByteView(in).first(16)), "6bc8bc94a5a9e72636e041f2013bae31");
  RsaArray out{};
  ASSERT_TRUE(key->public_raw(in, out).ok());
  EXPECT_EQ(to_hex(out), kProductionPadResult);
}

TEST(Rsa, RefusesNumbersFromTheModulusUp) {
  RsaArray value{};
  std::copy(test_key()->modulus().begin(), test_key()->modulus().end(), value.begin());
  RsaArray out{};
  const auto refused = [&](const RsaArray& in) {
    const Result<void> a = test_key()->private_raw(in, out);
    const Result<void> b = test_key()->public_raw(in, out);
    return !a.ok() && a.error() == Error::kBadRsa && !b.ok() && b.error() == Error::kBadRsa;
  };
  EXPECT_TRUE(refused(value));  // n
  value[255] = static_cast<uint8_t>(value[255] + 1);
  EXPECT_TRUE(refused(value));  // n + 1
  value.fill(0xff);
  EXPECT_TRUE(refused(value));
  std::copy(test_key()->modulus().begin(), test_key()->modulus().end(), value.begin());
  value[255] = static_cast<uint8_t>(value[255] - 1);
  EXPECT_TRUE(test_key()->private_raw(value, out).ok());  // n - 1, whose odd powers are n - 1
  EXPECT_EQ(out, value);
}

TEST(Rsa, PublicKeyDoesNothingPrivate) {
  const auto key = loaded(kTdlibPem);
  RsaArray in{};
  RsaArray out{};
  EXPECT_FALSE(key->has_private());
  EXPECT_FALSE(key->private_raw(in, out).ok());
}

TEST(Rsa, GeneratedKeyRoundTripsThroughItsPems) {
  const auto key = RsaKey::generate();
  ASSERT_TRUE(key->has_private());
  const std::string private_pem = key->private_pem();
  const std::string public_pem = key->public_pem();
  EXPECT_TRUE(private_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
  EXPECT_TRUE(public_pem.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
  const auto reread = loaded(private_pem);
  const auto public_half = loaded(public_pem);
  EXPECT_EQ(reread->fingerprint(), key->fingerprint());
  EXPECT_EQ(public_half->fingerprint(), key->fingerprint());
  EXPECT_EQ(reread->private_pem(), private_pem);
  EXPECT_EQ(public_half->public_pem(), public_pem);

  RsaArray plain{};
  random_bytes(ByteSpan(plain).subspan(1));
  RsaArray cipher{};
  RsaArray back{};
  ASSERT_TRUE(public_half->public_raw(plain, cipher).ok());
  ASSERT_NE(cipher, plain);
  ASSERT_TRUE(reread->private_raw(cipher, back).ok());
  EXPECT_EQ(back, plain);
}

// A thread that goes from key to key, and keys that end, uses the right one each time.
TEST(Rsa, AThreadMayChangeBetweenKeys) {
  RsaArray plain{};
  random_bytes(ByteSpan(plain).subspan(1));
  const auto other = RsaKey::generate();
  for (int round = 0; round < 3; ++round) {
    const auto passing = loaded(test_key()->private_pem());
    for (const RsaKey* key : {test_key().get(), other.get(), passing.get()}) {
      RsaArray cipher{};
      RsaArray back{};
      ASSERT_TRUE(key->public_raw(plain, cipher).ok());
      ASSERT_TRUE(key->private_raw(cipher, back).ok());
      EXPECT_EQ(back, plain);
    }
  }
}

TEST(Rsa, OneKeyServesManyThreads) {
  std::vector<std::thread> threads;
  std::array<bool, 4> right{};
  for (size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&right, t, key = test_key()] {
      bool all = true;
      for (int round = 0; round < 5; ++round) {
        RsaArray plain{};
        random_bytes(ByteSpan(plain).subspan(1));
        RsaArray cipher{};
        RsaArray back{};
        all = all && key->public_raw(plain, cipher).ok() && key->private_raw(cipher, back).ok() &&
              back == plain;
      }
      right[t] = all;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(std::all_of(right.begin(), right.end(), [](bool ok) { return ok; }));
}

}  // namespace
}  // namespace ringway::crypto
