// config/endpoint: a host and a port, as the configuration names them.
//
// Plain data. The host may be a name or an address; whoever needs an address says so.
#pragma once

#include <cstdint>
#include <string>

namespace ringway::config {

struct Endpoint {
  std::string host;  // empty: all addresses, IPv6 and IPv4; IPv6 without brackets
  uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "host:port", with brackets around IPv6.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

}  // namespace ringway::config
