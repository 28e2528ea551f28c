// programs/proxy/connect_options: which server, which sign-in, and how to get there: what start,
// login, shell and access have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "client/account/account.h"
#include "client/account/credentials.h"
#include "programs/proxy/schema_choice.h"

namespace ringway::programs {

struct ConnectOptions {
  SchemaOptions schema;
  std::vector<std::string> addresses;  // [DC=]HOST:PORT; none: Telegram's own
  bool test_servers = false;
  std::vector<std::string> server_key_files;
  std::string transport = "intermediate";
  std::string secret;  // of an obfuscated transport, in hexadecimal
  bool temporary_keys = false;
  int32_t api_id = 0;
  std::string api_hash;
  std::string phone;
  bool bot = false;  // the token is in RINGWAY_BOT_TOKEN
  bool qr = false;
  std::string passphrase_file;
  std::string code_file;
  std::string password_file;
};

void declare_schema(CLI::App& app, SchemaOptions& options);
void declare_server(CLI::App& app, ConnectOptions& options);
void declare_sign_in(CLI::App& app, ConnectOptions& options);

// The passphrase of the credentials: of the file, or of RINGWAY_PASSPHRASE; empty: none. Nothing,
// and why.
[[nodiscard]] std::optional<SecretString> read_passphrase(const ConnectOptions& options,
                                                          std::string& problem);
// The first line of a file for its owner's eyes.
[[nodiscard]] std::optional<SecretString> read_secret_line(const std::string& path,
                                                           std::string& problem);

// What an account needs. The addresses begin with where the credentials were used last. Nothing,
// and which option is wrong.
[[nodiscard]] std::optional<client::AccountOptions> account_options(
    const ConnectOptions& options, const SchemaChoice& schema,
    const client::Credentials& credentials, std::string& problem);

}  // namespace ringway::programs
