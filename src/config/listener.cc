#include "config/listener.h"

#include <fmt/format.h>

#include <algorithm>

namespace ringway::config {
namespace {

// The address of "0.0.0.0", of "::", and of nothing, which stands for both.
struct Place {
  bool all = false;
  IpBytes ip{};
};

Place place_of(const Endpoint& address) noexcept {
  if (address.host.empty()) return {.all = true};
  std::string_view host = address.host;
  if (host == "localhost") host = "127.0.0.1";
  return {.all = false, .ip = parse_ip(host).value_or(IpBytes{})};
}

bool is_wildcard(const Place& place) noexcept {
  const auto v4 = parse_ip("0.0.0.0");
  return place.all || place.ip == IpBytes{} || place.ip == *v4;
}

}  // namespace

bool same_secrets(const std::vector<Secret<kTransportSecretBytes>>& a,
                  const std::vector<Secret<kTransportSecretBytes>>& b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return equal(x.view(), y.view()); });
}

bool operator==(const FakeTlsSecret& a, const FakeTlsSecret& b) noexcept {
  return a.domain == b.domain && equal(a.key.view(), b.key.view());
}

bool operator==(const Listener& a, const Listener& b) noexcept {
  return a.protocol == b.protocol && a.address == b.address && a.unix_path == b.unix_path &&
         a.unix_mode == b.unix_mode && a.systemd_name == b.systemd_name && a.tls == b.tls &&
         a.proxy_protocol == b.proxy_protocol && same_secrets(a.secrets, b.secrets) &&
         a.fake_tls_secrets == b.fake_tls_secrets && a.mask == b.mask &&
         a.max_connections == b.max_connections && a.http_error_style == b.http_error_style;
}

std::string_view to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kWebsocket:
      return "websocket";
    case Protocol::kHttp:
      return "http";
    case Protocol::kAuto:
      return "auto";
  }
  return "tcp";
}

bool Listener::believes_proxy_header(const std::optional<IpBytes>& peer) const noexcept {
  if (!proxy_protocol.enabled) return false;
  return !peer || std::any_of(proxy_protocol.from.begin(), proxy_protocol.from.end(),
                              [&peer](const Cidr& range) { return range.contains(*peer); });
}

std::string at_place(const Listener& listener, std::string_view text) {
  return listener.place.empty() ? std::string(text) : fmt::format("{}: {}", listener.place, text);
}

std::string address_text(const Listener& listener) {
  if (!listener.unix_path.empty()) return "unix:" + listener.unix_path;
  if (!listener.systemd_name.empty()) return "systemd:" + listener.systemd_name;
  return to_string(listener.address);
}

std::string to_string(const Listener& listener) {
  std::vector<std::string_view> extras;
  if (listener.tls) extras.emplace_back("TLS");
  if (listener.proxy_protocol.enabled) extras.emplace_back("PROXY protocol");
  if (!listener.secrets.empty()) extras.emplace_back("secrets");
  if (!listener.fake_tls_secrets.empty()) extras.emplace_back("fake TLS");
  std::string text = fmt::format("{} {}", to_string(listener.protocol), address_text(listener));
  if (!extras.empty()) text += fmt::format(" ({})", fmt::join(extras, ", "));
  return text;
}

bool same_place(const Listener& a, const Listener& b) noexcept {
  if (!a.unix_path.empty() || !b.unix_path.empty()) return a.unix_path == b.unix_path;
  if (!a.systemd_name.empty() || !b.systemd_name.empty()) return a.systemd_name == b.systemd_name;
  if (a.address.port != b.address.port || a.address.port == 0) return false;
  const Place at_a = place_of(a.address);
  const Place at_b = place_of(b.address);
  if (at_a.all || at_b.all) return is_wildcard(at_a) && is_wildcard(at_b);
  return at_a.ip == at_b.ip;
}

}  // namespace ringway::config
