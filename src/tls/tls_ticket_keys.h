// tls/tls_ticket_keys: the keys that session tickets are sealed with.
//
// A ticket carries the whole session, so that the server keeps nothing. Contexts that share keys
// take each other's tickets: what reloads a certificate hands the same keys on, and clients resume
// their sessions. Immutable; any thread.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/secret.h"

namespace ringway::tls {

class TlsTicketKeys {
 public:
  static constexpr size_t kNameBytes = 16;
  struct Key {
    Secret<kNameBytes> name;  // which key it is; stands in the ticket
    Secret<32> cipher;        // AES-256-CBC
    Secret<32> code;          // HMAC-SHA256
  };

  [[nodiscard]] static std::shared_ptr<const TlsTicketKeys> draw();
  // New keys that still open what these have sealed last. Who has recorded a session of TLS 1.2 and
  // learns the key of its ticket can read it, so keys should not be used for long.
  [[nodiscard]] std::shared_ptr<const TlsTicketKeys> renewed() const;

  // Seals new tickets.
  [[nodiscard]] const Key& current() const noexcept { return current_; }
  // The key of this name, current or previous; nullptr: unknown.
  [[nodiscard]] const Key* find(std::span<const uint8_t, kNameBytes> name) const noexcept;

 private:
  TlsTicketKeys() = default;

  Key current_;
  Key previous_;  // a random one, which has sealed nothing, when there was none
};

}  // namespace ringway::tls
