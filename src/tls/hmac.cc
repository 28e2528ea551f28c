#include "tls/hmac.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace ringway::tls {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5c;

using KeyBlock = Secret<kBlockBytes>;

void pad_key(const HmacKey& key, uint8_t pad, KeyBlock& block) noexcept {
  std::fill_n(block.data(), kBlockBytes, pad);
  for (size_t i = 0; i < kHmacKeyBytes; ++i) block.data()[i] ^= key.data()[i];
}

// Every second hash of HMAC: the padded key, then a digest.
crypto::Sha256Digest outer(const HmacKey& key, const crypto::Sha256Digest& inner) noexcept {
  KeyBlock block;
  pad_key(key, kOuterPad, block);
  return crypto::sha256({block.view(), inner});
}

}  // namespace

crypto::Sha256Digest hmac_sha256(const HmacKey& key,
                                 std::initializer_list<ByteView> parts) noexcept {
  KeyBlock block;
  pad_key(key, kInnerPad, block);
  crypto::Sha256 inner;
  inner.update(block.view());
  for (const ByteView part : parts) inner.update(part);
  return outer(key, inner.finish());
}

void hmac_sha256_many(std::span<const HmacKey* const> keys, ByteView text,
                      std::span<crypto::Sha256Digest> digests) noexcept {
  RW_ASSERT(keys.size() <= kHmacBatchMax);
  RW_ASSERT(digests.size() == keys.size());
  std::array<KeyBlock, kHmacBatchMax> blocks;
  std::array<crypto::Sha256Job, kHmacBatchMax> jobs;
  for (size_t i = 0; i < keys.size(); ++i) {
    pad_key(*keys[i], kInnerPad, blocks[i]);
    jobs[i].prefix = blocks[i].view();
    jobs[i].body = text;
  }
  crypto::sha256_many(std::span(jobs).first(keys.size()));
  for (size_t i = 0; i < keys.size(); ++i) digests[i] = outer(*keys[i], jobs[i].digest);
}

}  // namespace ringway::tls
