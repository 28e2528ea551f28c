// config/cidr: IP addresses and ranges of them, such as 10.0.0.0/8.
//
// Plain data and pure functions, usable by any thread. IPv4 addresses are kept as IPv4-mapped IPv6
// ones (::ffff:a.b.c.d), as peers of connections are, so that one range holds whichever kind of
// listener a client came through.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringway::config {

using IpBytes = std::array<uint8_t, 16>;  // network order

// "192.0.2.1" and "2001:db8::1"; neither brackets nor zones.
[[nodiscard]] std::optional<IpBytes> parse_ip(std::string_view text) noexcept;

struct Cidr {
  IpBytes address{};
  uint8_t prefix_bits = 128;  // of the 16 bytes: 96 more than what stands behind an IPv4 address

  // A range of IPv6 holds no IPv4 address, not even ::/0: 0.0.0.0/0 are those.
  [[nodiscard]] bool contains(const IpBytes& ip) const noexcept;
  // The same range without bits beyond the prefix.
  [[nodiscard]] Cidr network() const noexcept;

  friend bool operator==(const Cidr&, const Cidr&) = default;
};

// "10.0.0.0/8", "2001:db8::/32", or an address alone for a range of one. Bits beyond the prefix
// stay: compare with network() to find them.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text) noexcept;

// As in the file, always with its prefix.
[[nodiscard]] std::string to_string(const Cidr& cidr);

}  // namespace ringway::config
