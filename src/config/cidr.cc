#include "config/cidr.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ringway::config {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint8_t kMappedBits = 8 * kMappedPrefix.size();
constexpr uint8_t kAllBits = 8 * std::tuple_size_v<IpBytes>;

bool is_v4(const IpBytes& ip) noexcept {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin());
}

// The bits of byte `index` that a prefix covers.
uint8_t mask_of(uint8_t prefix_bits, size_t index) noexcept {
  const size_t bits = std::clamp<size_t>(prefix_bits, 8 * index, 8 * index + 8) - 8 * index;
  return static_cast<uint8_t>(0xff00U >> bits);
}

}  // namespace

std::optional<IpBytes> parse_ip(std::string_view text) noexcept {
  // inet_pton wants a terminated string.
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size()) return {};
  std::copy(text.begin(), text.end(), buffer.begin());
  if (std::strlen(buffer.data()) != text.size()) return {};
  IpBytes ip{};
  if (inet_pton(AF_INET6, buffer.data(), ip.data()) == 1) return ip;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin());
  if (inet_pton(AF_INET, buffer.data(), ip.data() + kMappedPrefix.size()) == 1) return ip;
  return {};
}

bool Cidr::contains(const IpBytes& ip) const noexcept {
  if (prefix_bits < kMappedBits && is_v4(ip)) return false;
  for (size_t i = 0; i < ip.size(); ++i) {
    if (((ip[i] ^ address[i]) & mask_of(prefix_bits, i)) != 0) return false;
  }
  return true;
}

Cidr Cidr::network() const noexcept {
  Cidr result = *this;
  for (size_t i = 0; i < address.size(); ++i) result.address[i] &= mask_of(prefix_bits, i);
  return result;
}

std::optional<Cidr> parse_cidr(std::string_view text) noexcept {
  const size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto ip = parse_ip(host);
  if (!ip) return {};
  if (slash == std::string_view::npos) return Cidr{*ip, kAllBits};
  // A mapped address in IPv6's notation counts its prefix as IPv6 does.
  const uint8_t before = host.find(':') == std::string_view::npos ? kMappedBits : 0;
  const std::string_view digits = text.substr(slash + 1);
  uint8_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  if (bits > kAllBits - before) return {};
  return Cidr{*ip, static_cast<uint8_t>(before + bits)};
}

std::string to_string(const Cidr& cidr) {
  const bool v4 = is_v4(cidr.address) && cidr.prefix_bits >= kMappedBits;
  const size_t before = v4 ? kMappedPrefix.size() : 0;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v4 ? AF_INET : AF_INET6, cidr.address.data() + before, text.data(), text.size());
  return fmt::format("{}/{}", text.data(), cidr.prefix_bits - 8 * before);
}

}  // namespace ringway::config
