// crypto/aes_ctr: AES-256 in counter mode with a 128-bit big-endian counter, for obfuscated2.
//
// The object is a position in the key stream: a plain value of under 100 bytes that can be saved,
// moved to another core and continued there. It holds no OpenSSL context.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/secret.h"

namespace ringway::crypto {

class AesCtr {
 public:
  // What is needed to continue the stream elsewhere.
  struct State {
    Secret<32> key;
    std::array<uint8_t, 16>
        counter{};       // of the next block, or of the block in use when offset != 0
    uint8_t offset = 0;  // bytes of that block already used, 0..15
  };

  AesCtr() noexcept = default;
  AesCtr(std::span<const uint8_t, 32> key, std::span<const uint8_t, 16> iv) noexcept;
  explicit AesCtr(const State& state) noexcept : state_(state) {}

  // Encrypts or decrypts in place and moves on by data.size().
  void apply(ByteSpan data) noexcept;
  [[nodiscard]] const State& state() const noexcept { return state_; }

 private:
  State state_;
};

}  // namespace ringway::crypto
