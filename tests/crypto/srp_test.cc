#include "crypto/srp.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/sha.h>

#include <numeric>

#include "base/hex.h"
#include "crypto/openssl_ptr.h"

namespace ringway::crypto {
namespace {

// SHA-512 of the text, four times.
SrpNumber stretched(std::string_view text) {
  std::array<uint8_t, SHA512_DIGEST_LENGTH> digest{};
  SHA512(as_bytes(text).data(), text.size(), digest.data());
  SrpNumber number;
  for (size_t i = 0; i < number.size(); ++i) number[i] = digest[i % digest.size()];
  return number;
}

struct Vector {
  Bytes first = Bytes(16);
  Bytes second = Bytes(16);
  Vector() {
    std::iota(first.begin(), first.end(), uint8_t{0});
    std::iota(second.begin(), second.end(), uint8_t{100});
  }
  [[nodiscard]] SrpSalts salts() const { return {first, second}; }
};

TEST(Srp, KnownAnswer) {
  const Vector vector;
  const SrpSecret secret = srp_secret(as_bytes("correct horse"), vector.salts());
  EXPECT_EQ(to_hex(secret.view()),
            "c311cfd4d662aa6804a1f1dce0ad1f179a4c62c6095b00c97e701ccf759f2519");
  const SrpNumber verifier = srp_verifier(secret);
  SrpNumber client_value;
  dh_public(stretched("a"), client_value);
  const auto proof = srp_proof(verifier, vector.salts(), stretched("b"), client_value);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(to_hex(*proof), "939d1b08906e5b52b7b909e2320f623f4f9e6a2f2e413ded41c3a29c9b8df503");
}

TEST(Srp, TheClientProvesWhatTheServerExpects) {
  const Vector vector;
  const SrpSecret secret = srp_secret(as_bytes("correct horse"), vector.salts());
  const SrpNumber challenge = srp_challenge(srp_verifier(secret), stretched("b"));
  const auto answer = srp_answer(secret, vector.salts(), stretched("a"), challenge);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(to_hex(answer->proof),
            "939d1b08906e5b52b7b909e2320f623f4f9e6a2f2e413ded41c3a29c9b8df503");
  const auto proof = srp_proof(srp_verifier(secret), vector.salts(), stretched("b"), answer->value);
  EXPECT_EQ(to_hex(*proof), to_hex(answer->proof));
  EXPECT_EQ(srp_answer(secret, vector.salts(), stretched("a"), SrpNumber{}).error(), Error::kBadDh);
}

// Calculated with Python's integers and hashlib from the description, as was the one above.
TEST(Srp, KnownAnswerInAnotherGroup) {
  const BnPtr number(BN_get_rfc3526_prime_2048(nullptr));
  SrpNumber prime;
  ASSERT_EQ(BN_bn2binpad(number.get(), prime.data(), kDhBytes), static_cast<int>(kDhBytes));
  const DhGroup group = *read_dh_group(2, prime);
  const Vector vector;
  const SrpSecret secret = srp_secret(as_bytes("correct horse"), vector.salts());
  const SrpNumber verifier = srp_verifier(secret, group);
  const SrpNumber challenge = srp_challenge(verifier, stretched("b"), group);
  const auto answer = srp_answer(secret, vector.salts(), stretched("a"), challenge, group);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(to_hex(answer->proof),
            "c7852bb719f13cbab546d5458dcdd7a9da0f9a15d9225acb870ce1ab13cf683d");
  const auto proof = srp_proof(verifier, vector.salts(), stretched("b"), answer->value, group);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(to_hex(*proof), to_hex(answer->proof));
}

TEST(Srp, AnotherPasswordOrSecretGivesAnotherProof) {
  const Vector vector;
  SrpNumber client_value;
  dh_public(stretched("a"), client_value);
  const SrpNumber right = srp_verifier(SrpSecret(sha256({as_bytes("x")})));
  const SrpNumber wrong = srp_verifier(SrpSecret(sha256({as_bytes("y")})));
  const auto proof = [&](const SrpNumber& verifier, std::string_view b) {
    return to_hex(*srp_proof(verifier, vector.salts(), stretched(b), client_value));
  };
  EXPECT_EQ(proof(right, "b"), proof(right, "b"));
  EXPECT_NE(proof(right, "b"), proof(wrong, "b"));
  EXPECT_NE(proof(right, "b"), proof(right, "c"));
  EXPECT_NE(srp_challenge(right, stretched("b")), srp_challenge(wrong, stretched("b")));
}

TEST(Srp, RefusesValuesOutOfRange) {
  // They would make S, and so the proof, independent of the password.
  const Vector vector;
  const SrpNumber verifier = srp_verifier(SrpSecret());
  SrpNumber zero{};
  SrpNumber one{};
  one.back() = 1;
  SrpNumber prime;
  std::copy(dh_prime().begin(), dh_prime().end(), prime.begin());
  const Bytes long_one(kDhBytes + 1, 0xff);
  for (const ByteView value :
       {ByteView(), ByteView(zero), ByteView(one), ByteView(prime), ByteView(long_one)}) {
    EXPECT_EQ(srp_proof(verifier, vector.salts(), stretched("b"), value).error(), Error::kBadDh);
  }
}

}  // namespace
}  // namespace ringway::crypto
