#include "crypto/aes_ctr.h"

#include "crypto/aes_kernel.h"

namespace ringway::crypto {

AesCtr::AesCtr(std::span<const uint8_t, 32> key, std::span<const uint8_t, 16> iv) noexcept {
  state_.key = Secret<32>(key);
  std::memcpy(state_.counter.data(), iv.data(), iv.size());
}

void AesCtr::apply(ByteSpan data) noexcept {
  if (data.empty()) return;
  aes_kernel().ctr_apply(state_, data);
}

}  // namespace ringway::crypto
