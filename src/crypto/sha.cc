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

const ShaKernel& sha_kernel_openssl() noexcept {
  static constexpr ShaKernel kKernel{"openssl", [](std::span<Sha256Job> jobs) noexcept {
                                       for (Sha256Job& job : jobs)
                                         job.digest = sha256({job.prefix, job.body});
                                     }};
  return kKernel;
}

}  // namespace ringway::crypto
