#include "config/listener_keys.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "config/client_secret.h"
#include "config/fields.h"

namespace ringway::config {
namespace {

constexpr std::string_view kServers = "Gnetway.Server";
constexpr std::string_view kListeners = "Ringway.Listeners";
constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kSystemd = "systemd:";
constexpr size_t kUnixPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

// What is wrong with the path of a unix socket; empty when nothing is.
std::string check_unix_path(const std::string& path) {
  if (path.empty() || path.front() == '@' || path.find('\0') != std::string::npos) {
    return "expected the path of a socket behind unix:";
  }
  if (path.size() <= kUnixPathBytesMax) return "";
  return fmt::format("expected at most {} bytes of path behind unix:, found {}", kUnixPathBytesMax,
                     path.size());
}

// The same of a FileDescriptorName, which systemd.socket(5) wants to be ASCII without colons.
std::string check_systemd_name(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= kSocketNameBytesMax &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
  if (good) return "";
  return fmt::format("expected a FileDescriptorName behind systemd: 1 to {} letters, no colon",
                     kSocketNameBytesMax);
}

void read_mode(Section& item, uint32_t& mode) {
  item.value(
      "Mode", mode, "permissions of a unix socket in octal, such as \"0660\"",
      [](std::string_view text) -> std::optional<uint32_t> {
        uint32_t parsed = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), parsed, 8);
        const bool whole = error == std::errc() && end == text.data() + text.size();
        if (!whole || parsed > kUnixModeMax) return std::nullopt;
        return parsed;
      },
      [](uint32_t value) { return fmt::format("{:04o}", value); });
}

// A section that is there with nothing in it would leave the listener open where it was meant not
// to be.
void refuse_empty(Document& document, const Section& item, std::string_view name,
                  std::string_view keys) {
  if (!item.is_null(name)) return;
  document.error(item.mark_of(name), fmt::format("{}: expected {}", item.path_of(name), keys));
}

void read_tls(Document& document, Section& item, Listener& listener) {
  refuse_empty(document, item, "Tls", "Cert and Key");
  Section section = item.child("Tls");
  Tls tls;
  section.text("Cert", tls.cert_file);
  section.text("Key", tls.key_file);
  read_word<TlsVersion>(section, "MinVersion", tls.min_version,
                        {{"1.2", TlsVersion::k12}, {"1.3", TlsVersion::k13}});
  section.close();
  if (!section.present()) return;
  for (const auto& [name, path] : {std::pair("Cert", tls.cert_file), {"Key", tls.key_file}}) {
    check_readable(document, section, name, path);
    if (!path.empty()) continue;
    document.error(section.mark_of(name),
                   fmt::format("{}: expected the path of a PEM file: a certificate and its key go "
                               "together",
                               section.path_of(name)));
  }
  listener.tls = std::move(tls);
}

void read_sources(Document& document, Section& section, std::vector<Cidr>& sources) {
  std::vector<std::string> texts;
  section.texts("From", texts);
  const auto error = [&](const std::string& text) {
    document.error(section.mark_of("From"), fmt::format("{}: {}", section.path_of("From"), text));
  };
  if (texts.size() > kProxySourcesMax) {
    error(fmt::format("expected at most {} ranges", kProxySourcesMax));
    return;
  }
  for (const std::string& text : texts) {
    const auto range = parse_cidr(text);
    if (!range) {
      error(
          fmt::format("expected addresses such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1, found "
                      "\"{}\"",
                      text));
    } else if (*range != range->network()) {
      error(
          fmt::format("\"{}\" has bits beyond its prefix: expected {}, or the address without a "
                      "prefix",
                      text, to_string(range->network())));
    } else {
      sources.push_back(*range);
    }
  }
}

void read_proxy_protocol(Document& document, Section& item, ProxyProtocol& proxy) {
  refuse_empty(document, item, "ProxyProtocol", "From");
  Section section = item.child("ProxyProtocol");
  read_sources(document, section, proxy.from);
  section.flag("Require", proxy.require);
  section.close();
  proxy.enabled = section.present();
}

// No message repeats a text: it is a secret, or was meant to be one.
void read_secrets(Document& document, Section& item, Listener& listener) {
  std::vector<std::string> texts;
  item.texts("Secrets", texts);
  const auto error = [&](const std::string& text) {
    document.error(item.mark_of("Secrets"), fmt::format("{}: {}", item.path_of("Secrets"), text));
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    auto secret = parse_client_secret(texts[i]);
    cleanse(reinterpret_cast<uint8_t*>(texts[i].data()), texts[i].size());
    if (!secret) {
      error(
          fmt::format("entry {}: expected 32 hexadecimal digits, or dd and 32, or ee and 32 and "
                      "a domain of up to {} letters in hexadecimal; or the same in base64url",
                      i + 1, kFakeTlsDomainBytesMax));
    } else if (secret->domain.empty()) {
      listener.secrets.push_back(secret->key);
    } else {
      listener.fake_tls_secrets.push_back({secret->key, std::move(secret->domain)});
    }
  }
  if (listener.secrets.size() > kTransportSecretsMax) {
    error(fmt::format("expected at most {} without ee", kTransportSecretsMax));
  }
  if (listener.fake_tls_secrets.size() > kFakeTlsSecretsMax) {
    error(fmt::format("expected at most {} with ee", kFakeTlsSecretsMax));
  }
}

void read_mask(Section& item, std::optional<Endpoint>& mask) {
  item.value("Mask", mask, "host:port", [](std::string_view text) {
    auto endpoint = parse_endpoint(text);
    return endpoint && !endpoint->host.empty() && endpoint->port != 0 ? endpoint : std::nullopt;
  });
}

// Keys that are good by themselves and not beside each other.
void check_secrets(Document& document, const Section& item, Listener& listener) {
  const bool fake_tls = !listener.fake_tls_secrets.empty();
  const bool over_http =
      listener.protocol == Protocol::kHttp || listener.protocol == Protocol::kWebsocket;
  if (fake_tls && listener.tls) {
    document.error(item.mark_of("Tls"),
                   fmt::format("{}: ee secrets only look like TLS, and their clients cannot speak "
                               "it: expected Tls or ee secrets, not both",
                               item.path_of("Tls")));
  }
  if (fake_tls && over_http) {
    document.error(item.mark_of("Secrets"),
                   fmt::format("{}: clients with an ee secret speak neither HTTP nor WebSocket: "
                               "expected Proto tcp or auto beside it",
                               item.path_of("Secrets")));
  }
  if (fake_tls && listener.protocol == Protocol::kAuto) {
    document.warning(item.mark_of("Proto"),
                     fmt::format("{}: beside ee secrets nobody is answered who shows none, so "
                                 "neither HTTP nor WebSocket: auto is tcp here",
                                 item.path_of("Proto")));
  }
  if (!listener.secrets.empty() && listener.protocol == Protocol::kHttp) {
    document.error(item.mark_of("Secrets"),
                   fmt::format("{}: a POST is not obfuscated and shows no secret: expected Proto "
                               "tcp, websocket or auto beside it",
                               item.path_of("Secrets")));
  }
  if (listener.mask && !fake_tls) {
    document.warning(item.mark_of("Mask"),
                     fmt::format("{}: without ee secrets it has no effect", item.path_of("Mask")));
    document.amend(item.label_of("Mask"), "none", "without ee secrets it has no effect");
    listener.mask.reset();
  }
}

void check_proxy_protocol(Document& document, const Section& item, const Listener& listener) {
  const ProxyProtocol& proxy = listener.proxy_protocol;
  if (!proxy.enabled) return;
  const std::string path = item.path_of("ProxyProtocol") + ".From";
  const YAML::Mark mark = item.mark_of("ProxyProtocol");
  // Sockets of systemd may be of either kind.
  if (!listener.systemd_name.empty()) return;
  if (listener.unix_path.empty() && proxy.from.empty()) {
    document.error(mark, fmt::format("{}: expected the addresses of those whose headers are "
                                     "believed, such as [10.0.0.0/8]",
                                     path));
  } else if (!listener.unix_path.empty() && !proxy.from.empty()) {
    document.warning(mark, fmt::format("{}: peers of a unix socket have no address: all that may "
                                       "open it are believed",
                                       path));
  }
}

}  // namespace

bool ListenerReader::parse_address(const Section& section, std::string_view key,
                                   const std::string& text, Listener& listener) {
  const auto error = [&](std::string_view problem) {
    document_.error(section.mark_of(key), fmt::format("{}: {}", section.path_of(key), problem));
    return false;
  };
  if (text.starts_with(kUnix)) {
    listener.unix_path = text.substr(kUnix.size());
    const std::string problem = check_unix_path(listener.unix_path);
    return problem.empty() || error(problem);
  }
  if (text.starts_with(kSystemd)) {
    listener.systemd_name = text.substr(kSystemd.size());
    const std::string problem = check_systemd_name(listener.systemd_name);
    return problem.empty() || error(problem);
  }
  const auto address = parse_endpoint(text);
  if (!address) {
    return error(
        fmt::format("expected host:port (IPv6 in brackets), unix:PATH or systemd:NAME, found "
                    "\"{}\"",
                    text));
  }
  if (!address->host.empty() && address->host != "localhost" && !parse_ip(address->host)) {
    return error(
        fmt::format("expected an IP address and a port, such as 0.0.0.0:10443 or "
                    "[::]:10443, found \"{}\"",
                    text));
  }
  listener.address = *address;
  return true;
}

void ListenerReader::read_servers(Section& gnetway) {
  servers_given_ = gnetway.has("Server");
  gnetway.children("Server", [&](Section& server) {
    Listener common;
    std::vector<std::string> addresses;
    read_word<Protocol>(
        server, "Proto", common.protocol,
        {{"tcp", Protocol::kTcp}, {"websocket", Protocol::kWebsocket}, {"http", Protocol::kHttp}});
    server.flag("PPV1", common.proxy_protocol.enabled);
    const bool listed = server.texts("Addresses", addresses);
    if (!server.present()) return;
    if (listed && addresses.empty()) {
      document_.error(server.mark_of("Addresses"),
                      fmt::format("{}: expected at least one", server.path_of("Addresses")));
    } else if (!server.has("Addresses")) {
      document_.error(server.mark(), "Gnetway.Server.Addresses: expected a list of host:port");
    }
    if (common.proxy_protocol.enabled) {
      // As gnetway has it: anybody's header counts, and none is needed.
      common.proxy_protocol.from = {*parse_cidr("0.0.0.0/0"), *parse_cidr("::/0")};
      document_.warning(server.mark_of("PPV1"),
                        fmt::format("{}: any client may claim any address; ProxyProtocol.From in "
                                    "{} says who is believed",
                                    server.path_of("PPV1"), kListeners));
    }
    for (const std::string& text : addresses) {
      Entry entry{common, server.path_of("Addresses"), server.mark_of("Addresses")};
      if (parse_address(server, "Addresses", text, entry.listener)) entries_.push_back(entry);
    }
  });
}

void ListenerReader::read_listeners(Section& ringway) {
  ringway.children("Listeners", [&](Section& item) { read_listener(item); });
}

void ListenerReader::read_listener(Section& item) {
  Entry entry{{}, item.path_of("Address"), item.mark_of("Address")};
  Listener& listener = entry.listener;
  std::string address;
  item.text("Address", address);
  read_word<Protocol>(item, "Proto", listener.protocol,
                      {{"tcp", Protocol::kTcp},
                       {"websocket", Protocol::kWebsocket},
                       {"http", Protocol::kHttp},
                       {"auto", Protocol::kAuto}});
  read_tls(document_, item, listener);
  read_proxy_protocol(document_, item, listener.proxy_protocol);
  read_secrets(document_, item, listener);
  read_mask(item, listener.mask);
  read_mode(item, listener.unix_mode);
  read_number(item, "MaxConnections", listener.max_connections, {0, kListenerConnectionsCeiling});
  read_error_style(item, listener.http_error_style);
  if (!item.present()) return;

  entry.own_error_style = item.has("HttpErrorStyle");
  const bool over_http =
      listener.protocol == Protocol::kHttp || listener.protocol == Protocol::kAuto;
  if (entry.own_error_style && !over_http) {
    document_.warning(item.mark_of("HttpErrorStyle"),
                      fmt::format("{}: without Proto http or auto it has no effect",
                                  item.path_of("HttpErrorStyle")));
  }
  check_secrets(document_, item, listener);
  if (!parse_address(item, "Address", address, listener)) return;
  if (item.has("Mode") && listener.unix_path.empty()) {
    document_.warning(
        item.mark_of("Mode"),
        fmt::format("{}: without a unix: address it has no effect", item.path_of("Mode")));
  }
  check_proxy_protocol(document_, item, listener);
  entries_.push_back(std::move(entry));
}

// Two listeners at one place would each get some of its connections.
void ListenerReader::refuse_doubles() {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const auto end = entries_.begin() + static_cast<ptrdiff_t>(i);
    const auto first = std::find_if(entries_.begin(), end, [&](const Entry& other) {
      return same_place(other.listener, entry.listener);
    });
    if (first == end) continue;
    const std::string text = address_text(entry.listener);
    const std::string other = address_text(first->listener);
    document_.error(entry.mark,
                    fmt::format("{}: {} stands twice, first{} at {}", entry.path, text,
                                text == other ? "" : " as " + other, document_.place(first->mark)));
  }
}

// The listeners of one list.
std::string ListenerReader::names(std::string_view list, const Config& config) const {
  std::string text;
  const auto add = [&text](const Listener& listener) {
    if (!text.empty()) text += ", ";
    text += to_string(listener);
  };
  if (list == kServers && entries_.empty() && !servers_given_) {
    for (const Listener& listener : config.listeners) add(listener);
  }
  for (const Entry& entry : entries_) {
    if (entry.path.starts_with(list)) add(entry.listener);
  }
  return text.empty() ? "none" : text;
}

void ListenerReader::settle(Config& config) {
  if (entries_.size() > kListenersMax) {
    const Entry& beyond = entries_[kListenersMax];
    document_.error(beyond.mark, fmt::format("{}: expected at most {} listeners in the whole file",
                                             beyond.path, kListenersMax));
    return;
  }
  refuse_doubles();
  document_.amend(kListeners, names(kListeners, config));
  const bool instead = !servers_given_ && !entries_.empty();
  document_.amend(kServers, names(kServers, config), instead ? "Ringway.Listeners is there" : "");
  if (!servers_given_ && entries_.empty()) {
    for (Listener& listener : config.listeners) {
      listener.http_error_style = config.transports.http_error_style;
    }
    return;
  }
  config.listeners.clear();
  for (Entry& entry : entries_) {
    Listener& listener = entry.listener;
    listener.place = fmt::format("{}: {}", document_.place(entry.mark), entry.path);
    if (!entry.own_error_style) listener.http_error_style = config.transports.http_error_style;
    config.listeners.push_back(std::move(listener));
  }
}

}  // namespace ringway::config
