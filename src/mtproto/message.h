// mtproto/message: opening and sealing MTProto 2.0 messages, many at a time, in place.
//
// Pure functions over borrowed memory: nothing here keeps a pointer after it returns, but for
// SlicedOpen and SlicedSeal, whose key and frame must outlive them. A frame on the wire is
//     auth_key_id(8) | msg_key(16) | E        E = IGE(salt 8, session_id 8, msg_id 8, seq_no 4,
//     length 4, body, padding)
// Every reason for refusal is handled alike by the caller, so that a peer learns nothing from it.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aes_ige.h"
#include "crypto/sha.h"

namespace ringway::mtproto {

// Who encrypted the message; it chooses x = 0 or 8 in the key derivation.
enum class Sender : uint8_t { kClient, kServer };

struct MessageHeader {
  int64_t salt = 0;
  int64_t session_id = 0;
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  uint32_t body_bytes = 0;
};

// The low 64 bits of SHA-1(auth_key), and the high ones.
[[nodiscard]] int64_t auth_key_id(const AuthKeyBytes& key) noexcept;
[[nodiscard]] int64_t auth_key_aux_hash(const AuthKeyBytes& key) noexcept;

// The message's AES key and iv (MTProto 2.0 derivation).
void derive_key_iv(const AuthKeyBytes& key, std::span<const uint8_t, 16> msg_key, Sender sender,
                   crypto::IgeKeyIv& out) noexcept;

// One message of a turn to open. `frame` is a whole frame; E is decrypted in place.
struct OpenJob {
  const AuthKeyBytes* key = nullptr;
  ByteSpan frame;
  Sender sender = Sender::kClient;

  // Results. error is kNone, kBadLength (E under 48 bytes or not of whole blocks), kBadMsgKey or
  // kBadPadding; all else is set only when error is kNone.
  Error error = Error::kNone;
  uint32_t quick_ack_token = 0;  // bit 31 set; what the client compares
  MessageHeader header;
  ByteSpan payload;  // msg_id to the end of the body, inside `frame`: what a shard gets
};
void open_many(std::span<OpenJob> jobs) noexcept;

// The size of the sealed frame of `plaintext_bytes` (salt to the end of the body): 24 bytes of
// header and the smallest lawful padding (12..27) plus extra_blocks * 16 random bytes.
[[nodiscard]] size_t sealed_bytes(size_t plaintext_bytes, size_t extra_blocks = 0) noexcept;

// One message of a turn to seal. The caller has placed the plaintext (salt .. body) at
// out[24, 24 + plaintext_bytes); out.size() is sealed_bytes(plaintext_bytes, n). Padding, msg_key
// and auth_key_id are filled in, and the message encrypted, in place.
struct SealJob {
  const AuthKeyBytes* key = nullptr;
  int64_t auth_key_id = 0;
  ByteSpan out;
  size_t plaintext_bytes = 0;
  Sender sender = Sender::kServer;
  uint32_t quick_ack_token = 0;  // result: what a gateway will answer (used by clients)
};
void seal_many(std::span<SealJob> jobs) noexcept;

// A message above kLargeMessageBytes, opened in slices of bounded time. Same checks, same results.
class SlicedOpen {
 public:
  SlicedOpen(const AuthKeyBytes& key, ByteSpan frame, Sender sender) noexcept;
  // Works off at most `bytes_max` bytes (a multiple of 64); true when the job is done.
  [[nodiscard]] bool step(size_t bytes_max) noexcept;
  // Valid once step() returned true.
  [[nodiscard]] const OpenJob& job() const noexcept { return job_; }

 private:
  OpenJob job_;
  size_t done_bytes_ = 0;
  crypto::Sha256 hash_;
  crypto::IgeStream stream_;
};

// The counterpart: two passes, hash then encrypt, in slices.
class SlicedSeal {
 public:
  explicit SlicedSeal(const SealJob& job) noexcept;
  [[nodiscard]] bool step(size_t bytes_max) noexcept;
  [[nodiscard]] const SealJob& job() const noexcept { return job_; }

 private:
  enum class Pass : uint8_t { kHash, kEncrypt, kDone };
  SealJob job_;
  Pass pass_ = Pass::kHash;
  size_t done_bytes_ = 0;
  crypto::Sha256 hash_;
  crypto::IgeStream stream_;
};

}  // namespace ringway::mtproto
