// proto and check: what needs no server.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/log.h"
#include "base/small_file.h"
#include "client/account/credentials.h"
#include "crypto/passphrase.h"
#include "programs/proxy/commands.h"
#include "proxy/own_protos.h"
#include "proxy/tokens.h"
#include "tl/proto_text.h"

namespace ringway::programs {
namespace {

constexpr std::string_view kTypesFile = "types.tl.proto";
constexpr size_t kCheckedFileBytesMax = 16 << 20;

struct ProtoOptions {
  SchemaOptions schema;
  std::string folder = ".";
  std::string types_file = std::string(kTypesFile);
};

// The texts name the file that has the types.
std::string renamed(std::string text, const std::string& types_file) {
  const size_t at = text.find(kTypesFile);
  if (at != std::string::npos) text.replace(at, kTypesFile.size(), types_file);
  return text;
}

int write_proto(const ProtoOptions& options) {
  std::string problem;
  const auto schema = choose_schema(options.schema, problem);
  if (!schema.has_value()) return fail(kBadConfiguration, problem);
  std::error_code failure;
  std::filesystem::create_directories(options.folder, failure);
  if (failure) {
    return fail(kFailed, fmt::format("cannot make {}: {}", options.folder, failure.message()));
  }
  const std::pair<std::string, std::string> files[] = {
      {options.types_file, tl::types_proto_text(*schema->contract)},
      {"tl_update.proto", renamed(tl::updates_proto_text(*schema->contract), options.types_file)},
      {"ringway_proxy.proto", proxy::updates_service_proto()},
  };
  for (const auto& [name, text] : files) {
    const std::string path = options.folder + "/" + name;
    if (!replace_small_file(path, as_bytes(text), 0644, problem).ok())
      return fail(kFailed, problem);
    fmt::print("{}\n", path);
  }
  return 0;
}

struct CheckOptions {
  std::string file;
  ConnectOptions connect;
};

int check_credentials(const CheckOptions& options) {
  std::string problem;
  auto passphrase = read_passphrase(options.connect, problem);
  if (!passphrase.has_value()) return fail(kBadConfiguration, problem);
  const auto store = client::CredentialsStore::open(options.file, *std::move(passphrase), problem);
  if (store == nullptr) return fail(kFailed, problem);
  const auto credentials = store->load(problem);
  if (!credentials.ok()) return fail(kFailed, problem);
  const client::AccountState& account = credentials->account;
  fmt::print(
      "{}: credentials of api_id {}, {} at {}:{}, {}\n", options.file, credentials->api_id,
      account.main_dc == 0 ? "a DC that is not named" : fmt::format("DC {}", account.main_dc),
      account.host, account.port,
      account.keys.empty()     ? "without a key"
      : account.user_id() != 0 ? fmt::format("user {}", account.user_id())
                               : "with a key");
  return 0;
}

int check_schema(const CheckOptions& options) {
  std::string problem;
  SchemaOptions schema_options;
  schema_options.layer = options.file;
  const auto schema = choose_schema(schema_options, problem);
  if (!schema.has_value()) return fail(kFailed, problem);
  fmt::print("{}: layer {}, {} constructors, {} methods\n", options.file, schema->number,
             schema->schema->constructor_count, schema->schema->method_count());
  return 0;
}

int check_tokens(const CheckOptions& options) {
  const auto made = proxy::Tokens::load(options.file);
  for (const std::string& error : made.errors) fail(kFailed, error);
  if (made.tokens == nullptr) return kFailed;
  fmt::print("{}: {} tokens\n", options.file, made.tokens->size());
  return 0;
}

// By what is in it: a schema is a file of its own suffix, credentials are JSON or sealed.
int check(const CheckOptions& options) {
  if (options.file.ends_with(".tl")) return check_schema(options);
  std::string problem;
  auto bytes = read_small_file(options.file, kCheckedFileBytesMax, FileAccess::kAny, problem);
  if (!bytes.ok()) return fail(kFailed, problem);
  const bool is_json = !bytes->empty() && bytes->front() == '{';
  const bool is_sealed = crypto::is_passphrase_sealed(*bytes);
  cleanse(bytes->data(), bytes->size());
  return is_json || is_sealed ? check_credentials(options) : check_tokens(options);
}

}  // namespace

Command declare_proto(CLI::App& app) {
  auto options = std::make_shared<ProtoOptions>();
  declare_schema(app, options->schema);
  app.add_option("--out", options->folder,
                 "folder to write the messages and methods, tl_update.proto (the stream of updates "
                 "that mtprotod had) and ringway_proxy.proto (the stream that can be resumed) to")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option(
         "--types-file", options->types_file,
         "name of the file of messages and methods; for Python a name with one dot, tl.proto")
      ->capture_default_str();
  return [options] { return write_proto(*options); };
}

Command declare_check(CLI::App& app) {
  auto options = std::make_shared<CheckOptions>();
  app.add_option("FILE", options->file, "a .tl schema, a credentials file, or a token file")
      ->required();
  app.add_option("--passphrase-file", options->connect.passphrase_file,
                 "of sealed credentials: the passphrase (or: RINGWAY_PASSPHRASE)")
      ->type_name("FILE");
  return [options] { return check(*options); };
}

int fail(int status, const std::string& text) {
  log_flush();
  fmt::print(stderr, "ringway-proxy: {}\n", text);
  return status;
}

}  // namespace ringway::programs
