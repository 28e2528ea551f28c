#include "base/listen_address.h"

#include <charconv>
#include <cstdint>

namespace ringway {
namespace {

// "127.0.0.1", as four numbers and nothing else: "127.evil.example" is a name.
bool is_loopback_v4(std::string_view host) noexcept {
  const char* at = host.data();
  const char* end = at + host.size();
  for (int part = 0; part < 4; ++part) {
    unsigned value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value > 255 || (part == 0 && value != 127)) return false;
    at = next;
    if (part < 3) {
      if (at == end || *at != '.') return false;
      ++at;
    }
  }
  return at == end;
}

}  // namespace

bool is_listen_address(std::string_view address) noexcept {
  if (address.starts_with("unix:")) return address.size() > 5;
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  uint16_t port = 0;
  const char* end = address.data() + address.size();
  const auto [next, error] = std::from_chars(address.data() + colon + 1, end, port);
  return error == std::errc() && next == end;
}

bool is_loopback(std::string_view address) noexcept {
  if (address.starts_with("unix:")) return true;
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view host = address.substr(0, colon);
  return host == "localhost" || host == "[::1]" || is_loopback_v4(host);
}

}  // namespace ringway
