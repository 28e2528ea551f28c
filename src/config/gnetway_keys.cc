#include <fmt/format.h>

#include <algorithm>

#include "config/fields.h"
#include "config/keys.h"

namespace ringway::config {
namespace {

constexpr std::string_view kFingerprintExpected =
    "the 64-bit fingerprint as a decimal number, or hexadecimal with 0x";

void read_rsa_keys(Document& document, Section& root, Config& config) {
  root.children("RSAKey", [&](Section& item) {
    RsaKey key;
    item.text("KeyFile", key.file);
    item.value("KeyFingerprint", key.fingerprint, kFingerprintExpected, parse_fingerprint);
    if (!item.present()) return;
    if (key.file.empty()) {
      document.error(item.mark(), "RSAKey.KeyFile: expected the path of a PEM file");
    }
    config.rsa_keys.push_back(std::move(key));
  });
  if (config.rsa_keys.size() > kServerKeysMax) {
    document.error(root.mark_of("RSAKey"),
                   fmt::format("RSAKey: expected at most {} keys", kServerKeysMax));
  }

  RsaKey single;
  root.text("KeyFile", single.file);
  root.value("KeyFingerprint", single.fingerprint, kFingerprintExpected, parse_fingerprint);
  if (!config.rsa_keys.empty()) {
    for (const std::string_view name : {"KeyFile", "KeyFingerprint"}) {
      if (root.has(name)) document.without_effect(fmt::format("{} (RSAKey is there)", name));
    }
  } else if (!single.file.empty()) {
    document.amend("RSAKey", single.file, "KeyFile");
    config.rsa_keys.push_back(std::move(single));
  } else if (single.fingerprint) {
    document.error(root.mark_of("KeyFingerprint"),
                   "KeyFingerprint: expected KeyFile or RSAKey beside it");
  }
  if (config.rsa_keys.empty()) {
    document.amend("RSAKey", "none", "default: server_key.pem of the data directory");
  }
}

void add_listener(Document& document, const Section& server, Protocol protocol, bool proxy_protocol,
                  const std::string& text, Config& config) {
  const auto address = parse_endpoint(text);
  if (!address) {
    document.error(server.mark_of("Addresses"),
                   fmt::format("{}: expected host:port (IPv6 in brackets), found \"{}\"",
                               server.path_of("Addresses"), text));
    return;
  }
  const std::string name = fmt::format("{} {}", to_string(protocol), to_string(*address));
  if (protocol != Protocol::kTcp) {
    config.listeners_not_served.push_back(name);
    return;
  }
  if (proxy_protocol) {
    config.listeners_not_served.push_back(name + " (PROXY protocol)");
    return;
  }
  const Listener listener{protocol, *address};
  if (address->port != 0 && std::find(config.listeners.begin(), config.listeners.end(), listener) !=
                                config.listeners.end()) {
    document.error(server.mark_of("Addresses"),
                   fmt::format("{}: {} stands twice", server.path_of("Addresses"), text));
  }
  config.listeners.push_back(listener);
}

void read_servers(Document& document, Section& gnetway, Config& config) {
  if (gnetway.has("Server")) config.listeners.clear();
  gnetway.children("Server", [&](Section& server) {
    Protocol protocol = Protocol::kTcp;
    bool proxy_protocol = false;
    std::vector<std::string> addresses;
    read_word<Protocol>(
        server, "Proto", protocol,
        {{"tcp", Protocol::kTcp}, {"websocket", Protocol::kWebsocket}, {"http", Protocol::kHttp}});
    server.flag("PPV1", proxy_protocol);
    const bool listed = server.texts("Addresses", addresses);
    if (!server.present()) return;
    if (listed && addresses.empty()) {
      document.error(server.mark_of("Addresses"),
                     fmt::format("{}: expected at least one", server.path_of("Addresses")));
    } else if (!server.has("Addresses")) {
      document.error(server.mark(), "Gnetway.Server.Addresses: expected a list of host:port");
    }
    for (const std::string& text : addresses) {
      add_listener(document, server, protocol, proxy_protocol, text, config);
    }
  });
  std::string served;
  for (const Listener& listener : config.listeners) {
    if (!served.empty()) served += ", ";
    served += fmt::format("{} {}", to_string(listener.protocol), to_string(listener.address));
  }
  document.amend(gnetway.path_of("Server"), served.empty() ? "none served" : served);
  if (config.listeners.size() > kListenersMax) {
    document.error(gnetway.mark_of("Server"),
                   fmt::format("Gnetway.Server: expected at most {} addresses", kListenersMax));
  }
}

void read_gnetway(Document& document, Section& root, Config& config) {
  Section gnetway = root.child("Gnetway");
  read_servers(document, gnetway, config);
  gnetway.ignored({"Multicore"});  // Ringway.Workers.Count says how many cores
  read_size(gnetway, "SendBuf", config.send_buf, {0, kSocketBufferBytesMax});
  read_size(gnetway, "ReceiveBuf", config.receive_buf, {0, kSocketBufferBytesMax});
  uint64_t cache_mib = 0;
  read_number(gnetway, "AuthKeyCacheM", cache_mib, {0, 65536});
  if (cache_mib != 0) config.auth_key_cache_bytes = cache_mib * 1024 * 1024;
  document.amend("Gnetway.AuthKeyCacheM", shown(config.auth_key_cache_bytes / (1024 * 1024)));
  gnetway.close();
}

// `present` tells the caller whether the section is there at all.
Etcd read_etcd(Section& parent, bool& present) {
  Etcd etcd;
  Section section = parent.child("Etcd");
  section.texts("Hosts", etcd.hosts);
  section.text("Key", etcd.key);
  for (const std::string_view name :
       {"ID", "User", "Pass", "CertFile", "CertKeyFile", "CACertFile"}) {
    std::string unused;
    section.text(name, unused);
  }
  bool skip_verify = false;
  section.flag("InsecureSkipVerify", skip_verify);
  section.close();
  present = section.present();
  return etcd;
}

void read_session(Document& document, Section& root, const Etcd& top, Config& config) {
  Section section = root.child("Session");
  Session& session = config.session;
  if (section.present()) session.endpoints.clear();
  section.texts("Endpoints", session.endpoints);
  section.text("Target", session.target);
  bool etcd_present = false;
  session.etcd = read_etcd(section, etcd_present);
  if (etcd_present) {
    if (session.etcd.hosts.empty()) session.etcd.hosts = top.hosts;
    document.without_effect("Session.Etcd");
  }
  read_number(section, "Timeout", session.timeout_ms, {1, 600'000});
  section.ignored({"NonBlock", "App", "Token", "KeepaliveTime", "Middlewares", "BalancerName"});
  section.close();

  for (const std::string& text : session.endpoints) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint || endpoint->port == 0 || endpoint->host.empty()) {
      document.error(section.mark_of("Endpoints"),
                     fmt::format("Session.Endpoints: expected host:port, found \"{}\"", text));
    }
  }
  if (session.endpoints.size() > kShardEndpointsMax) {
    document.error(section.mark_of("Endpoints"),
                   fmt::format("Session.Endpoints: expected at most {}", kShardEndpointsMax));
  }
  if (!session.endpoints.empty() && !session.target.empty()) {
    document.without_effect("Session.Target (Endpoints is there)");
  }
}

void read_log(Section& root, Config& config) {
  Section section = root.child("Log");
  section.text("ServiceName", config.log.service);
  read_word<LogMode>(
      section, "Mode", config.log.mode,
      {{"console", LogMode::kConsole}, {"file", LogMode::kFile}, {"volume", LogMode::kVolume}});
  section.text("Path", config.log.path);
  read_word<LogLevel>(section, "Level", config.log.level,
                      {{"debug", LogLevel::kDebug},
                       {"info", LogLevel::kInfo},
                       {"warning", LogLevel::kWarning},
                       {"error", LogLevel::kError},
                       {"severe", LogLevel::kError}});
  read_word<bool>(section, "Encoding", config.log.json, {{"plain", false}, {"json", true}});
  section.flag("Stat", config.log.stat);
  read_word<bool>(section, "Rotation", config.log.rotate_by_size,
                  {{"daily", false}, {"size", true}});
  read_number(section, "MaxSize", config.log.max_size_mib, {0, kLogFileMibMax});
  read_number(section, "MaxBackups", config.log.max_backups, {0, kLogBackupsMax});
  read_number(section, "KeepDays", config.log.keep_days, {0, kLogKeepDaysMax});
  section.flag("Compress", config.log.compress);
  read_number(section, "MaxContentLength", config.log.max_content_bytes, {0, UINT32_MAX});
  section.ignored(
      {"TimeFormat", "CompressType", "StackCooldownMillis", "FileTimeFormat", "FieldKeys"});
  section.close();
}

std::optional<std::string> parse_http_path(std::string_view text) {
  const bool good = text.starts_with('/') && text.size() <= kHttpPathBytesMax &&
                    std::all_of(text.begin(), text.end(), [](char c) {
                      return c > ' ' && c < '\x7f' && c != '?' && c != '#' && c != '%';
                    });
  if (!good || text == "/healthz" || text == "/readyz") return std::nullopt;
  return std::string(text);
}

void read_prometheus(Section& root, Config& config) {
  Section section = root.child("Prometheus");
  Prometheus& prometheus = config.prometheus;
  section.text("Host", prometheus.host);
  read_number(section, "Port", prometheus.port, {0, UINT16_MAX});
  section.value("Path", prometheus.path, "a path that begins with / and is not /healthz or /readyz",
                parse_http_path);
  section.close();
}

// What go-zero's server knows and we do without, or will know later.
void read_ignored(Section& root) {
  root.ignored({"Timeout", "UseStreamSession", "Mode", "MetricsUrl", "Auth", "StrictControl",
                "CpuThreshold", "Health", "Middlewares", "MethodTimeouts"});
  root.ignored_section("Telemetry", {"Name", "Endpoint", "Sampler", "Batcher", "OtlpHeaders",
                                     "OtlpHttpPath", "OtlpHttpSecure", "Disabled"});
  root.ignored_section("DevServer", {"Enabled", "Host", "Port", "MetricsPath", "HealthPath",
                                     "EnableMetrics", "EnablePprof", "HealthResponse"});
  root.ignored_section("Shutdown", {"WrapUpTime", "WaitTime"});
  root.ignored_section("Redis",
                       {"Host", "Type", "User", "Pass", "Tls", "NonBlock", "PingTimeout", "Key"});
}

}  // namespace

void read_gnetway_keys(Document& document, Section& root, Config& config) {
  root.text("Name", config.name);
  root.value("ListenOn", config.listen_on, "host:port", parse_endpoint);
  read_number(root, "MaxProc", config.max_proc, {0, kWorkersMax});
  read_rsa_keys(document, root, config);
  bool etcd_present = false;
  const Etcd etcd = read_etcd(root, etcd_present);
  if (etcd_present) document.without_effect("Etcd");
  read_gnetway(document, root, config);
  read_session(document, root, etcd, config);
  read_log(root, config);
  read_prometheus(root, config);
  read_ignored(root);
}

}  // namespace ringway::config
