// mtproto/handshake_job: the heavy steps of the key exchange, self-contained so that they can run
// on any thread: an RSA private operation with the first modular exponentiation, and the second
// one.
//
// A job owns copies of all it needs. The worker makes it, a crypto pool thread calls run(), and the
// worker takes it back; it is never touched by two threads at once. Secrets are cleansed with it.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/dh.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "mtproto/handshake_kdf.h"
#include "mtproto/handshake_wire.h"

namespace ringway::mtproto {

class HandshakeJob {
 public:
  enum class Kind : uint8_t { kServerDh, kClientDh };

  // Any thread; milliseconds. A refused request takes as long as an accepted one, so that the time
  // of an answer does not tell which check failed.
  void run() noexcept;

  Kind kind = Kind::kServerDh;
  Nonce nonce{};        // which exchange of the connection it belongs to
  uint64_t serial = 0;  // and which attempt: results of a replaced state are dropped

  // kServerDh: req_DH_params' encrypted_data in; p_q_inner_data, a and g_a out.
  std::shared_ptr<const crypto::RsaKey> key;
  bool legacy_padding_allowed = true;
  std::array<uint8_t, crypto::kRsaBytes> encrypted_data{};
  RandomSource random = &crypto::random_bytes;  // for a
  SecretString inner_data;                      // the TL object found inside, padding included
  crypto::DhExponent a;
  std::array<uint8_t, 256> g_a{};

  // kClientDh: g_b and a in; auth_key out.
  Bytes g_b;
  AuthKeyBytes auth_key;

  Error error = Error::kNone;  // kBadRsa or kBadDh

 private:
  void run_server_dh() noexcept;
  void run_client_dh() noexcept;
};

}  // namespace ringway::mtproto
