// OpenSSL 3.0 marks the low-level hash functions as deprecated in favour of EVP, whose look-up and
// allocation per message cost more than hashing a short message does. They stay for as long as 3.x
// does, so the warning is switched off for this file.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/sha.h"

#include "crypto/sha_kernel.h"

namespace ringway::crypto {

Sha1Digest sha1(std::initializer_list<ByteView> parts) noexcept {
  SHA_CTX context;
  SHA1_Init(&context);
  for (const ByteView part : parts) SHA1_Update(&context, part.data(), part.size());
  Sha1Digest digest;
  SHA1_Final(digest.data(), &context);
  cleanse(&context, sizeof context);
  return digest;
}

Sha256Digest sha256(std::initializer_list<ByteView> parts) noexcept {
  Sha256 hash;
  for (const ByteView part : parts) hash.update(part);
  return hash.finish();
}

Sha256::Sha256() noexcept { SHA256_Init(&context_); }

Sha256::~Sha256() { cleanse(&context_, sizeof context_); }

void Sha256::update(ByteView bytes) noexcept {
  SHA256_Update(&context_, bytes.data(), bytes.size());
}

Sha256Digest Sha256::finish() noexcept {
  Sha256Digest digest;
  SHA256_Final(digest.data(), &context_);
  return digest;
}

void sha256_many(std::span<Sha256Job> jobs) noexcept { sha_kernel().sha256_many(jobs); }

void sha256_padded_blocks(const uint8_t* blocks, Sha256Digest* digests, size_t count) noexcept {
  sha_kernel().sha256_padded_blocks(blocks, digests, count);
}

namespace {

void openssl_many(std::span<Sha256Job> jobs) noexcept {
  for (Sha256Job& job : jobs) job.digest = sha256({job.prefix, job.body});
}

void openssl_padded_blocks(const uint8_t* blocks, Sha256Digest* digests, size_t count) noexcept {
  SHA256_CTX context;
  for (size_t i = 0; i < count; ++i) {
    SHA256_Init(&context);
    SHA256_Transform(&context, blocks + i * SHA256_CBLOCK);
    for (size_t word = 0; word < std::size(context.h); ++word) {
      store_le(digests[i].data() + 4 * word, __builtin_bswap32(context.h[word]));
    }
  }
  cleanse(&context, sizeof context);
}

}  // namespace

const ShaKernel& sha_kernel_openssl() noexcept {
  static constexpr ShaKernel kKernel{"openssl", openssl_many, openssl_padded_blocks};
  return kKernel;
}

}  // namespace ringway::crypto
