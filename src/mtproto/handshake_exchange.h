// mtproto/handshake_exchange: one exchange of a HandshakeSet; private to handshake*.cc.
#pragma once

#include "crypto/sha.h"
#include "mtproto/handshake.h"

namespace ringway::mtproto {

struct HandshakeSet::Exchange {
  // What follows from p_q_inner_data; gone once the key is in force or given up.
  struct Secrets {
    NewNonce new_nonce;
    crypto::DhExponent a;
  };

  State state = State::kPqSent;
  Nonce nonce{};
  Nonce server_nonce{};
  int64_t started_ns = 0;  // monotonic
  uint64_t serial = 0;     // of the job in work
  crypto::PrimePair primes;
  crypto::Sha256Digest last_request{};  // of the TL object
  Bytes last_reply;
  std::unique_ptr<Secrets> secrets;  // null in kPqSent, kRsaRunning and kDone
  AuthKeyType type = AuthKeyType::kPermanent;
  int32_t expires_in = 0;
  int64_t aux_hash = 0;  // of the key made last; the next attempt names it as retry_id
  uint8_t retries = 0;

  [[nodiscard]] bool busy() const noexcept {
    return state == State::kRsaRunning || state == State::kDhRunning || state == State::kStoring;
  }
  [[nodiscard]] bool expired(Now now) const noexcept;
  // Asserts that the table in handshake.h has this edge.
  void set_state(State next) noexcept;
};

}  // namespace ringway::mtproto
