#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

#include "base/bytes.h"

namespace ringway::net {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Result<uint16_t> parse_port(std::string_view text) noexcept {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return Error::kInvalidArgument;
  return port;
}

// inet_pton wants a terminated string.
bool parse_ip(int family, std::string_view text, void* out) noexcept {
  char buffer[INET6_ADDRSTRLEN + 1] = {};
  if (text.size() >= sizeof buffer) return false;
  std::memcpy(buffer, text.data(), text.size());
  return inet_pton(family, buffer, out) == 1;
}

struct Zeros {
  size_t begin = 0;
  size_t end = 0;
};

// The longest run of groups that are zero, the first of equals; empty when none has two.
Zeros longest_zeros(const std::array<uint16_t, 8>& groups) noexcept {
  Zeros longest;
  for (size_t begin = 0; begin < groups.size(); ++begin) {
    size_t end = begin;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - begin >= 2 && end - begin > longest.end - longest.begin) longest = {begin, end};
    if (end > begin) begin = end - 1;
  }
  return longest;
}

// As RFC 5952 has it. Several times faster than inet_ntop, which prints each group by itself.
char* write_v6(const std::array<uint8_t, 16>& ip, char* out, char* end) noexcept {
  std::array<uint16_t, 8> groups{};
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<uint16_t>(ip[2 * i] << 8 | ip[2 * i + 1]);
  }
  const Zeros zeros = longest_zeros(groups);
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i == zeros.begin && zeros.end != 0) {
      *out++ = ':';
      *out++ = ':';
      i = zeros.end - 1;
      continue;
    }
    if (i != 0 && i != zeros.end) *out++ = ':';
    out = std::to_chars(out, end, groups[i], 16).ptr;
  }
  return out;
}

}  // namespace

bool PeerAddress::is_v4() const noexcept {
  return std::memcmp(ip.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

IpText PeerAddress::ip_text() const noexcept {
  IpText text;
  char* out = text.bytes.data();
  char* const end = out + text.bytes.size();
  if (is_v4()) {
    for (size_t i = kMappedPrefix.size(); i < ip.size(); ++i) {
      if (i != kMappedPrefix.size()) *out++ = '.';
      out = std::to_chars(out, end, ip[i]).ptr;
    }
  } else {
    out = write_v6(ip, out, end);
  }
  text.size = static_cast<size_t>(out - text.bytes.data());
  return text;
}

std::string PeerAddress::to_string() const {
  const std::string text(ip_text().view());
  const std::string port_text = std::to_string(port);
  return is_v4() ? text + ":" + port_text : "[" + text + "]:" + port_text;
}

uint64_t PeerAddress::ip_hash() const noexcept {
  // splitmix64's finalizer over both halves: neighbouring addresses must not fall on one core.
  const auto mix = [](uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
  };
  const uint64_t high = load_le<uint64_t>(ip.data());
  const uint64_t low = load_le<uint64_t>(ip.data() + 8);
  return mix(low + 0x9e3779b97f4a7c15ULL + mix(high + 0x9e3779b97f4a7c15ULL));
}

PeerAddress PeerAddress::from_sockaddr(const sockaddr* address) noexcept {
  PeerAddress peer;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(peer.ip.data(), kMappedPrefix.data(), kMappedPrefix.size());
    std::memcpy(peer.ip.data() + kMappedPrefix.size(), &v4.sin_addr, 4);
    peer.port = ntohs(v4.sin_port);
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::memcpy(peer.ip.data(), &v6.sin6_addr, peer.ip.size());
    peer.port = ntohs(v6.sin6_port);
  } else {
    peer.by_unix_socket = address->sa_family == AF_UNIX;
  }
  return peer;
}

// The port stands at the same place in both families (sin_port, sin6_port).
uint16_t SocketAddress::port() const noexcept {
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  return ntohs(v4.sin_port);
}

void SocketAddress::set_port(uint16_t port) noexcept {
  const uint16_t network_order = htons(port);
  std::memcpy(reinterpret_cast<uint8_t*>(&storage) + offsetof(sockaddr_in, sin_port),
              &network_order, sizeof network_order);
}

std::string SocketAddress::to_string() const {
  if (family() == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, &storage, sizeof local);
    return std::string(kUnix).append(local.sun_path,
                                     strnlen(local.sun_path, sizeof local.sun_path));
  }
  if (dual_stack) return "*:" + std::to_string(port());
  return PeerAddress::from_sockaddr(get()).to_string();
}

Result<SocketAddress> parse_socket_address(std::string_view text) noexcept {
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Error::kInvalidArgument;
  std::string_view host = text.substr(0, colon);
  RW_TRY_ASSIGN(const uint16_t port, parse_port(text.substr(colon + 1)));

  SocketAddress address;
  if (host.empty() || host == "*" || host.front() == '[') {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (host.empty() || host == "*") {
      address.dual_stack = true;
    } else {
      if (host.size() < 2 || host.back() != ']') return Error::kInvalidArgument;
      host = host.substr(1, host.size() - 2);
      if (!parse_ip(AF_INET6, host, &v6.sin6_addr)) return Error::kInvalidArgument;
    }
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.length = sizeof v6;
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    if (host == "localhost") host = "127.0.0.1";
    if (!parse_ip(AF_INET, host, &v4.sin_addr)) return Error::kInvalidArgument;
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.length = sizeof v4;
  }
  address.set_port(port);
  return address;
}

Result<SocketAddress> unix_socket_address(std::string_view path) noexcept {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof local.sun_path) return Error::kInvalidArgument;
  std::memcpy(local.sun_path, path.data(), path.size());
  SocketAddress address;
  std::memcpy(&address.storage, &local, sizeof local);
  address.length = sizeof local;
  return address;
}

Result<SocketAddress> parse_connect_address(std::string_view text) noexcept {
  if (text.starts_with(kUnix)) return unix_socket_address(text.substr(kUnix.size()));
  return parse_socket_address(text);
}

}  // namespace ringway::net
