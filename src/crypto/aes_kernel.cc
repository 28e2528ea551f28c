#include "crypto/aes_kernel.h"

#include <array>

namespace ringway::crypto {
namespace {

constexpr size_t kKernelsMax = 4;

struct KernelList {
  std::array<const AesKernel*, kKernelsMax> kernels{};
  size_t count = 0;

  KernelList() noexcept {
    kernels[count++] = &aes_kernel_openssl();
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (const AesKernel* aesni = aes_kernel_aesni();
        aesni != nullptr && __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1")) {
      kernels[count++] = aesni;
    }
#endif
  }
};

const KernelList& kernel_list() noexcept {
  static const KernelList list;
  return list;
}

}  // namespace

std::span<const AesKernel* const> aes_kernels() noexcept {
  const KernelList& list = kernel_list();
  return {list.kernels.data(), list.count};
}

const AesKernel& aes_kernel() noexcept {
  const KernelList& list = kernel_list();
  return *list.kernels[list.count - 1];
}

}  // namespace ringway::crypto
