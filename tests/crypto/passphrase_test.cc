#include "crypto/passphrase.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace ringway::crypto {
namespace {

const ByteView kPlain = as_bytes("what nobody else may read");
const ByteView kPassphrase = as_bytes("correct horse");

TEST(Passphrase, OpensWhatItSealed) {
  const Bytes sealed = seal_with_passphrase(kPlain, kPassphrase);
  EXPECT_TRUE(is_passphrase_sealed(sealed));
  EXPECT_EQ(sealed.size(), 40 + kPlain.size() + 16);
  EXPECT_EQ(to_hex(ByteView(sealed).first(12)),
            "525753454331000001"
            "0f0801");
  EXPECT_EQ(as_text(*open_with_passphrase(sealed, kPassphrase)), as_text(kPlain));
  EXPECT_NE(to_hex(sealed), to_hex(seal_with_passphrase(kPlain, kPassphrase))) << "fresh each time";
  EXPECT_TRUE(open_with_passphrase(seal_with_passphrase({}, {}), {})->empty());
}

// Made by Python's hashlib.scrypt and the AES-GCM of its package cryptography, with the salt 00…0f
// and the nonce a0…ab.
TEST(Passphrase, KnownAnswer) {
  const Bytes sealed = *from_hex(
      "5257534543310000010f0801000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab"
      "92a400d76ea6949f9444a64148a98903d60b68631eeffbfe657be0864d30c7a417f0405f8a85c5f8"
      "b4");
  const auto plain = open_with_passphrase(sealed, kPassphrase);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(as_text(*plain), as_text(kPlain));
}

TEST(Passphrase, RefusesAllElse) {
  const Bytes sealed = seal_with_passphrase(kPlain, kPassphrase);
  EXPECT_EQ(open_with_passphrase(sealed, as_bytes("correct horsf")).error(), Error::kNotAllowed);
  for (const size_t at : {12u, 30u, 41u, 60u}) {  // salt, nonce, text, tag
    Bytes changed = sealed;
    changed[at] ^= 1;
    EXPECT_EQ(open_with_passphrase(changed, kPassphrase).error(), Error::kNotAllowed) << at;
  }
  for (const size_t at : {0u, 6u, 8u}) {  // not the magic, another kind
    Bytes changed = sealed;
    changed[at] ^= 1;
    EXPECT_EQ(open_with_passphrase(changed, kPassphrase).error(), Error::kMalformed) << at;
  }
  for (const size_t at : {9u, 10u, 11u}) {  // a cost that would take all memory
    Bytes changed = sealed;
    changed[at] = 60;
    EXPECT_EQ(open_with_passphrase(changed, kPassphrase).error(), Error::kMalformed) << at;
  }
  Bytes unbalanced = sealed;  // scrypt itself cannot do that
  unbalanced[9] = 17;
  unbalanced[10] = 1;
  EXPECT_EQ(open_with_passphrase(unbalanced, kPassphrase).error(), Error::kMalformed);
  for (size_t bytes = 0; bytes < 56; ++bytes) {
    EXPECT_EQ(open_with_passphrase(ByteView(sealed).first(bytes), kPassphrase).error(),
              Error::kMalformed)
        << bytes;
  }
}

}  // namespace
}  // namespace ringway::crypto
