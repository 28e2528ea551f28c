// crypto/rsa: the server's RSA key, its fingerprint, and raw RSA (MTProto pads in its own ways).
//
// Private operations take a fraction of a millisecond: never on a worker thread.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::crypto {

inline constexpr size_t kRsaBytes = 256;  // 2048-bit keys only

// Immutable and thread-safe once made; share it by shared_ptr.
class RsaKey {
 public:
  // PEM, PKCS #1 or PKCS #8, private or public, 2048 bits. kMalformed when it is none of these.
  static Result<std::shared_ptr<const RsaKey>> from_pem(std::string_view pem);
  // A fresh 2048-bit key with e = 65537.
  static std::shared_ptr<const RsaKey> generate();
  ~RsaKey();

  [[nodiscard]] bool has_private() const noexcept;
  // PKCS #1 PEM texts. private_pem() asserts has_private().
  [[nodiscard]] std::string private_pem() const;
  [[nodiscard]] std::string public_pem() const;

  // The low 64 bits of SHA-1(TL string n, TL string e), as clients compute it.
  [[nodiscard]] uint64_t fingerprint() const noexcept;
  // The modulus, 256 bytes big-endian.
  [[nodiscard]] std::span<const uint8_t, kRsaBytes> modulus() const noexcept;

  // in^d mod n and in^e mod n; both sides are 256 bytes big-endian, left-padded. kBadRsa when in >=
  // n. The private operation is blinded.
  Result<void> private_raw(std::span<const uint8_t, kRsaBytes> in,
                           std::span<uint8_t, kRsaBytes> out) const;
  Result<void> public_raw(std::span<const uint8_t, kRsaBytes> in,
                          std::span<uint8_t, kRsaBytes> out) const;

 private:
  struct Impl;
  explicit RsaKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::crypto
