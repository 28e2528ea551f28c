// crypto/sha: SHA-1 and SHA-256.
//
// Low-level contexts, because looking an algorithm up costs more than hashing a short message. Any
// thread; what is passed in is borrowed for the call, a Sha256 belongs to one thread at a time.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <initializer_list>

#include "base/bytes.h"

namespace ringway::crypto {

using Sha1Digest = std::array<uint8_t, 20>;
using Sha256Digest = std::array<uint8_t, 32>;

// The hash of the concatenation of `parts`.
[[nodiscard]] Sha1Digest sha1(std::initializer_list<ByteView> parts) noexcept;
[[nodiscard]] Sha256Digest sha256(std::initializer_list<ByteView> parts) noexcept;

// An incremental SHA-256; a plain value, so that it can rest between turns. Cleansed when freed.
class Sha256 {
 public:
  Sha256() noexcept;
  Sha256(const Sha256&) noexcept = default;
  Sha256& operator=(const Sha256&) noexcept = default;
  ~Sha256();
  void update(ByteView bytes) noexcept;
  [[nodiscard]] Sha256Digest finish() noexcept;

 private:
  SHA256_CTX context_;
};

// One of many independent hashes of `prefix` then `body`. Kernels run the jobs of a batch side by
// side.
struct Sha256Job {
  ByteView prefix;
  ByteView body;
  Sha256Digest digest{};
};
void sha256_many(std::span<Sha256Job> jobs) noexcept;

}  // namespace ringway::crypto
