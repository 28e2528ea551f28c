// config/listener: one door that clients come in by, and what is asked of them there.
//
// Plain data, made by the loader and only read afterwards, by any thread. The loader guarantees
// what the members say, and that no two listeners take the same address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/secret.h"
#include "config/cidr.h"
#include "config/endpoint.h"

namespace ringway::config {

// Connecting needs the right to write: the owner and the group may.
inline constexpr uint32_t kUnixModeDefault = 0660;
inline constexpr uint32_t kUnixModeMax = 0777;

// What is spoken behind PROXY header and TLS.
enum class Protocol : uint8_t {
  kTcp,        // the transports of Ringway.Transports, and fake TLS where the listener has secrets
  kWebsocket,  // upgrades to WebSocket, and no other request
  kHttp,       // POST and OPTIONS, and no upgrade
  kAuto,       // all of these: the first bytes decide
};
[[nodiscard]] std::string_view to_string(Protocol protocol) noexcept;

enum class TlsVersion : uint8_t { k12, k13 };

struct Tls {
  std::string cert_file;  // PEM, with its chain; relative paths start at the working directory
  std::string key_file;   // PEM
  TlsVersion min_version = TlsVersion::k12;

  friend bool operator==(const Tls&, const Tls&) = default;
};

// Whose PROXY headers, version 1 or 2, are believed. Whoever is believed may claim any address, so
// this is what limits by client address, logs and shards rest on.
struct ProxyProtocol {
  bool enabled = false;    // off: such a header is taken for the client's own bytes
  std::vector<Cidr> from;  // peers of unix sockets have no address and are all believed
  bool require = false;    // who comes without a header that is believed is closed

  friend bool operator==(const ProxyProtocol&, const ProxyProtocol&) = default;
};

struct FakeTlsSecret {
  Secret<kTransportSecretBytes> key;
  std::string domain;  // what clients claim to visit (SNI): 1 to kFakeTlsDomainBytesMax letters

  friend bool operator==(const FakeTlsSecret& a, const FakeTlsSecret& b) noexcept;
};

// How an HTTP client hears of a transport error such as -404.
enum class HttpErrorStyle : uint8_t {
  kStatus,   // the status says it (404), and the body too
  kGnetway,  // status 200, the body alone says it, as gnetway does
};

struct Listener {
  Protocol protocol = Protocol::kTcp;
  Endpoint address{};                     // numeric, "localhost", or empty for all addresses
  std::string unix_path;                  // not empty: a unix socket there, instead of the address
  uint32_t unix_mode = kUnixModeDefault;  // permissions of that socket's file
  std::string systemd_name;  // not empty: all sockets that systemd hands over under this name
  std::optional<Tls> tls;    // never together with fake_tls_secrets
  ProxyProtocol proxy_protocol{};
  // Of obfuscation, the dd prefix removed. See secrets_of() for a listener that has none.
  std::vector<Secret<kTransportSecretBytes>> secrets;
  std::vector<FakeTlsSecret> fake_tls_secrets;  // never with kWebsocket and kHttp
  std::optional<Endpoint> mask;  // where bytes go that fail fake TLS; unset: closed, no answer
  uint32_t max_connections = 0;  // of all workers together; 0: no limit of its own
  HttpErrorStyle http_error_style = HttpErrorStyle::kStatus;
  // "FILE:LINE: KEY" of its address, for errors that show when it is opened; empty: the default
  // listener. Not part of what the listener is.
  std::string place;

  // Whether a PROXY header of this peer counts. Without an address it came by a unix socket.
  [[nodiscard]] bool believes_proxy_header(const std::optional<IpBytes>& peer) const noexcept;

  friend bool operator==(const Listener& a, const Listener& b) noexcept;
};

// The text with the listener's place ahead, where it has one.
[[nodiscard]] std::string at_place(const Listener& listener, std::string_view text);

// "host:port", "unix:PATH" or "systemd:NAME".
[[nodiscard]] std::string address_text(const Listener& listener);

// For logs: "auto [::]:443 (TLS, PROXY protocol)". Says that there are secrets, and not which.
[[nodiscard]] std::string to_string(const Listener& listener);

// Whether connections to the one could end up at the other. Port 0 is another port each time.
[[nodiscard]] bool same_place(const Listener& a, const Listener& b) noexcept;

[[nodiscard]] bool same_secrets(const std::vector<Secret<kTransportSecretBytes>>& a,
                                const std::vector<Secret<kTransportSecretBytes>>& b) noexcept;

}  // namespace ringway::config
