// net/address: who is at the other end of a socket, and where to listen or connect.
//
// PeerAddress is plain data and may be copied to any thread. IPv4 addresses are kept as IPv4-mapped
// IPv6 ones (::ffff:a.b.c.d), so that one client compares and hashes alike whichever listener it
// used.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringway::net {

// An address as text, in place: written for every message on its way to a shard.
struct IpText {
  static constexpr size_t kBytesMax = 46;
  std::array<char, kBytesMax> bytes;
  size_t size = 0;

  [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

struct PeerAddress {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  // It came by a unix socket and has no address: `ip` is all zeros. Zeros alone do not mean that.
  bool by_unix_socket = false;

  [[nodiscard]] bool is_v4() const noexcept;
  // False for a peer that has no address: it came by a unix socket, and no proxy has told one.
  [[nodiscard]] bool is_known() const noexcept { return !by_unix_socket; }
  // The address without its port: "192.0.2.1" (also when it is v4-mapped) or "2001:db8::1".
  [[nodiscard]] IpText ip_text() const noexcept;
  // "192.0.2.1:443" or "[2001:db8::1]:443", for logs.
  [[nodiscard]] std::string to_string() const;
  // Depends on the address alone, not on the port; well mixed in all bits.
  [[nodiscard]] uint64_t ip_hash() const noexcept;

  // All zeros for families other than AF_INET and AF_INET6; of AF_UNIX it says that it is.
  [[nodiscard]] static PeerAddress from_sockaddr(const sockaddr* address) noexcept;

  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

// An address to bind or to connect to: numeric or a unix socket's, never a name to be resolved.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool dual_stack = false;  // an IPv6 wildcard that takes IPv4 clients as well

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  [[nodiscard]] uint16_t port() const noexcept;
  void set_port(uint16_t port) noexcept;
  [[nodiscard]] std::string to_string() const;
};

// "192.0.2.1:443", "[2001:db8::1]:443", ":443" or "*:443" (dual stack). Port 0 is allowed: the
// kernel then picks one. "localhost" stands for 127.0.0.1. kInvalidArgument for anything else.
[[nodiscard]] Result<SocketAddress> parse_socket_address(std::string_view text) noexcept;
// The unix socket at `path`. kInvalidArgument when it is empty or longer than such an address.
[[nodiscard]] Result<SocketAddress> unix_socket_address(std::string_view path) noexcept;
// Where to connect to: the one behind "unix:", or the other.
[[nodiscard]] Result<SocketAddress> parse_connect_address(std::string_view text) noexcept;

}  // namespace ringway::net
