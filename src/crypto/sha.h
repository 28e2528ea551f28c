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

// A message that fits one block together with its padding, which is there from the start: only the
// first kBytes bytes are to be written. For many short messages of one length, which would pay more
// for being put together than for being hashed.
template <size_t kBytes>
requires(kBytes < 56) struct Sha256Block {
  Sha256Block() noexcept {
    bytes[kBytes] = 0x80;
    bytes[62] = static_cast<uint8_t>(kBytes * 8 >> 8);
    bytes[63] = static_cast<uint8_t>(kBytes * 8);
  }
  // Overwrites what was written; the padding stays.
  void forget() noexcept { cleanse(bytes.data(), kBytes); }

  alignas(16) std::array<uint8_t, 64> bytes{};
};

// The hashes of `count` padded blocks, which stand one behind the other.
void sha256_padded_blocks(const uint8_t* blocks, Sha256Digest* digests, size_t count) noexcept;
template <size_t kBytes>
void sha256_blocks(std::span<const Sha256Block<kBytes>> blocks, Sha256Digest* digests) noexcept {
  static_assert(sizeof(Sha256Block<kBytes>) == 64);
  sha256_padded_blocks(blocks.data()->bytes.data(), digests, blocks.size());
}

}  // namespace ringway::crypto
