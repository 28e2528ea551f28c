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

void read_gnetway(Document& document, Section& root, ListenerReader& listeners, Config& config) {
  Section gnetway = root.child("Gnetway");
  listeners.read_servers(gnetway);
  gnetway.ignored({"Multicore"});  // Ringway.Workers.Count says how many cores
  read_size(gnetway, "SendBuf", config.send_buf, {0, kSocketBufferBytesMax});
  read_size(gnetway, "ReceiveBuf", config.receive_buf, {0, kSocketBufferBytesMax});
  uint64_t cache_mib = 0;
  read_number(gnetway, "AuthKeyCacheM", cache_mib, {0, 65536});
  if (cache_mib != 0) config.auth_key_cache_bytes = cache_mib * 1024 * 1024;
  document.amend("Gnetway.AuthKeyCacheM", shown(config.auth_key_cache_bytes / (1024 * 1024)));
  gnetway.close();
}

// host:port, also as http://host:port and https://host:port.
void read_etcd_hosts(Document& document, Section& section, Etcd& etcd) {
  if (!section.texts("Hosts", etcd.hosts)) return;
  etcd.tls = false;
  for (std::string& text : etcd.hosts) {
    std::string_view rest = text;
    if (rest.starts_with("https://")) etcd.tls = true;
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
    }
    const auto endpoint = parse_endpoint(rest);
    if (!endpoint || endpoint->port == 0 || endpoint->host.empty()) {
      document.error(section.mark_of("Hosts"), fmt::format("{}: expected host:port, found \"{}\"",
                                                           section.path_of("Hosts"), text));
      continue;
    }
    text = to_string(*endpoint);
  }
  if (etcd.hosts.empty() || etcd.hosts.size() > kEtcdHostsMax) {
    document.error(section.mark_of("Hosts"), fmt::format("{}: expected 1 to {} hosts",
                                                         section.path_of("Hosts"), kEtcdHostsMax));
  }
}

// What the section leaves out stays as it is in `etcd`.
void read_etcd(Document& document, Section& section, Etcd& etcd) {
  read_etcd_hosts(document, section, etcd);
  section.text("Key", etcd.key);
  while (etcd.key.ends_with('/')) etcd.key.pop_back();
  read_number(section, "ID", etcd.id, {0, INT64_MAX});
  section.text("User", etcd.user);
  section.text("Pass", etcd.password);
  section.text("CertFile", etcd.cert_file);
  section.text("CertKeyFile", etcd.cert_key_file);
  section.text("CACertFile", etcd.ca_cert_file);
  section.flag("InsecureSkipVerify", etcd.insecure_skip_verify);
  section.close();
  if (!section.present()) return;

  check_readable(document, section, "CertFile", etcd.cert_file);
  check_readable(document, section, "CertKeyFile", etcd.cert_key_file);
  check_readable(document, section, "CACertFile", etcd.ca_cert_file);
  const bool names_pair = section.has("CertFile") || section.has("CertKeyFile");
  if (names_pair && etcd.cert_file.empty() != etcd.cert_key_file.empty()) {
    const std::string_view missing = etcd.cert_file.empty() ? "CertFile" : "CertKeyFile";
    document.error(section.mark(),
                   fmt::format("{}: expected it too: a certificate and its key go together",
                               section.path_of(missing)));
  }
  if (!etcd.cert_file.empty() || !etcd.ca_cert_file.empty()) etcd.tls = true;
  if (section.has("InsecureSkipVerify") && etcd.insecure_skip_verify && !etcd.tls) {
    document.warning(section.mark_of("InsecureSkipVerify"),
                     fmt::format("{}: no certificate is given and no host begins with https://: "
                                 "etcd is spoken to without TLS",
                                 section.path_of("InsecureSkipVerify")));
  }
  if (etcd.user.empty() != etcd.password.empty()) {
    document.warning(section.mark(), fmt::format("{}: User and Pass go together: no log-in",
                                                 section.path_of("User")));
    etcd.user.clear();
    etcd.password.clear();
  }
}

// Where the gateway registers. Hosts alone may stand there for Session.Etcd to inherit.
void read_own_etcd(Document& document, Section& root, Etcd& etcd) {
  Section section = root.child("Etcd");
  read_etcd(document, section, etcd);
  if (!section.present()) return;
  if (etcd.hosts.empty() && !section.has("Hosts")) {
    document.error(section.mark(), "Etcd.Hosts: expected a list of host:port");
  } else if (etcd.key.empty()) {
    document.warning(section.mark(), "Etcd: without Key the gateway does not register");
  }
}

void read_session_etcd(Document& document, Section& parent, const Etcd& top, Session& session) {
  Section section = parent.child("Etcd");
  Etcd etcd = section.present() ? top : Etcd();
  etcd.key.clear();
  etcd.id = 0;
  read_etcd(document, section, etcd);
  if (!section.present()) return;
  for (const std::string_view name :
       {"Hosts", "User", "Pass", "CertFile", "CertKeyFile", "CACertFile", "InsecureSkipVerify"}) {
    document.inherited(section.path_of(name), "from Etcd");
  }
  if (section.has("ID")) document.without_effect("Session.Etcd.ID");
  if (!session.endpoints.empty() || !session.target.empty()) {
    document.without_effect("Session.Etcd (Endpoints or Target is there)");
    return;
  }
  if (etcd.hosts.empty() && !section.has("Hosts")) {
    document.error(section.mark(),
                   "Session.Etcd.Hosts: expected a list of host:port, here or in Etcd");
  }
  if (etcd.key.empty()) {
    document.error(section.mark(),
                   "Session.Etcd.Key: expected the key of the session service, such as "
                   "interface.session");
  }
  session.etcd = std::move(etcd);
}

void read_session(Document& document, Section& root, const Etcd& top, Config& config) {
  Section section = root.child("Session");
  Session& session = config.session;
  if (section.present()) session.endpoints.clear();
  section.texts("Endpoints", session.endpoints);
  section.text("Target", session.target);
  read_session_etcd(document, section, top, session);
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

void read_gnetway_keys(Document& document, Section& root, ListenerReader& listeners,
                       Config& config) {
  root.text("Name", config.name);
  root.value("ListenOn", config.listen_on, "host:port", parse_endpoint);
  read_number(root, "MaxProc", config.max_proc, {0, kWorkersMax});
  read_rsa_keys(document, root, config);
  read_own_etcd(document, root, config.etcd);
  read_gnetway(document, root, listeners, config);
  read_session(document, root, config.etcd, config);
  read_log(root, config);
  read_prometheus(root, config);
  read_ignored(root);
}

}  // namespace ringway::config
