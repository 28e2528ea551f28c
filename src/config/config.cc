#include "config/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>

namespace ringway::config {

bool operator==(const Transports& a, const Transports& b) noexcept {
  return a.abridged == b.abridged && a.intermediate == b.intermediate && a.padded == b.padded &&
         a.full == b.full && a.obfuscated == b.obfuscated &&
         a.legacy_rsa_padding == b.legacy_rsa_padding && a.http_error_style == b.http_error_style &&
         same_secrets(a.secrets, b.secrets);
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

const std::vector<Secret<kTransportSecretBytes>>& secrets_of(const Config& config,
                                                             const Listener& listener) noexcept {
  const bool own = !listener.secrets.empty() || !listener.fake_tls_secrets.empty();
  return own ? listener.secrets : config.transports.secrets;
}

uint32_t worker_count(const Config& config, size_t allowed_cores) noexcept {
  if (config.workers.count != 0) return config.workers.count;
  if (config.max_proc != 0) return config.max_proc;
  const size_t listed = config.workers.cores.size();
  const size_t automatic = listed != 0 ? listed : std::max<size_t>(allowed_cores, 1);
  return static_cast<uint32_t>(std::min<size_t>(automatic, kWorkersMax));
}

WorkerConfig worker_config(const Config& config, uint32_t index) noexcept {
  const Workers& workers = config.workers;
  WorkerConfig result{kAnyCore, workers.settings};
  if (!workers.cores.empty()) result.core = workers.cores[index % workers.cores.size()];
  const int named = workers.cores.empty() ? static_cast<int>(index) : result.core;
  for (const CoreOverride& override : workers.per_core) {
    if (override.core == named) result.settings = override.settings;
  }
  return result;
}

std::vector<int> grpc_cores(const Config& config, const std::vector<int>& allowed) {
  if (!config.grpc.cores.empty()) return config.grpc.cores;
  if (config.workers.cores.empty()) return {};
  std::vector<int> spare = allowed;
  for (uint32_t i = 0; i < worker_count(config, allowed.size()); ++i) {
    std::erase(spare, worker_config(config, i).core);
  }
  return spare;
}

uint32_t crypto_threads(const Config& config, size_t allowed_cores) noexcept {
  const std::vector<int>& cores = config.crypto.cores;
  const size_t threads = cores.empty() ? allowed_cores / 2 : cores.size();
  return static_cast<uint32_t>(std::max<size_t>(threads, 1));
}

bool any_mask(const Config& config) noexcept {
  return std::any_of(config.listeners.begin(), config.listeners.end(),
                     [](const Listener& listener) { return listener.mask.has_value(); });
}

uint64_t reserved_files(const Config& config, uint32_t workers) noexcept {
  return kReservedFiles + kFilesPerWorker * workers + mask_files(config, UINT64_MAX);
}

uint64_t mask_files(const Config& config, uint64_t open_files) noexcept {
  return any_mask(config) ? std::min<uint64_t>(config.limits.mask_connections, open_files / 2) : 0;
}

uint32_t auto_connections(const Config& config, uint64_t open_files, uint32_t workers) noexcept {
  open_files -= mask_files(config, open_files);
  const uint64_t reserved = kReservedFiles + kFilesPerWorker * workers;
  const uint64_t share = open_files > reserved ? (open_files - reserved) / workers : open_files / 2;
  return static_cast<uint32_t>(std::clamp<uint64_t>(share, 1, kConnectionsPerWorkerMax));
}

uint32_t auto_key_cache_entries(const Config& config, uint32_t workers) noexcept {
  const uint64_t entries = config.auth_key_cache_bytes / workers / kKeyCacheEntryBytes;
  return static_cast<uint32_t>(std::clamp<uint64_t>(entries, 1, UINT32_MAX));
}

LogOptions log_options(const Config& config) {
  LogOptions options;
  options.level = config.log.level;
  options.json = config.log.json;
  options.service = config.log.service.empty() ? config.name : config.log.service;
  options.content_bytes_max = config.log.max_content_bytes;
  options.rotation.by_size = config.log.rotate_by_size;
  options.rotation.size_max_bytes = uint64_t{config.log.max_size_mib} << 20;
  options.rotation.backups_max = config.log.max_backups;
  options.rotation.keep_days = config.log.keep_days;
  options.rotation.compress = config.log.compress;
  if (config.log.mode == LogMode::kConsole) return options;
  std::filesystem::path directory(config.log.path);
  if (config.log.mode == LogMode::kVolume) {
    std::array<char, HOST_NAME_MAX + 1> host{};
    (void)!gethostname(host.data(), host.size() - 1);
    directory /= options.service;
    directory /= host.data();
  }
  options.file_path = (directory / "ringway.log").string();
  return options;
}

}  // namespace ringway::config
