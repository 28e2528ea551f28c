// crypto/sha_kernel: the seam between sha256_many and the code that does the work.
//
// As with AES, a kernel is a table, and crypto/kernel.h chooses one when the process starts.
// Kernels are safe on any thread and leave nothing of what they hashed behind.
#pragma once

#include <span>

#include "crypto/sha.h"

namespace ringway::crypto {

struct ShaKernel {
  const char* name;
  void (*sha256_many)(std::span<Sha256Job> jobs) noexcept;
  // Of 64 bytes each, padding included.
  void (*sha256_padded_blocks)(const uint8_t* blocks, Sha256Digest* digests, size_t count) noexcept;
};

// Works everywhere: OpenSSL, one job after the other.
[[nodiscard]] const ShaKernel& sha_kernel_openssl() noexcept;
// Two jobs side by side with the SHA extensions, and eight with AVX2; null where they were not
// compiled in. Check the processor first.
[[nodiscard]] const ShaKernel* sha_kernel_shani() noexcept;
[[nodiscard]] const ShaKernel* sha_kernel_avx2() noexcept;

// Every kernel that runs on this processor, slowest first, and the one in use.
[[nodiscard]] std::span<const ShaKernel* const> sha_kernels() noexcept;
[[nodiscard]] const ShaKernel& sha_kernel() noexcept;

}  // namespace ringway::crypto
