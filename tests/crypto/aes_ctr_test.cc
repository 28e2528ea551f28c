#include "crypto/aes_ctr.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <string>

#include "crypto/aes_kernel.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

// OpenSSL's own counter mode.
Bytes oracle(ByteView key, ByteView iv, const Bytes& data) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EXPECT_EQ(EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nullptr, key.data(), iv.data()), 1);
  Bytes out(data.size());
  int size = 0;
  EXPECT_EQ(
      EVP_EncryptUpdate(context, out.data(), &size, data.data(), static_cast<int>(data.size())), 1);
  EVP_CIPHER_CTX_free(context);
  return out;
}

AesCtr::State state_of(ByteView key, ByteView iv) {
  AesCtr::State state;
  std::memcpy(state.key.data(), key.data(), 32);
  std::memcpy(state.counter.data(), iv.data(), 16);
  return state;
}

class CtrKernelTest : public testing::TestWithParam<const AesKernel*> {
 protected:
  Bytes apply(ByteView key, ByteView iv, Bytes data) {
    AesCtr::State state = state_of(key, iv);
    GetParam()->ctr_apply(state, data);
    return data;
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, CtrKernelTest,
                         testing::ValuesIn(aes_kernels().begin(), aes_kernels().end()),
                         [](const auto& kernel) { return std::string(kernel.param->name); });

struct Answer {
  const char *key, *iv, *plain, *cipher;
};

// NIST SP 800-38A F.5.5, tgcrypto's odd length, tdlib's AesCtrState with and without a wrap of the
// whole 128-bit counter.
const Answer kAnswers[] = {
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a"
     "52eff69f2445df4f9b17ad2b417be66c3710",
     "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84"
     "988ddfc9c58db67aada613c2dd08457941a6"},
    {"ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d",
     "001cc5b751a51d70a1c1114800000001",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
     "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8"},
    {"88a1fdb96755bdf47dab6e656225f1453eb6b640cbc2bd71521b9964ac056a12",
     "4034e1e909c93ec28f5853e8ebe58118",
     "5b1d9203f04c2d5e562911e4d8ce40f331e52d7e8ca5bc0583d73f9a24d57bdce7",
     "469e0b6ec02cc1d0f5d4e6ce9391404668ec56e7aee6be91bb77c09ff8eacdf79c"},
    {"88a1fdb96755bdf47dab6e656225f1453eb6b640cbc2bd71521b9964ac056a12",
     "ffffffffffffffffffffffffffffffff",
     "5b1d9203f04c2d5e562911e4d8ce40f331e52d7e8ca5bc0583d73f9a24d57bdce7",
     "b62ae2f08bab500cdd92be3a09b5a0a6cd7d26461312107a6083f8e18a54bba595"}};

TEST_P(CtrKernelTest, KnownAnswers) {
  for (const Answer& answer : kAnswers) {
    EXPECT_EQ(to_hex(apply(hex(answer.key), hex(answer.iv), hex(answer.plain))), answer.cipher);
    EXPECT_EQ(to_hex(apply(hex(answer.key), hex(answer.iv), hex(answer.cipher))), answer.plain);
  }
}

TEST_P(CtrKernelTest, TdlibChecksums) {
  TdlibBytes source(33);
  Bytes data(33);
  Bytes key(32);
  Bytes iv(16);
  source.fill(data);
  source.fill(key);
  source.fill(iv);
  EXPECT_EQ(crc32(0, apply(key, iv, data).data(), 33), 2302125528u);
  EXPECT_EQ(crc32(0, apply(key, Bytes(16, 0xff), data).data(), 33), 2893295118u);
}

TEST_P(CtrKernelTest, AgreesWithOpensslOnEveryLength) {
  const Bytes key = seeded_bytes(32, 1);
  const Bytes iv = seeded_bytes(16, 2);
  for (size_t size = 0; size <= 1100; ++size) {
    const Bytes data = seeded_bytes(size, static_cast<uint32_t>(size));
    ASSERT_EQ(apply(key, iv, data), oracle(key, iv, data)) << size;
  }
}

// A carry out of each byte of the counter, in the middle of what a kernel works off at once.
TEST_P(CtrKernelTest, CarriesThroughEveryByte) {
  const Bytes key = seeded_bytes(32, 3);
  const Bytes data = seeded_bytes(40 * 16 + 5, 4);
  for (size_t ones = 1; ones <= 16; ++ones) {
    for (const uint8_t last : {uint8_t{0xff}, uint8_t{0xfc}, uint8_t{0xf0}}) {
      Bytes iv(16, 0x31);
      std::fill(iv.end() - static_cast<ptrdiff_t>(ones), iv.end(), uint8_t{0xff});
      iv[15] = last;
      ASSERT_EQ(apply(key, iv, data), oracle(key, iv, data)) << ones;
    }
  }
}

TEST_P(CtrKernelTest, AnyChunkingGivesTheSameStream) {
  const Bytes key = seeded_bytes(32, 5);
  Bytes iv(16, 0xff);  // so that carries meet chunk borders too
  iv[15] = 0xf9;
  const Bytes data = seeded_bytes(3000, 6);
  const Bytes expected = oracle(key, iv, data);
  std::mt19937 generator(7);
  for (int round = 0; round < 200; ++round) {
    AesCtr::State state = state_of(key, iv);
    Bytes work = data;
    ByteSpan left = work;
    while (!left.empty()) {
      const size_t largest = round % 2 == 0 ? 40 : 700;
      const size_t size = std::min<size_t>(left.size(), generator() % largest);
      if (size != 0) GetParam()->ctr_apply(state, left.first(size));
      ASSERT_LT(state.offset, 16);
      left = left.subspan(size);
    }
    ASSERT_EQ(work, expected) << round;
  }
}

TEST(AesCtr, OneByteAtATimeAndContinuedElsewhere) {
  const auto key = hex_array<32>(kAnswers[0].key);
  const auto iv = hex_array<16>(kAnswers[0].iv);
  Bytes data = hex(kAnswers[0].plain);
  AesCtr stream(key, iv);
  for (size_t i = 0; i < data.size(); ++i) {
    stream.apply(ByteSpan(data).subspan(i, 1));
    // What a move to another core or process does at any point of the stream.
    stream = AesCtr(stream.state());
  }
  EXPECT_EQ(to_hex(data), kAnswers[0].cipher);
}

TEST(AesCtr, NothingAppliedChangesNothing) {
  AesCtr stream(hex_array<32>(kAnswers[0].key), hex_array<16>(kAnswers[0].iv));
  stream.apply({});
  EXPECT_EQ(to_hex(stream.state().counter), kAnswers[0].iv);
  EXPECT_EQ(stream.state().offset, 0);
}

}  // namespace
}  // namespace ringway::crypto
