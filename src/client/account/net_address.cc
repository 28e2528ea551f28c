#include "client/account/net_address.h"

#include <charconv>
#include <cstdint>

namespace ringway::client {

std::optional<DcAddress> read_address(std::string_view text) {
  DcAddress address;
  if (const size_t equals = text.find('='); equals != std::string_view::npos) {
    const char* const behind = text.data() + equals;
    const auto parsed = std::from_chars(text.data(), behind, address.dc);
    if (parsed.ec != std::errc() || parsed.ptr != behind) return std::nullopt;
    if (address.dc < 1 || address.dc > INT16_MAX) return std::nullopt;
    text.remove_prefix(equals + 1);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  address.host = host;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, address.port);
  if (host.empty() || parsed.ec != std::errc() || parsed.ptr != end || address.port == 0) {
    return std::nullopt;
  }
  return address;
}

}  // namespace ringway::client
