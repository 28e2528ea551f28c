// tls/tls_context: what the TLS connections of a listener have in common: certificate, versions,
// ciphers. And the same for the client's role.
//
// Made at start and at every reload, on a thread that may read files; immutable from then on and
// shared by any threads. A reload makes a new context and exchanges the pointer; streams keep the
// one they began with.
//
// Servers: TLS 1.2 and 1.3, or 1.3 alone. Ciphers with forward secrecy and authentication only;
// X25519 and P-256, since larger curves cost a server far more than a client. No renegotiation, no
// compression, no early data. Tickets, and no sessions in memory. Of application protocols
// http/1.1 is agreed on when it is offered, otherwise none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tls/tls_ticket_keys.h"

struct ssl_ctx_st;

namespace ringway::tls {

enum class TlsVersion : uint8_t { k12, k13 };
enum class TlsRole : uint8_t { kServer, kClient };

struct TlsServerOptions {
  std::string cert_file;  // PEM: the server's certificate, then those that lead to its authority
  std::string key_file;   // PEM, without a passphrase
  TlsVersion min_version = TlsVersion::k12;
  std::shared_ptr<const TlsTicketKeys> ticket_keys;
};

struct TlsClientOptions {
  std::string ca_file;    // PEM; empty: the authorities that the system trusts
  bool insecure = false;  // takes any certificate
};

class TlsContext;

struct TlsLoaded {
  std::shared_ptr<const TlsContext> context;  // nullptr: `error` says which file, and why
  std::string error;
  std::vector<std::string> warnings;  // a certificate that is expired or not valid yet
};

class TlsContext {
 public:
  // Blocks on the files. `unix_seconds`: now, for the warnings.
  [[nodiscard]] static TlsLoaded load(const TlsServerOptions& options, int64_t unix_seconds);
  [[nodiscard]] static TlsLoaded client(const TlsClientOptions& options);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] TlsRole role() const noexcept { return role_; }
  [[nodiscard]] bool verifies() const noexcept { return verifies_; }
  // For TlsStream, which makes its connections from it.
  [[nodiscard]] ssl_ctx_st* openssl() const noexcept { return context_; }

 private:
  TlsContext(ssl_ctx_st* context, TlsRole role) noexcept : context_(context), role_(role) {}

  ssl_ctx_st* context_;  // owned
  TlsRole role_;
  bool verifies_ = false;
  std::shared_ptr<const TlsTicketKeys> ticket_keys_;  // context_ points to them
};

}  // namespace ringway::tls
