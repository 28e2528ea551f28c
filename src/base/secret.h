// base/secret: fixed-size key material that is overwritten when it dies.
//
// A Secret is never printed: it has no stream operator and no formatter, on purpose.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ringway {

template <size_t N>
class Secret {
 public:
  Secret() noexcept = default;
  explicit Secret(std::span<const uint8_t, N> from) noexcept {
    std::memcpy(bytes_.data(), from.data(), N);
  }
  Secret(const Secret&) noexcept = default;
  Secret& operator=(const Secret&) noexcept = default;
  ~Secret() { cleanse(bytes_.data(), N); }

  static constexpr size_t size() noexcept { return N; }
  [[nodiscard]] const uint8_t* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] uint8_t* data() noexcept { return bytes_.data(); }
  [[nodiscard]] std::span<const uint8_t, N> view() const noexcept { return bytes_; }
  [[nodiscard]] std::span<uint8_t, N> span() noexcept { return bytes_; }

 private:
  std::array<uint8_t, N> bytes_{};
};

using AuthKeyBytes = Secret<256>;

// A growing byte string that is overwritten before its memory is given back.
class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(ByteView from) : bytes_(from.begin(), from.end()) {}
  SecretString(const SecretString&) = default;
  SecretString(SecretString&&) noexcept = default;
  SecretString& operator=(const SecretString& other) {
    if (this != &other) {
      wipe();
      bytes_ = other.bytes_;
    }
    return *this;
  }
  SecretString& operator=(SecretString&& other) noexcept {
    if (this != &other) {
      wipe();
      bytes_ = std::move(other.bytes_);
    }
    return *this;
  }
  ~SecretString() { wipe(); }

  [[nodiscard]] ByteView view() const noexcept { return bytes_; }
  [[nodiscard]] size_t size() const noexcept { return bytes_.size(); }

 private:
  void wipe() noexcept { cleanse(bytes_.data(), bytes_.size()); }
  Bytes bytes_;
};

}  // namespace ringway
