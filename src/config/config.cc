#include "config/config.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace ringway::config {
namespace {

class Description {
 public:
  template <typename T>
  void add(std::string_view key, const T& value) {
    text_ += fmt::format("{}: {}\n", key, value);
  }
  void limit(std::string_view key, uint32_t value) {
    if (value == kNoLimit) {
      add(key, "no limit");
    } else {
      add(key, value);
    }
  }
  void duration(std::string_view key, int64_t ns) {
    if (ns == kNoTimeoutNs) {
      add(key, "no limit");
    } else if (ns % kNsPerSecond == 0) {
      add(key, fmt::format("{}s", ns / kNsPerSecond));
    } else {
      add(key, fmt::format("{}ms", static_cast<double>(ns) / static_cast<double>(kNsPerMs)));
    }
  }
  template <typename List, typename ToText>
  void list(std::string_view key, const List& items, std::string_view when_empty, ToText to_text) {
    std::string joined;
    for (const auto& item : items) {
      if (!joined.empty()) joined += ", ";
      joined += to_text(item);
    }
    add(key, items.empty() ? std::string(when_empty) : joined);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string identity(const std::string& text) { return text; }

std::string auto_or(uint64_t value, std::string_view automatic = "auto") {
  return value == 0 ? std::string(automatic) : fmt::format("{}", value);
}

std::string_view level_name(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "info";
}

std::string override_text(const CoreOverride& override) {
  std::string text = fmt::format("core {}", override.core);
  const auto add = [&text](std::string_view key, const std::optional<uint32_t>& value) {
    if (value) text += fmt::format(" {}={}", key, auto_or(*value));
  };
  add("RingEntries", override.ring_entries);
  add("Buffers", override.buffers);
  add("BufferBytes", override.buffer_bytes);
  add("MaxConnections", override.max_connections);
  return text;
}

std::string_view wire_name(WireKind wire) noexcept {
  switch (wire) {
    case WireKind::kBatch:
      return "batch";
    case WireKind::kStream:
      return "stream";
    case WireKind::kUnary:
      return "unary";
    case WireKind::kAuto:
      break;
  }
  return "auto";
}

void describe_general(const Config& config, Description& out) {
  out.add("Name", config.name);
  out.add("ListenOn", to_string(config.listen_on));
  out.list("RSAKey", config.rsa_keys, "the data directory's", [](const RsaKey& key) {
    return key.fingerprint ? fmt::format("{} (fingerprint {} configured)", key.file,
                                         static_cast<uint64_t>(*key.fingerprint))
                           : key.file;
  });
  out.list("Gnetway.Server", config.listeners, "none", [](const Listener& listener) {
    return fmt::format("{} {}", to_string(listener.protocol), to_string(listener.address));
  });
  out.add("Gnetway.SendBuf", auto_or(config.send_buf, "kernel default"));
  out.add("Gnetway.ReceiveBuf", auto_or(config.receive_buf, "kernel default"));
  out.add("Gnetway.AuthKeyCacheM", config.auth_key_cache_bytes / (1024 * 1024));
  out.list("Session.Endpoints", config.session.endpoints, "none", identity);
  out.add("Session.Target", config.session.target.empty() ? "none" : config.session.target);
  out.list("Session.Etcd.Hosts", config.session.etcd.hosts, "none", identity);
  out.add("Session.Timeout", fmt::format("{}ms", config.session.timeout_ms));
  out.add("Ringway.Session.Link", config.session.link == LinkKind::kRing ? "ring" : "grpc");
  out.add("Ringway.Session.Wire", wire_name(config.session.wire));
  out.duration("Ringway.Session.NoShardTimeout", config.session.no_shard_timeout_ns);
  const LogOptions log = log_options(config);
  out.add("Log", fmt::format("{} to {}, {}", level_name(log.level),
                             log.file_path.empty() ? "standard error" : log.file_path,
                             log.json ? "json" : "plain"));
}

void describe_workers(const Workers& workers, Description& out) {
  out.add("Ringway.Workers.Count", auto_or(workers.count));
  out.list("Ringway.Workers.Cores", workers.cores, "not pinned",
           [](int core) { return fmt::format("{}", core); });
  out.add("Ringway.Workers.RingEntries", workers.ring_entries);
  out.add("Ringway.Workers.Buffers", workers.buffers);
  out.add("Ringway.Workers.BufferBytes", workers.buffer_bytes);
  out.add("Ringway.Workers.MaxConnections", auto_or(workers.max_connections));
  out.list("Ringway.Workers.PerCore", workers.per_core, "none", override_text);
}

void describe_limits(const Config& config, Description& out) {
  const Limits& limits = config.limits;
  out.limit("Ringway.Limits.FrameBytes", limits.frame_bytes);
  out.limit("Ringway.Limits.InputBytesPerConnection", limits.input_bytes_per_connection);
  out.limit("Ringway.Limits.OutputBytesPerConnection", limits.output_bytes_per_connection);
  out.limit("Ringway.Limits.KeysPerConnection", limits.keys_per_connection);
  out.limit("Ringway.Limits.ConnectionsPerKey", limits.connections_per_key);
  out.limit("Ringway.Limits.SessionsPerConnection", limits.sessions_per_connection);
  out.limit("Ringway.Limits.HandshakesPerConnection", limits.handshakes_per_connection);
  out.limit("Ringway.Limits.HandshakesPerAddressPerSecond",
            limits.handshakes_per_address_per_second);
  out.limit("Ringway.Limits.UnknownKeysPerAddressPerSecond",
            limits.unknown_keys_per_address_per_second);
  out.limit("Ringway.Limits.ConnectionsPerAddress", limits.connections_per_address);
  out.limit("Ringway.Limits.CryptoJobsPerAddress", limits.crypto_jobs_per_address);
  const Timeouts& timeouts = config.timeouts;
  out.duration("Ringway.Timeouts.FirstByte", timeouts.first_byte_ns);
  out.duration("Ringway.Timeouts.Detection", timeouts.detection_ns);
  out.duration("Ringway.Timeouts.Frame", timeouts.frame_ns);
  out.duration("Ringway.Timeouts.Handshake", timeouts.handshake_ns);
  out.duration("Ringway.Timeouts.Idle", timeouts.idle_ns);
  out.duration("Ringway.Timeouts.Drain", timeouts.drain_ns);
  out.duration("Ringway.Timeouts.KeyLookup", timeouts.key_lookup_ns);
}

void describe_transports(const Transports& transports, Description& out) {
  out.add("Ringway.Transports.Abridged", transports.abridged);
  out.add("Ringway.Transports.Intermediate", transports.intermediate);
  out.add("Ringway.Transports.Padded", transports.padded);
  out.add("Ringway.Transports.Full", transports.full);
  out.add("Ringway.Transports.Obfuscated", transports.obfuscated);
  out.add("Ringway.Transports.LegacyRsaPadding", transports.legacy_rsa_padding);
  out.add("Ringway.Transports.Secrets", transports.secrets.size());
}

void describe_crypto(const Crypto& crypto, Description& out) {
  out.add("Ringway.Crypto.Kernel", to_string(crypto.kernel));
}

}  // namespace

bool operator==(const Transports& a, const Transports& b) noexcept {
  return a.abridged == b.abridged && a.intermediate == b.intermediate && a.padded == b.padded &&
         a.full == b.full && a.obfuscated == b.obfuscated &&
         a.legacy_rsa_padding == b.legacy_rsa_padding &&
         std::equal(a.secrets.begin(), a.secrets.end(), b.secrets.begin(), b.secrets.end(),
                    [](const auto& x, const auto& y) { return equal(x.view(), y.view()); });
}

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.host.find(':') == std::string::npos) {
    return fmt::format("{}:{}", endpoint.host, endpoint.port);
  }
  return fmt::format("[{}]:{}", endpoint.host, endpoint.port);
}

std::string_view to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kWebsocket:
      return "websocket";
    case Protocol::kHttp:
      return "http";
  }
  return "tcp";
}

std::string_view to_string(CryptoKernel kernel) noexcept {
  switch (kernel) {
    case CryptoKernel::kAuto:
      return "auto";
    case CryptoKernel::kOpenssl:
      return "openssl";
    case CryptoKernel::kAesni:
      return "aesni";
    case CryptoKernel::kVaes:
      return "vaes";
  }
  return "auto";
}

Config defaults() { return {}; }

uint32_t worker_count(const Config& config, uint32_t allowed_cores) noexcept {
  if (config.workers.count != 0) return config.workers.count;
  if (config.max_proc != 0) return config.max_proc;
  const auto listed = static_cast<uint32_t>(config.workers.cores.size());
  const uint32_t automatic = listed != 0 ? listed : std::max(allowed_cores, 1U);
  return std::min(automatic, kWorkersMax);
}

WorkerConfig worker_config(const Config& config, uint32_t index) noexcept {
  const Workers& workers = config.workers;
  WorkerConfig result{-1, workers.ring_entries, workers.buffers, workers.buffer_bytes,
                      workers.max_connections};
  if (!workers.cores.empty()) result.core = workers.cores[index % workers.cores.size()];
  const int named = workers.cores.empty() ? static_cast<int>(index) : result.core;
  for (const CoreOverride& override : workers.per_core) {
    if (override.core != named) continue;
    result.ring_entries = override.ring_entries.value_or(result.ring_entries);
    result.buffers = override.buffers.value_or(result.buffers);
    result.buffer_bytes = override.buffer_bytes.value_or(result.buffer_bytes);
    result.max_connections = override.max_connections.value_or(result.max_connections);
  }
  return result;
}

LogOptions log_options(const Config& config) {
  LogOptions options;
  options.level = config.log.level;
  options.json = config.log.json;
  options.service = config.log.service.empty() ? config.name : config.log.service;
  if (config.log.to_file) {
    options.file_path = (std::filesystem::path(config.log.path) / "ringway.log").string();
  }
  return options;
}

std::string describe(const Config& config) {
  Description out;
  describe_general(config, out);
  describe_workers(config.workers, out);
  describe_limits(config, out);
  describe_transports(config.transports, out);
  describe_crypto(config.crypto, out);
  return out.take();
}

}  // namespace ringway::config
