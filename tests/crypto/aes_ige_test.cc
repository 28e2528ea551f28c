// Known answers for IGE, and every kernel of this processor against OpenSSL's own IGE.
//
// AES_ige_encrypt is deprecated and slow, which does not matter to an oracle.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/aes_ige.h"

#include <openssl/aes.h>
#include <zlib.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>

#include "crypto/aes_kernel.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

constexpr size_t kDifferentialBytesMax = 4096;

IgeKeyIv key_iv_of(ByteView key, ByteView iv) {
  IgeKeyIv out;
  std::memcpy(out.key.data(), key.data(), 32);
  std::memcpy(out.iv.data(), iv.data(), 32);
  return out;
}

IgeKeyIv seeded_key_iv(uint32_t seed) {
  return key_iv_of(seeded_bytes(32, seed), seeded_bytes(32, seed + 1));
}

Bytes oracle(const IgeKeyIv& key_iv, Bytes data, int direction) {
  AES_KEY key;
  if (direction == AES_ENCRYPT) {
    AES_set_encrypt_key(key_iv.key.data(), 256, &key);
  } else {
    AES_set_decrypt_key(key_iv.key.data(), 256, &key);
  }
  Secret<32> iv = key_iv.iv;
  if (!data.empty()) {
    AES_ige_encrypt(data.data(), data.data(), data.size(), &key, iv.data(), direction);
  }
  return data;
}

class IgeKernelTest : public testing::TestWithParam<const AesKernel*> {};

INSTANTIATE_TEST_SUITE_P(Kernels, IgeKernelTest,
                         testing::ValuesIn(aes_kernels().begin(), aes_kernels().end()),
                         [](const auto& kernel) { return std::string(kernel.param->name); });

// The oracle has to be right itself: the two published AES-128 answers.
TEST(AesIge, OracleKnowsThePublishedAes128Answers) {
  struct Answer {
    const char *key, *iv, *plain, *cipher;
  };
  const Answer answers[] = {{"000102030405060708090a0b0c0d0e0f",
                             "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                             "0000000000000000000000000000000000000000000000000000000000000000",
                             "1a8519a6557be652e9da8e43da4ef4453cf456b4ca488aa383c79c98b34797cb"},
                            {"5468697320697320616e20696d706c65",
                             "6d656e746174696f6e206f6620494745206d6f646520666f72204f70656e5353",
                             "99706487a1cde613bc6de0b6f24b1c7aa448c8b9c3403e3467a8cad89340f53b",
                             "4c2e204c6574277320686f70652042656e20676f74206974207269676874210a"}};
  for (const Answer& answer : answers) {
    AES_KEY key;
    AES_set_encrypt_key(hex(answer.key).data(), 128, &key);
    Bytes iv = hex(answer.iv);
    Bytes data = hex(answer.plain);
    AES_ige_encrypt(data.data(), data.data(), data.size(), &key, iv.data(), AES_ENCRYPT);
    EXPECT_EQ(to_hex(data), answer.cipher);
  }
}

TEST_P(IgeKernelTest, TdlibExpandedAnswers) {
  struct Answer {
    const char *key, *iv, *plain, *cipher;
  };
  const Answer answers[] = {
      {"d48738a34a08cf4f4675a41f19d7cf52a7a7fc9962cf66174ea7d85bfdf8ad67",
       "92fcd0adc15bbb0dcb3079d88402a5d04ecc6b261ef6847a74593cdf653f6ed4",
       "6153cb81c0c03e6ffa5422dc1f595247", "11f422b6abcd37a927c1a8ebdbccdd5f"},
      {"3ef36a602c7c290e9f61268b6ea7ff16fec2e55b47989477d17d5df8b1381eda",
       "8efd468ba172d4e8aeaa573d0e2ced49a7ed4639f052a1a8ef30cba53dcb25ad",
       "4c7b4aeccf62f232603b211f558bf57195491f5397d8db64620efab08c30dab5",
       "c7dc97b92ae0375496947e56678e2bf4b1b5f178a91dfa2ddeb69d9d5db2361c"}};
  for (const Answer& answer : answers) {
    const IgeKeyIv key_iv = key_iv_of(hex(answer.key), hex(answer.iv));
    Bytes data = hex(answer.plain);
    const IgeJob job{&key_iv, data};
    GetParam()->ige_encrypt_many({&job, 1});
    EXPECT_EQ(to_hex(data), answer.cipher);
    GetParam()->ige_decrypt_many({&job, 1});
    EXPECT_EQ(to_hex(data), answer.plain);
  }
}

TEST_P(IgeKernelTest, TdlibChecksums) {
  const std::pair<uint32_t, uint32_t> answers[] = {
      {0, 0},           {16, 2045698207},   {32, 2423540300},
      {256, 525522475}, {1024, 1545267325}, {65536, 724143417}};
  for (const auto& [size, checksum] : answers) {
    TdlibBytes source(size);
    Bytes data(size);
    IgeKeyIv key_iv;
    source.fill(data);
    source.fill(key_iv.key.span());
    source.fill(key_iv.iv.span());
    const Bytes plain = data;
    const IgeJob job{&key_iv, data};
    GetParam()->ige_encrypt_many({&job, 1});
    EXPECT_EQ(crc32(0, data.data(), size), checksum) << size;
    GetParam()->ige_decrypt_many({&job, 1});
    EXPECT_EQ(data, plain) << size;
  }
}

TEST_P(IgeKernelTest, AgreesWithOpensslOnEveryLength) {
  for (size_t size = 16; size <= kDifferentialBytesMax; size += 16) {
    const auto seed = static_cast<uint32_t>(size);
    const IgeKeyIv key_iv = seeded_key_iv(seed * 7);
    const Bytes input = seeded_bytes(size, seed);
    Bytes encrypted = input;
    Bytes decrypted = input;
    const IgeJob encrypt{&key_iv, encrypted};
    const IgeJob decrypt{&key_iv, decrypted};
    GetParam()->ige_encrypt_many({&encrypt, 1});
    GetParam()->ige_decrypt_many({&decrypt, 1});
    ASSERT_EQ(encrypted, oracle(key_iv, input, AES_ENCRYPT)) << size;
    ASSERT_EQ(decrypted, oracle(key_iv, input, AES_DECRYPT)) << size;
  }
}

// Messages side by side, each with a key of its own and at an address that is aligned to nothing.
class Batch {
 public:
  void add(size_t size) {
    const auto seed = static_cast<uint32_t>(inputs_.size());
    key_ivs_.push_back(seeded_key_iv(1000 + 3 * seed));
    inputs_.push_back(seeded_bytes(size, seed));
  }
  // In one call, against the oracle one by one; and back again.
  void check(const AesKernel& kernel, bool encrypt) {
    std::vector<Bytes> buffers;
    std::vector<IgeJob> jobs;
    for (const Bytes& input : inputs_) {
      buffers.push_back(Bytes(1 + input.size() + 1, 0x5a));
      std::copy(input.begin(), input.end(), buffers.back().begin() + 1);
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
      jobs.push_back({&key_ivs_[i], ByteSpan(buffers[i]).subspan(1, inputs_[i].size())});
    }
    (encrypt ? kernel.ige_encrypt_many : kernel.ige_decrypt_many)(jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      const Bytes expected = oracle(key_ivs_[i], inputs_[i], encrypt ? AES_ENCRYPT : AES_DECRYPT);
      ASSERT_TRUE(equal(jobs[i].data, expected)) << i << " of " << jobs.size();
      ASSERT_EQ(buffers[i].front(), 0x5a) << i;
      ASSERT_EQ(buffers[i].back(), 0x5a) << i;
    }
    (encrypt ? kernel.ige_decrypt_many : kernel.ige_encrypt_many)(jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      ASSERT_TRUE(equal(jobs[i].data, inputs_[i])) << i << " of " << jobs.size();
    }
  }

 private:
  std::vector<IgeKeyIv> key_ivs_;
  std::vector<Bytes> inputs_;
};

TEST_P(IgeKernelTest, BatchesOfEverySizeEqualOneByOne) {
  for (size_t count = 0; count <= 40; ++count) {
    Batch alike;
    Batch mixed;
    for (size_t i = 0; i < count; ++i) {
      alike.add(176);
      mixed.add(16 * ((i * 11) % 70));  // with empty ones among them
    }
    for (const bool encrypt : {true, false}) {
      ASSERT_NO_FATAL_FAILURE(alike.check(*GetParam(), encrypt)) << count;
      ASSERT_NO_FATAL_FAILURE(mixed.check(*GetParam(), encrypt)) << count;
    }
  }
}

// All lengths in one call, more than fit side by side: rising, falling and shuffled.
TEST_P(IgeKernelTest, EveryLengthInOneBatch) {
  std::vector<size_t> sizes;
  for (size_t size = 16; size <= kDifferentialBytesMax; size += 16) sizes.push_back(size);
  for (int order = 0; order < 3; ++order) {
    Batch batch;
    for (const size_t size : sizes) batch.add(size);
    ASSERT_NO_FATAL_FAILURE(batch.check(*GetParam(), order != 1)) << order;
    if (order == 0) std::reverse(sizes.begin(), sizes.end());
    if (order == 1) std::shuffle(sizes.begin(), sizes.end(), std::mt19937(1));
  }
}

TEST_P(IgeKernelTest, RandomBatches) {
  std::mt19937 generator(11);
  for (int round = 0; round < 300; ++round) {
    Batch batch;
    const size_t count = 1 + generator() % 70;
    const size_t blocks_max = 1 + generator() % 40;
    for (size_t i = 0; i < count; ++i) batch.add(16 * (generator() % (blocks_max + 1)));
    ASSERT_NO_FATAL_FAILURE(batch.check(*GetParam(), round % 2 == 0)) << round;
  }
}

TEST_P(IgeKernelTest, PiecesEqualTheWhole) {
  const size_t piece_sizes[] = {16, 0, 48, 16, 256, 1024, 32};
  for (const bool encrypt : {true, false}) {
    IgeKeyIv state = seeded_key_iv(77);
    const Bytes input = seeded_bytes(16 + 48 + 16 + 256 + 1024 + 32, 5);
    const Bytes expected = oracle(state, input, encrypt ? AES_ENCRYPT : AES_DECRYPT);
    Bytes data = input;
    ByteSpan left = data;
    for (const size_t size : piece_sizes) {
      (encrypt ? GetParam()->ige_encrypt : GetParam()->ige_decrypt)(state, left.first(size));
      left = left.subspan(size);
    }
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(data, expected);
  }
}

TEST(AesIge, PublicInterface) {
  const IgeKeyIv key_iv = seeded_key_iv(3);
  const Bytes input = seeded_bytes(640, 9);
  Bytes data = input;
  const IgeJob job{&key_iv, data};
  ige_encrypt_many({&job, 1});
  EXPECT_EQ(data, oracle(key_iv, input, AES_ENCRYPT));
  IgeStream stream(key_iv, IgeDirection::kDecrypt);
  stream.update(ByteSpan(data).first(320));
  stream.update(ByteSpan(data).subspan(320));
  EXPECT_EQ(data, input);
}

// The portable kernel keeps contexts per thread; threads that come and go must not share or leak
// them.
TEST_P(IgeKernelTest, ThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  std::array<bool, 4> right{};
  for (uint32_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&right, t, kernel = GetParam()] {
      const IgeKeyIv key_iv = seeded_key_iv(100 + t);
      const Bytes input = seeded_bytes(512, t);
      Bytes data = input;
      const IgeJob job{&key_iv, data};
      for (int round = 0; round < 50; ++round) {
        kernel->ige_encrypt_many({&job, 1});
        kernel->ige_decrypt_many({&job, 1});
      }
      right[t] = data == input;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(std::all_of(right.begin(), right.end(), [](bool ok) { return ok; }));
}

}  // namespace
}  // namespace ringway::crypto
