#include "programs/server_key.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/log.h"
#include "base/small_file.h"
#include "crypto/rsa.h"

namespace ringway::programs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeyFileBytesMax = 64 * 1024;

bool parse_key(const std::string& path, Bytes pem, gateway::GatewayKey& key, std::string& error) {
  auto parsed = crypto::RsaKey::from_pem(as_text(pem));
  cleanse(pem.data(), pem.size());
  if (!parsed || !(*parsed)->has_private()) {
    error = fmt::format(
        "{} is not a 2048-bit RSA private key in PEM (PKCS #1 or PKCS #8); make one "
        "with: openssl genrsa -traditional -out {} 2048",
        path, path);
    return false;
  }
  key.key = *parsed;
  key.fingerprint = key.key->fingerprint();
  return true;
}

void load_configured(const config::Config& config, ServerKeys& keys) {
  for (const config::RsaKey& configured : config.rsa_keys) {
    gateway::GatewayKey key;
    auto pem = read_small_file(configured.file, kKeyFileBytesMax, FileAccess::kAny, keys.error);
    if (!pem.ok()) {
      keys.error = "RSAKey.KeyFile: " + keys.error + " (paths start at the working directory)";
      return;
    }
    if (!parse_key(configured.file, *std::move(pem), key, keys.error)) {
      keys.error = "RSAKey.KeyFile: " + keys.error;
      return;
    }
    if (configured.fingerprint.has_value()) {
      const auto wanted = static_cast<uint64_t>(*configured.fingerprint);
      if (wanted != key.fingerprint) {
        log_warning("main",
                    "RSAKey {}: the key's fingerprint is {}, but KeyFingerprint says {}; the "
                    "configured one is used",
                    configured.file, key.fingerprint, wanted);
        key.fingerprint = wanted;
      }
    }
    keys.keys.push_back(std::move(key));
  }
}

}  // namespace

ServerKeys load_server_keys(const config::Config& config, const std::string& data_dir) {
  ServerKeys keys;
  if (!config.rsa_keys.empty()) {
    load_configured(config, keys);
    return keys;
  }
  std::error_code failure;
  fs::create_directories(data_dir, failure);
  if (failure) {
    keys.error = fmt::format("cannot make the data directory {}: {}; name another with --data",
                             data_dir, failure.message());
    return keys;
  }
  const std::string private_file = data_dir + "/server_key.pem";
  keys.public_key_file = data_dir + "/server_pub.pem";
  gateway::GatewayKey key;
  if (fs::exists(private_file)) {
    auto pem = read_small_file(private_file, kKeyFileBytesMax, FileAccess::kAny, keys.error);
    if (!pem.ok() || !parse_key(private_file, *std::move(pem), key, keys.error)) return keys;
  } else {
    key.key = crypto::RsaKey::generate();
    key.fingerprint = key.key->fingerprint();
    std::string pem = key.key->private_pem();
    const auto written = replace_small_file(private_file, as_bytes(pem), 0600, keys.error);
    cleanse(pem.data(), pem.size());
    if (!written.ok()) return keys;
    log_info("main", "made a new server key in {}", private_file);
  }
  const std::string public_pem = key.key->public_pem();
  if (!replace_small_file(keys.public_key_file, as_bytes(public_pem), 0644, keys.error).ok()) {
    return keys;
  }
  keys.keys.push_back(std::move(key));
  return keys;
}

}  // namespace ringway::programs
