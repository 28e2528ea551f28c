#include "crypto/kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <atomic>

#include "crypto/aes_kernel.h"
#include "crypto/sha_kernel.h"

namespace ringway::crypto {
namespace {

constexpr size_t kKernelsMax = 4;

// The kernels of one kind that this processor runs, slowest first.
template <typename Kernel>
struct KernelList {
  std::array<const Kernel*, kKernelsMax> kernels{};
  size_t count = 0;

  void add(const Kernel* kernel, bool runs) noexcept {
    if (kernel != nullptr && runs) kernels[count++] = kernel;
  }
  [[nodiscard]] std::span<const Kernel* const> all() const noexcept {
    return {kernels.data(), count};
  }
};

#if defined(__x86_64__)
// Not every compiler's __builtin_cpu_supports knows these two.
struct NewerFeatures {
  bool sha = false;
  bool vaes = false;
};

NewerFeatures newer_features() noexcept {
  constexpr unsigned kShaBit = 1U << 29;
  constexpr unsigned kVaesBit = 1U << 9;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return {};
  return {(ebx & kShaBit) != 0, (ecx & kVaesBit) != 0};
}
#endif

struct Kernels {
  KernelList<AesKernel> aes;
  KernelList<ShaKernel> sha;

  Kernels() noexcept {
    aes.add(&aes_kernel_openssl(), true);
    sha.add(&sha_kernel_openssl(), true);
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool sse41 = __builtin_cpu_supports("sse4.1");
    const bool aesni = sse41 && __builtin_cpu_supports("aes");
    const bool avx2 = __builtin_cpu_supports("avx2");  // and the system saves its registers
    aes.add(aes_kernel_aesni(), aesni);
    const NewerFeatures newer = newer_features();
    aes.add(aes_kernel_vaes(), aesni && avx2 && newer.vaes);
    sha.add(sha_kernel_avx2(), avx2);
    sha.add(sha_kernel_shani(), sse41 && newer.sha);
#endif
  }
};

const Kernels& kernels_of_processor() noexcept {
  static const Kernels kernels;
  return kernels;
}

// Null until they are asked for or chosen. Relaxed, because the tables are constant.
std::atomic<const AesKernel*> aes_in_use{nullptr};
std::atomic<const ShaKernel*> sha_in_use{nullptr};

template <typename Kernel>
const Kernel& in_use(const std::atomic<const Kernel*>& chosen,
                     const KernelList<Kernel> Kernels::*list) noexcept {
  const Kernel* kernel = chosen.load(std::memory_order_relaxed);
  return kernel != nullptr ? *kernel : *(kernels_of_processor().*list).all().back();
}

}  // namespace

std::span<const AesKernel* const> aes_kernels() noexcept {
  return kernels_of_processor().aes.all();
}
std::span<const ShaKernel* const> sha_kernels() noexcept {
  return kernels_of_processor().sha.all();
}

const AesKernel& aes_kernel() noexcept { return in_use(aes_in_use, &Kernels::aes); }
const ShaKernel& sha_kernel() noexcept { return in_use(sha_in_use, &Kernels::sha); }

bool use_kernel(std::string_view name) noexcept {
  const AesKernel* aes = nullptr;
  for (const AesKernel* kernel : aes_kernels()) {
    if (name == "auto" || name == kernel->name) aes = kernel;
  }
  if (aes == nullptr) return false;
  const bool portable = aes == &aes_kernel_openssl() && name != "auto";
  aes_in_use.store(aes, std::memory_order_relaxed);
  sha_in_use.store(portable ? &sha_kernel_openssl() : sha_kernels().back(),
                   std::memory_order_relaxed);
  return true;
}

std::string kernels_here() {
  std::string names = "auto";
  for (const AesKernel* kernel : aes_kernels()) names.append(", ").append(kernel->name);
  return names;
}

std::string_view aes_kernel_name() noexcept { return aes_kernel().name; }
std::string_view sha_kernel_name() noexcept { return sha_kernel().name; }

}  // namespace ringway::crypto
