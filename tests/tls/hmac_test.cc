#include "tls/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>

#include "tls_testing.h"

namespace ringway::tls {
namespace {

Bytes oracle(const HmacKey& key, const Bytes& text) {
  Bytes out(32);
  unsigned size = 0;
  EXPECT_NE(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text.data(), text.size(),
                 out.data(), &size),
            nullptr);
  EXPECT_EQ(size, 32u);
  return out;
}

Bytes drawn(std::mt19937& random, size_t size) {
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

TEST(Hmac, IsThatOfOpenSslForEveryLengthAndCut) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 300; ++size) {
    HmacKey key;
    const Bytes key_bytes = drawn(random, key.size());
    std::copy(key_bytes.begin(), key_bytes.end(), key.data());
    const Bytes text = drawn(random, size);
    const size_t cut = size / 3;
    EXPECT_EQ(to_hex(hmac_sha256(key, {ByteView(text).first(cut), ByteView(text).subspan(cut)})),
              to_hex(oracle(key, text)))
        << size;
  }
}

TEST(Hmac, ManyKeysAtOnceGiveTheSame) {
  std::mt19937 random(2);
  std::array<HmacKey, kHmacBatchMax> keys;
  std::array<const HmacKey*, kHmacBatchMax> pointers{};
  for (size_t i = 0; i < keys.size(); ++i) {
    const Bytes bytes = drawn(random, keys[i].size());
    std::copy(bytes.begin(), bytes.end(), keys[i].data());
    pointers[i] = &keys[i];
  }
  for (const size_t size : {0u, 1u, 55u, 56u, 64u, 517u, 1800u, 16389u}) {
    const Bytes text = drawn(random, size);
    for (size_t count = 0; count <= keys.size(); ++count) {
      std::array<crypto::Sha256Digest, kHmacBatchMax> digests;
      hmac_sha256_many(std::span(pointers).first(count), text, std::span(digests).first(count));
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(to_hex(digests[i]), to_hex(oracle(keys[i], text))) << size << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace ringway::tls
