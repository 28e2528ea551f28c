#include "programs/proxy/open_session.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "client/account/known_servers.h"
#include "programs/proxy/commands.h"
#include "programs/proxy/terminal.h"

namespace ringway::programs {
namespace {

// What a sign-in that is not stored yet begins with.
bool begin_credentials(const ConnectOptions& options, const std::string& path,
                       client::Credentials& credentials, std::string& problem) {
  const bool has_way = !options.phone.empty() || options.bot || options.qr;
  if (options.api_id == 0 || options.api_hash.empty() || !has_way) {
    problem = fmt::format(
        "{} does not exist: to sign in, give --apiid, --apihash, and --phone (or --bot, or --qr)",
        path);
    return false;
  }
  credentials.phone = options.phone;
  credentials.api_id = options.api_id;
  credentials.api_hash = options.api_hash;
  return true;
}

// What a sign-in will take of this machine.
bool can_sign_in(const ConnectOptions& options, std::string& problem) {
  if (options.bot && std::getenv("RINGWAY_BOT_TOKEN") == nullptr) {
    problem = "--bot: RINGWAY_BOT_TOKEN has no token";
    return false;
  }
  if (!options.password_file.empty() && !read_secret_line(options.password_file, problem)) {
    problem = "--password-file: " + problem;
    return false;
  }
  if (options.code_file.empty()) return true;
  // The file itself comes later.
  const auto folder = std::filesystem::absolute(options.code_file).parent_path();
  std::error_code failure;
  if (std::filesystem::is_directory(folder, failure)) return true;
  problem = fmt::format("--code-file {}: there is no folder {}: make it, or name another one",
                        options.code_file, folder.string());
  return false;
}

// Empty, or what prevented it.
std::string sign_in(const ConnectOptions& options, OpenSession& session) {
  client::StoredAccount& account = *session.account;
  const client::Credentials& stored = account.first_credentials();
  client::SignInOptions how{stored.api_id, stored.api_hash, options.phone, "", options.qr};
  if (options.bot) {
    const char* token = std::getenv("RINGWAY_BOT_TOKEN");
    if (token == nullptr) return "--bot: RINGWAY_BOT_TOKEN has no token";
    how.bot_token = token;
  } else if (how.phone.empty() && !how.qr) {
    how.phone = stored.phone;
    if (how.phone.empty()) return "nobody is signed in: give --phone (or --bot, or --qr)";
  }
  const auto prompts =
      terminal_prompts(options, [&account](int64_t seconds) { account.wait_login_token(seconds); });
  auto outcome = account.sign_in(how, prompts);
  if (auto* problem = std::get_if<std::string>(&outcome)) return std::move(*problem);
  session.user = std::get<client::SignedIn>(std::move(outcome));
  return "";
}

}  // namespace

std::optional<PreparedSession> prepare_session(const ConnectOptions& options,
                                               const std::string& path, std::string& problem) {
  PreparedSession session;
  session.path = path;
  auto passphrase = read_passphrase(options, problem);
  if (!passphrase.has_value()) return std::nullopt;
  session.store = client::CredentialsStore::open(path, *std::move(passphrase), problem);
  if (session.store == nullptr) return std::nullopt;
  client::Credentials& credentials = session.credentials;
  auto loaded = session.store->load(problem);
  if (loaded.ok()) {
    credentials = *std::move(loaded);
  } else if (loaded.error() != Error::kNotFound ||
             !begin_credentials(options, path, credentials, problem)) {
    return std::nullopt;
  }
  const bool signed_in = credentials.account.user_id() != 0 || credentials.user_unsaid;
  if (!signed_in && !can_sign_in(options, problem)) return std::nullopt;
  SchemaOptions schema_options = options.schema;
  // What the file says holds, unless the command line says something.
  if (schema_options.layer.empty() && credentials.layer != 0) {
    schema_options.layer = std::to_string(credentials.layer);
  }
  auto schema = choose_schema(schema_options, problem);
  if (!schema.has_value()) return std::nullopt;
  session.schema = *std::move(schema);
  credentials.layer = session.schema.number;
  credentials.temporary_keys = credentials.temporary_keys || options.temporary_keys;
  auto account = account_options(options, session.schema, credentials, problem);
  if (!account.has_value()) return std::nullopt;
  client::begin_at(*account, credentials.account);
  session.account = *std::move(account);
  return session;
}

std::optional<OpenSession> open_session(client::LoopThread& thread, const ConnectOptions& options,
                                        PreparedSession prepared, int& status) {
  OpenSession session;
  session.schema = std::move(prepared.schema);
  session.account = std::make_unique<client::StoredAccount>(thread, std::move(prepared.account),
                                                            std::move(prepared.store),
                                                            std::move(prepared.credentials));
  std::string problem = session.account->wait_connected();
  if (problem.empty()) {
    auto user = session.account->who(problem);
    if (user.has_value()) {
      session.user = *std::move(user);
    } else if (problem.empty()) {
      problem = sign_in(options, session);
    }
  }
  if (problem.empty()) return session;
  status = fail(kFailed, fmt::format("{}: {}", prepared.path, problem));
  return std::nullopt;
}

std::optional<OpenSession> open_session(client::LoopThread& thread, const ConnectOptions& options,
                                        const std::string& path, int& status) {
  std::string problem;
  auto prepared = prepare_session(options, path, problem);
  if (prepared.has_value()) return open_session(thread, options, *std::move(prepared), status);
  status = fail(kBadConfiguration, problem);
  return std::nullopt;
}

}  // namespace ringway::programs
