#include "programs/proxy/connect_options.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/hex.h"
#include "base/small_file.h"
#include "client/account/known_servers.h"

namespace ringway::programs {
namespace {

constexpr size_t kSecretFileBytesMax = 4096;
constexpr size_t kSecretPrefixBytes = 1;
constexpr uint8_t kPaddedSecret = 0xdd;

bool read_transport(const ConnectOptions& options, mtproto::ClientTransportOptions& transport,
                    std::string& problem) {
  const auto named = mtproto::client_transport_by_name(options.transport);
  if (!named.ok()) {
    problem = fmt::format(
        "--transport {}: abridged, intermediate, padded, full, or obfuscated- before one of the "
        "first three",
        options.transport);
    return false;
  }
  transport = *named;
  if (options.secret.empty()) return true;
  auto secret = from_hex(options.secret);
  const size_t bytes = kTransportSecretBytes;
  bool good = secret.ok() && transport.obfuscated;
  if (good && secret->size() == bytes + kSecretPrefixBytes && secret->front() == kPaddedSecret) {
    // Such a secret asks for padding.
    transport.kind = mtproto::TransportKind::kPadded;
    secret->erase(secret->begin());
  }
  good = good && secret->size() == bytes;
  if (!good) {
    problem = "--secret: 16 bytes in hexadecimal, or dd and 16 bytes, with an obfuscated transport";
    return false;
  }
  transport.secret =
      Secret<kTransportSecretBytes>(std::span<const uint8_t, kTransportSecretBytes>(*secret));
  cleanse(secret->data(), secret->size());
  return true;
}

}  // namespace

void declare_schema(CLI::App& app, SchemaOptions& options) {
  app.add_option("--layer", options.layer,
                 "layer of the API: 71, 144, 228, or a .tl file with a line \"// LAYER N\" (else: "
                 "what the credentials say, or 228)")
      ->type_name("LAYER");
  app.add_flag("--compat", options.compat,
               "exactly the messages that mtprotod had: no bools for flags, no optional");
  app.add_option("--package", options.package,
                 "protobuf package (else: mtproto for layer 71, mtproto.lN for layer N)");
}

void declare_server(CLI::App& app, ConnectOptions& options) {
  app.add_option(
         "--addr", options.addresses,
         "the server or gateway, HOST:PORT, for all DCs; or DC=HOST:PORT for each of several, "
         "first the one to sign in at (else: Telegram's own servers)")
      ->type_name("ADDRESS")
      ->group("Server");
  app.add_flag("--test-servers", options.test_servers, "Telegram's servers for tests")
      ->group("Server");
  app.add_option("--server-key", options.server_key_files,
                 "the server's public RSA key, a PEM file; may be given more than once (else: "
                 "Telegram's)")
      ->type_name("FILE")
      ->group("Server");
  app.add_option("--transport", options.transport,
                 "abridged, intermediate, padded, full, or obfuscated- before one of the first "
                 "three")
      ->capture_default_str()
      ->group("Server");
  app.add_option("--secret", options.secret,
                 "secret of an obfuscated transport: 16 bytes in hexadecimal, or dd and 16 bytes")
      ->group("Server");
  app.add_flag("--pfs", options.temporary_keys,
               "speak under temporary keys, which are replaced once a day")
      ->group("Server");
}

void declare_sign_in(CLI::App& app, ConnectOptions& options) {
  app.add_option("--apiid", options.api_id, "the application's api_id")->group("Sign-in");
  app.add_option("--apihash", options.api_hash, "the application's api_hash")->group("Sign-in");
  app.add_option("--phone", options.phone, "phone number to sign in with")->group("Sign-in");
  app.add_flag("--bot", options.bot, "sign in as a bot, whose token is in RINGWAY_BOT_TOKEN")
      ->group("Sign-in");
  app.add_flag("--qr", options.qr, "sign in by a QR code that another device scans")
      ->group("Sign-in");
  app.add_option("--code-file", options.code_file,
                 "take the sign-in code from this file once it is there (or: RINGWAY_CODE)")
      ->type_name("FILE")
      ->group("Sign-in");
  app.add_option("--password-file", options.password_file,
                 "take the two-factor password from this file (or: RINGWAY_PASSWORD)")
      ->type_name("FILE")
      ->group("Sign-in");
  app.add_option("--passphrase-file", options.passphrase_file,
                 "seal the credentials with this file's first line (or: RINGWAY_PASSPHRASE)")
      ->type_name("FILE")
      ->group("Sign-in");
}

std::optional<SecretString> read_secret_line(const std::string& path, std::string& problem) {
  auto bytes = read_small_file(path, kSecretFileBytesMax, FileAccess::kOwnerOnly, problem);
  if (!bytes.ok()) return std::nullopt;
  const std::string_view text = as_text(*bytes);
  const SecretString line(as_bytes(text.substr(0, text.find_first_of("\r\n"))));
  cleanse(bytes->data(), bytes->size());
  if (line.view().empty()) {
    problem = fmt::format("{}: its first line is empty", path);
    return std::nullopt;
  }
  return line;
}

std::optional<SecretString> read_passphrase(const ConnectOptions& options, std::string& problem) {
  if (!options.passphrase_file.empty()) {
    auto line = read_secret_line(options.passphrase_file, problem);
    if (!line.has_value()) problem = "--passphrase-file: " + problem;
    return line;
  }
  const char* variable = std::getenv("RINGWAY_PASSPHRASE");
  return variable == nullptr ? SecretString() : SecretString(as_bytes(variable));
}

std::optional<client::AccountOptions> account_options(const ConnectOptions& options,
                                                      const SchemaChoice& schema,
                                                      const client::Credentials& credentials,
                                                      std::string& problem) {
  client::AccountOptions account;
  account.layer = schema.layer;
  account.api_id = options.api_id != 0 ? options.api_id : credentials.api_id;
  account.app_version = RINGWAY_VERSION;
  account.temporary_keys = options.temporary_keys || credentials.temporary_keys;
  if (!read_transport(options, account.transport, problem)) return std::nullopt;
  const auto end = client::choose_server(
      {options.addresses, options.test_servers, options.server_key_files}, account, problem);
  if (end != client::ServerChoiceEnd::kGood) {
    problem = (end == client::ServerChoiceEnd::kBadKey ? "--server-key: " : "--addr ") + problem;
    return std::nullopt;
  }
  return account;
}

}  // namespace ringway::programs
