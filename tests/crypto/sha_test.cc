#include "crypto/sha.h"

#include <openssl/evp.h>

#include <algorithm>
#include <random>
#include <string>

#include "crypto/sha_kernel.h"
#include "test_bytes.h"

namespace ringway::crypto {
namespace {

Bytes oracle(const EVP_MD* algorithm, const Bytes& data) {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(data.data(), data.size(), out.data(), &size, algorithm, nullptr), 1);
  out.resize(size);
  return out;
}

// FIPS 180-2, appendices A and B.
TEST(Sha, PublishedAnswers) {
  const std::string_view abc = "abc";
  const std::string_view two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(to_hex(sha1({as_bytes(abc)})), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(sha1({as_bytes(two_blocks)})), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(to_hex(sha256({as_bytes(abc)})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256({as_bytes(two_blocks)})),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha1({})), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha, PartsAreHashedAsOne) {
  for (size_t size = 0; size < 300; ++size) {
    const Bytes data = seeded_bytes(size, static_cast<uint32_t>(size));
    const ByteView view = data;
    const size_t a = size / 3;
    const size_t b = size / 2;
    const auto parts = {view.first(a), view.subspan(a, b - a), ByteView(), view.subspan(b)};
    ASSERT_EQ(to_hex(sha1(parts)), to_hex(oracle(EVP_sha1(), data)));
    ASSERT_EQ(to_hex(sha256(parts)), to_hex(oracle(EVP_sha256(), data)));
  }
}

TEST(Sha, IncrementalIsAPlainValue) {
  const Bytes data = seeded_bytes(1000, 1);
  const ByteView view = data;
  Sha256 hash;
  hash.update(view.first(77));
  Sha256 copy = hash;
  hash.update(view.subspan(77));
  copy.update(view.subspan(77, 500));
  copy.update(view.subspan(577));
  const Bytes expected = oracle(EVP_sha256(), data);
  EXPECT_EQ(to_hex(hash.finish()), to_hex(expected));
  EXPECT_EQ(to_hex(copy.finish()), to_hex(expected));
}

class ShaKernelTest : public testing::TestWithParam<const ShaKernel*> {
 protected:
  // One batch; each input is cut into prefix and body at its own place.
  struct Input {
    Bytes bytes;
    size_t prefix_bytes = 0;
  };
  void check(const std::vector<Input>& inputs) {
    std::vector<Sha256Job> jobs(inputs.size());
    for (size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].prefix = ByteView(inputs[i].bytes).first(inputs[i].prefix_bytes);
      jobs[i].body = ByteView(inputs[i].bytes).subspan(inputs[i].prefix_bytes);
    }
    GetParam()->sha256_many(jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      ASSERT_EQ(to_hex(jobs[i].digest), to_hex(oracle(EVP_sha256(), inputs[i].bytes)))
          << i << " of " << jobs.size() << ": " << inputs[i].prefix_bytes << " of "
          << inputs[i].bytes.size();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, ShaKernelTest,
                         testing::ValuesIn(sha_kernels().begin(), sha_kernels().end()),
                         [](const auto& kernel) { return std::string(kernel.param->name); });

TEST_P(ShaKernelTest, EveryLengthAlone) {
  for (size_t size = 0; size <= 300; ++size) {
    ASSERT_NO_FATAL_FAILURE(check({{seeded_bytes(size, static_cast<uint32_t>(size)), size / 3}}));
  }
}

TEST_P(ShaKernelTest, EveryLengthInOneBatch) {
  std::vector<Input> inputs;
  for (uint32_t size = 0; size <= 300; ++size) {
    inputs.push_back({seeded_bytes(size, size), size - size / 4});
  }
  ASSERT_NO_FATAL_FAILURE(check(inputs));
}

// Every place of the cut, around the borders of the first blocks.
TEST_P(ShaKernelTest, EveryPrefix) {
  for (const size_t size : {52, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 200}) {
    std::vector<Input> inputs;
    for (size_t cut = 0; cut <= size; ++cut) inputs.push_back({seeded_bytes(size, 3), cut});
    ASSERT_NO_FATAL_FAILURE(check(inputs));
  }
}

TEST_P(ShaKernelTest, BatchesOfEverySize) {
  std::mt19937 generator(5);
  for (size_t count = 0; count <= 40; ++count) {
    std::vector<Input> alike;
    std::vector<Input> mixed;
    for (uint32_t i = 0; i < count; ++i) {
      alike.push_back({seeded_bytes(208, i), 32});
      const size_t size = generator() % 3000;
      mixed.push_back({seeded_bytes(size, i), size == 0 ? 0 : generator() % size});
    }
    ASSERT_NO_FATAL_FAILURE(check(alike));
    ASSERT_NO_FATAL_FAILURE(check(mixed));
  }
}

// Blocks with their padding ready, at the lengths with one and two bytes of bit count.
template <size_t kBytes>
void check_blocks(const ShaKernel& kernel) {
  for (size_t count = 0; count <= 40; ++count) {
    std::vector<Sha256Block<kBytes>> blocks(count);
    std::vector<Bytes> inputs;
    for (uint32_t i = 0; i < count; ++i) {
      inputs.push_back(seeded_bytes(kBytes, i));
      std::copy(inputs[i].begin(), inputs[i].end(), blocks[i].bytes.begin());
    }
    std::vector<Sha256Digest> digests(count);
    if (count == 0) continue;
    kernel.sha256_padded_blocks(blocks[0].bytes.data(), digests.data(), count);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(to_hex(digests[i]), to_hex(oracle(EVP_sha256(), inputs[i]))) << i;
    }
  }
}

TEST_P(ShaKernelTest, PaddedBlocks) {
  check_blocks<0>(*GetParam());
  check_blocks<31>(*GetParam());
  check_blocks<32>(*GetParam());
  check_blocks<52>(*GetParam());
  check_blocks<55>(*GetParam());
}

TEST(Sha, ForgottenBlocksKeepTheirPadding) {
  const Bytes input = seeded_bytes(52, 1);
  std::array<Sha256Block<52>, 1> block;
  std::copy(input.begin(), input.end(), block[0].bytes.begin());
  block[0].forget();
  EXPECT_TRUE(std::all_of(block[0].bytes.begin(), block[0].bytes.begin() + 52,
                          [](uint8_t byte) { return byte == 0; }));
  std::copy(input.begin(), input.end(), block[0].bytes.begin());
  Sha256Digest digest;
  sha256_blocks<52>(block, &digest);
  EXPECT_EQ(to_hex(digest), to_hex(oracle(EVP_sha256(), input)));
}

// Around the size up to which a job is hashed in one piece, and far beyond.
TEST_P(ShaKernelTest, LongJobs) {
  std::vector<Input> inputs;
  for (uint32_t size = 1150; size <= 1420; ++size) {
    inputs.push_back({seeded_bytes(size, size), 32});
    if (size % 10 == 0) inputs.push_back({seeded_bytes(size * 5, size), size});
  }
  ASSERT_NO_FATAL_FAILURE(check(inputs));
}

TEST(Sha, ManyUsesTheChosenKernel) {
  const Bytes input = seeded_bytes(500, 1);
  Sha256Job job{ByteView(input).first(10), ByteView(input).subspan(10), {}};
  sha256_many({&job, 1});
  EXPECT_EQ(to_hex(job.digest), to_hex(oracle(EVP_sha256(), input)));
}

}  // namespace
}  // namespace ringway::crypto
