#include "client/account/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/small_file.h"
#include "client/account/known_servers.h"
#include "client/account/limits.h"
#include "crypto/base64.h"
#include "crypto/passphrase.h"
#include "mtproto/message.h"

namespace ringway::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kStateVersion = 1;

std::string salt_text(int64_t salt) {
  std::array<uint8_t, 8> bytes{};
  store_le(bytes.data(), salt);
  return crypto::to_base64(bytes);
}

// Reads the fields of one object; the first one that is wrong ends it.
class Fields {
 public:
  Fields(const Json& json, std::string place, std::string& problem)
      : json_(json), place_(std::move(place)), problem_(problem) {}

  [[nodiscard]] bool good() const noexcept { return good_; }
  void fail(std::string_view name, std::string_view what) {
    if (good_) problem_ = fmt::format("{}\"{}\" {}", place_, name, what);
    good_ = false;
  }

  void text(std::string_view name, std::string& out, bool required) {
    const Json* value = find(name, required);
    if (value == nullptr) return;
    if (!value->is_string()) return fail(name, "must be a string");
    out = value->get<std::string>();
  }
  template <typename T>
  void number(std::string_view name, T& out, int64_t lowest, int64_t highest, bool required) {
    const Json* value = find(name, required);
    if (value == nullptr) return;
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
    if (!fits || value->get<int64_t>() < lowest || value->get<int64_t>() > highest) {
      return fail(name, fmt::format("must be a number from {} to {}", lowest, highest));
    }
    out = static_cast<T>(value->get<int64_t>());
  }
  void flag(std::string_view name, bool& out) {
    const Json* value = find(name, false);
    if (value == nullptr) return;
    if (!value->is_boolean()) return fail(name, "must be true or false");
    out = value->get<bool>();
  }
  // Empty when it is not there.
  Bytes bytes(std::string_view name, size_t count, bool required) {
    std::string encoded;
    text(name, encoded, required);
    if (!good_ || (encoded.empty() && !required)) return {};
    auto decoded = crypto::from_base64(encoded);
    cleanse(encoded.data(), encoded.size());
    if (!decoded.ok() || (count != 0 && decoded->size() != count)) {
      fail(name, count == 0 ? std::string("must be in base64")
                            : fmt::format("must be {} bytes in base64", count));
      return {};
    }
    return *std::move(decoded);
  }
  DcKey key() {
    DcKey read;
    Bytes key = bytes("auth_key", AuthKeyBytes::size(), true);
    const Bytes salt = bytes("salt", sizeof read.salt, true);
    number("user_id", read.user_id, 0, std::numeric_limits<int64_t>::max(), false);
    if (!good_) return read;
    read.key = AuthKeyBytes(std::span<const uint8_t, AuthKeyBytes::size()>(key));
    cleanse(key.data(), key.size());
    read.auth_key_id = mtproto::auth_key_id(read.key);
    read.salt = load_le<int64_t>(salt.data());
    return read;
  }

 private:
  const Json* find(std::string_view name, bool required) {
    const auto found = json_.find(name);
    if (found != json_.end()) return &*found;
    if (required) fail(name, "is missing");
    return nullptr;
  }

  const Json& json_;
  std::string place_;
  std::string& problem_;
  bool good_ = true;
};

Result<Json> parse_object(std::string_view text, std::string& problem) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    problem = "is no JSON object";
    return Error::kMalformed;
  }
  return json;
}

std::string state_path(const std::string& path) { return path + ".state"; }

}  // namespace

std::string format_credentials(const Credentials& credentials) {
  const AccountState& account = credentials.account;
  Json json;
  json["phone"] = credentials.phone;
  json["api_id"] = credentials.api_id;
  json["api_hash"] = credentials.api_hash;
  json["ip"] = account.host;
  json["port"] = account.port;
  const auto main = account.keys.find(account.main_dc);
  const bool has_key = main != account.keys.end();
  json["salt"] = has_key ? salt_text(main->second.salt) : "";
  json["auth_key"] = has_key ? crypto::to_base64(main->second.key.view()) : "";
  if (account.main_dc != 0) json["dc_id"] = account.main_dc;
  // Nothing, until it is known: see user_unsaid.
  if (account.user_id() != 0 || !credentials.user_unsaid) json["user_id"] = account.user_id();
  if (credentials.layer != 0) json["layer"] = credentials.layer;
  json["pfs"] = credentials.temporary_keys;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<void> parse_credentials(std::string_view text, Credentials& credentials,
                               std::string& problem) {
  RW_TRY_ASSIGN(const Json json, parse_object(text, problem));
  Fields fields(json, "", problem);
  AccountState& account = credentials.account;
  fields.text("phone", credentials.phone, true);
  fields.number("api_id", credentials.api_id, 0, INT32_MAX, true);
  fields.text("api_hash", credentials.api_hash, true);
  fields.text("ip", account.host, true);
  fields.number("port", account.port, 1, UINT16_MAX, true);
  // mtprotod does not say which DC it is.
  if (!account.host.empty()) account.main_dc = known_dc(account.host);
  fields.number("dc_id", account.main_dc, 1, INT16_MAX, false);
  fields.number("layer", credentials.layer, 1, INT32_MAX, false);
  fields.flag("pfs", credentials.temporary_keys);
  if (fields.good()) {
    const auto key = json.find("auth_key");
    // A sign-in that was begun and not finished has none.
    const bool has_key = key == json.end() || !key->is_string() || !key->get<std::string>().empty();
    account.keys.clear();
    if (has_key) account.keys[account.main_dc] = fields.key();
    credentials.user_unsaid = has_key && !json.contains("user_id");
  }
  if (!fields.good()) return Error::kMalformed;
  return {};
}

std::string format_credentials_state(const Credentials& credentials) {
  const AccountState& account = credentials.account;
  Json json;
  json["version"] = kStateVersion;
  json["keys"] = Json::array();
  for (const auto& [dc, key] : account.keys) {
    Json entry;
    entry["dc_id"] = dc;
    entry["salt"] = salt_text(key.salt);
    entry["auth_key"] = crypto::to_base64(key.key.view());
    entry["user_id"] = key.user_id;
    json["keys"].push_back(std::move(entry));
  }
  json["updates"] = crypto::to_base64(credentials.updates);
  return json.dump();
}

Result<void> parse_credentials_state(std::string_view text, Credentials& credentials,
                                     std::string& problem) {
  RW_TRY_ASSIGN(const Json json, parse_object(text, problem));
  Fields fields(json, "", problem);
  int version = 0;
  fields.number("version", version, 1, INT32_MAX, true);
  if (fields.good() && version != kStateVersion) {
    fields.fail("version", "is of another release of this program");
  }
  Bytes updates = fields.bytes("updates", 0, false);
  const auto keys = json.find("keys");
  const bool has_keys = keys != json.end() && keys->is_array();
  if (!has_keys || keys->size() > kCredentialsKeysMax) {
    fields.fail("keys", fmt::format("must be a list of at most {}", kCredentialsKeysMax));
  }
  if (!fields.good()) return Error::kMalformed;
  for (const Json& entry : *keys) {
    if (!entry.is_object()) {
      fields.fail("keys", "must have objects");
      return Error::kMalformed;
    }
    Fields one(entry, "keys: ", problem);
    int32_t dc = 0;
    one.number("dc_id", dc, 0, INT16_MAX, true);  // 0: home, while it is not known which one
    DcKey key = one.key();
    if (!one.good()) return Error::kMalformed;
    // The main one has been read from FILE.
    credentials.account.keys.emplace(dc, std::move(key));
  }
  credentials.updates = std::move(updates);
  return {};
}

std::unique_ptr<CredentialsStore> CredentialsStore::open(std::string path, SecretString passphrase,
                                                         std::string& problem) {
  const std::string lock = path + ".lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    problem = fmt::format("cannot lock {}: {}: {}", path, lock, std::strerror(errno));
    return nullptr;
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    problem =
        errno == EWOULDBLOCK
            ? fmt::format("{} is in use by another ringway-proxy: one sign-in serves one of them",
                          path)
            : fmt::format("cannot lock {}: {}", lock, std::strerror(errno));
    ::close(fd);
    return nullptr;
  }
  return std::unique_ptr<CredentialsStore>(
      new CredentialsStore(std::move(path), std::move(passphrase), fd));
}

CredentialsStore::CredentialsStore(std::string path, SecretString passphrase, int lock_fd)
    : path_(std::move(path)), passphrase_(std::move(passphrase)), lock_fd_(lock_fd) {}

// The lock's file stays: who removes it could take it from somebody who has just locked it.
CredentialsStore::~CredentialsStore() { ::close(lock_fd_); }

Result<Bytes> CredentialsStore::read(const std::string& path, size_t bytes_max,
                                     std::string& problem) const {
  RW_TRY_ASSIGN(Bytes bytes, read_small_file(path, bytes_max + kCredentialsSealBytes,
                                             FileAccess::kOwnerOnly, problem));
  if (!crypto::is_passphrase_sealed(bytes)) return bytes;
  if (passphrase_.view().empty()) {
    problem = fmt::format("{} is sealed: a passphrase is needed", path);
    return Error::kNotAllowed;
  }
  auto opened = crypto::open_with_passphrase(bytes, passphrase_.view());
  if (opened.ok()) return opened;
  problem = opened.error() == Error::kNotAllowed
                ? fmt::format("{}: the passphrase is another one, or the file was changed", path)
                : fmt::format("{} is sealed in a way that this program does not know", path);
  return opened.error();
}

Result<Credentials> CredentialsStore::load(std::string& problem) const {
  Credentials credentials;
  const auto parse = [&](const std::string& path, Bytes& bytes, auto parser) {
    std::string wrong;
    const auto parsed = parser(as_text(bytes), credentials, wrong);
    cleanse(bytes.data(), bytes.size());
    if (!parsed.ok()) problem = fmt::format("{}: {}", path, wrong);
    return parsed;
  };
  RW_TRY_ASSIGN(Bytes main, read(path_, kCredentialsBytesMax, problem));
  RW_TRY(parse(path_, main, parse_credentials));
  auto state = read(state_path(path_), kCredentialsStateBytesMax, problem);
  if (!state.ok() && state.error() != Error::kNotFound) return state.error();
  if (state.ok()) RW_TRY(parse(state_path(path_), *state, parse_credentials_state));
  problem.clear();
  return credentials;
}

Result<void> CredentialsStore::write(const std::string& path, const std::string& text,
                                     SecretString& saved, std::string& problem) {
  if (as_text(saved.view()) == text) return {};
  const bool seal = !passphrase_.view().empty();
  const Bytes sealed =
      seal ? crypto::seal_with_passphrase(as_bytes(text), passphrase_.view()) : Bytes();
  RW_TRY(replace_small_file(path, seal ? ByteView(sealed) : as_bytes(text), 0600, problem));
  saved = SecretString(as_bytes(text));
  return {};
}

Result<void> CredentialsStore::save(const Credentials& credentials, std::string& problem) {
  std::string main = format_credentials(credentials);
  std::string state = format_credentials_state(credentials);
  if (main.size() > kCredentialsBytesMax || state.size() > kCredentialsStateBytesMax) {
    problem = fmt::format("{} would become larger than it may be", path_);
    return Error::kTooLarge;
  }
  // The state first, which has all keys: whatever comes between, none is lost.
  Result<void> written = write(state_path(path_), state, saved_state_, problem);
  if (written.ok()) written = write(path_, main, saved_, problem);
  cleanse(main.data(), main.size());
  cleanse(state.data(), state.size());
  return written;
}

}  // namespace ringway::client
