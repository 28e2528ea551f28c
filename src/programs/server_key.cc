#include "programs/server_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "crypto/rsa.h"

namespace ringway::programs {
namespace {

namespace fs = std::filesystem;

constexpr off_t kKeyFileBytesMax = 64 * 1024;

// Into one buffer of the file's size, so that no further copy of a key is left in freed memory.
bool read_file(const std::string& path, std::string& text, std::string& error) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  bool good = fd >= 0 && ::fstat(fd, &info) == 0;
  if (good && (!S_ISREG(info.st_mode) || info.st_size > kKeyFileBytesMax)) {
    errno = EINVAL;
    good = false;
  }
  if (good) {
    text.resize(static_cast<size_t>(info.st_size));
    good = ::read(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
  if (!good) error = fmt::format("cannot read {}: {}", path, std::strerror(errno));
  if (fd >= 0) ::close(fd);
  return good;
}

// Writes beside the target and renames, so that a crash leaves the old file or the new one.
bool write_file(const std::string& path, const std::string& text, mode_t mode, std::string& error) {
  const std::string next = path + ".new";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  bool good = fd >= 0 && ::fchmod(fd, mode) == 0 &&
              ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
              ::fsync(fd) == 0;
  if (fd >= 0) good = ::close(fd) == 0 && good;
  good = good && ::rename(next.c_str(), path.c_str()) == 0;
  if (!good) error = fmt::format("cannot write {}: {}", path, std::strerror(errno));
  return good;
}

bool parse_key(const std::string& path, std::string& pem, gateway::GatewayKey& key,
               std::string& error) {
  auto parsed = crypto::RsaKey::from_pem(pem);
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
    std::string pem;
    gateway::GatewayKey key;
    if (!read_file(configured.file, pem, keys.error)) {
      keys.error = "RSAKey.KeyFile: " + keys.error + " (paths start at the working directory)";
      return;
    }
    if (!parse_key(configured.file, pem, key, keys.error)) {
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
    std::string pem;
    if (!read_file(private_file, pem, keys.error) ||
        !parse_key(private_file, pem, key, keys.error)) {
      return keys;
    }
  } else {
    key.key = crypto::RsaKey::generate();
    key.fingerprint = key.key->fingerprint();
    std::string pem = key.key->private_pem();
    const bool written = write_file(private_file, pem, 0600, keys.error);
    cleanse(pem.data(), pem.size());
    if (!written) return keys;
    log_info("main", "made a new server key in {}", private_file);
  }
  if (!write_file(keys.public_key_file, key.key->public_pem(), 0644, keys.error)) return keys;
  keys.keys.push_back(std::move(key));
  return keys;
}

}  // namespace ringway::programs
