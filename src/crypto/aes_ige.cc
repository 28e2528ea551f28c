#include "crypto/aes_ige.h"

#include "base/assert.h"
#include "crypto/aes_kernel.h"

namespace ringway::crypto {

void ige_decrypt_many(std::span<const IgeJob> jobs) noexcept {
  for (const IgeJob& job : jobs) {
    RW_ASSERT(job.data.size() % kAesBlockBytes == 0);
  }
  aes_kernel().ige_decrypt_many(jobs);
}

void ige_encrypt_many(std::span<const IgeJob> jobs) noexcept {
  for (const IgeJob& job : jobs) {
    RW_ASSERT(job.data.size() % kAesBlockBytes == 0);
  }
  aes_kernel().ige_encrypt_many(jobs);
}

IgeStream::IgeStream(const IgeKeyIv& key_iv, IgeDirection direction) noexcept
    : state_(key_iv), direction_(direction) {}

void IgeStream::update(ByteSpan data) noexcept {
  RW_ASSERT(data.size() % kAesBlockBytes == 0);
  if (direction_ == IgeDirection::kDecrypt) {
    aes_kernel().ige_decrypt(state_, data);
  } else {
    aes_kernel().ige_encrypt(state_, data);
  }
}

}  // namespace ringway::crypto
