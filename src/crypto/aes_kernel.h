// crypto/aes_kernel: the seam between the AES interfaces and the code that does the work.
//
// A kernel is a table of functions. crypto/kernel.h chooses one when the process starts. Kernels
// hold no state between calls beyond per-thread scratch, are safe on any thread, and leave no
// expanded key behind. Adding a kernel means adding a table to aes_kernels(); callers and tests
// need no change.
#pragma once

#include <span>

#include "crypto/aes_ctr.h"
#include "crypto/aes_ige.h"

namespace ringway::crypto {

struct AesKernel {
  const char* name;

  // Many independent messages; their key_iv is only read.
  void (*ige_decrypt_many)(std::span<const IgeJob> jobs) noexcept;
  void (*ige_encrypt_many)(std::span<const IgeJob> jobs) noexcept;

  // A piece of one message. The iv is moved on, so that the next piece continues where this one
  // ends.
  void (*ige_decrypt)(IgeKeyIv& state, ByteSpan data) noexcept;
  void (*ige_encrypt)(IgeKeyIv& state, ByteSpan data) noexcept;

  // Any number of bytes of a counter-mode stream.
  void (*ctr_apply)(AesCtr::State& state, ByteSpan data) noexcept;
};

// Works everywhere; OpenSSL's ECB block by block.
[[nodiscard]] const AesKernel& aes_kernel_openssl() noexcept;
// Eight messages side by side with AES-NI, sixteen with VAES and AVX2; null where they were not
// compiled in. Check the processor first.
[[nodiscard]] const AesKernel* aes_kernel_aesni() noexcept;
[[nodiscard]] const AesKernel* aes_kernel_vaes() noexcept;

// Every kernel that runs on this processor, slowest first, and the one in use.
[[nodiscard]] std::span<const AesKernel* const> aes_kernels() noexcept;
[[nodiscard]] const AesKernel& aes_kernel() noexcept;

}  // namespace ringway::crypto
