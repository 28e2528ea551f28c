// The caller over a connection of its own; see caller.h.
#include <fmt/format.h>

#include "caller/caller.h"
#include "client/account/call_text.h"
#include "client/account/known_servers.h"
#include "client/account/stored_account.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway {
namespace {

class Direct final : public ServerCaller {
 public:
  Direct(std::unique_ptr<client::LoopThread> thread, std::shared_ptr<const tl::Contract> contract,
         client::AccountOptions options, std::unique_ptr<client::CredentialsStore> store,
         client::Credentials credentials)
      : contract_(std::move(contract)),
        layout_(*contract_),
        api_id_(credentials.api_id),
        api_hash_(credentials.api_hash),
        thread_(std::move(thread)),
        account_(*thread_, std::move(options), std::move(store), std::move(credentials)) {}

  [[nodiscard]] client::StoredAccount& account() noexcept { return account_; }

  std::optional<CallError> call(const google::protobuf::Message& request,
                                google::protobuf::Message& answer,
                                std::chrono::milliseconds timeout) override;
  std::optional<std::string> signed_in(std::string& problem) override;
  std::string sign_in(const std::string& phone, const Prompts& prompts) override;

 private:
  std::shared_ptr<const tl::Contract> contract_;
  tl::Layout layout_;
  int32_t api_id_;
  std::string api_hash_;
  std::unique_ptr<client::LoopThread> thread_;
  client::StoredAccount account_;
};

CallError local(std::string text) { return {0, std::move(text), 0}; }

std::optional<CallError> Direct::call(const google::protobuf::Message& request,
                                      google::protobuf::Message& answer,
                                      std::chrono::milliseconds timeout) {
  const auto method = contract_->method_of_request(request.GetDescriptor()->full_name());
  if (!method.has_value()) {
    return local(fmt::format("{} is no request of package {}", request.GetTypeName(),
                             contract_->options().package));
  }
  tl::ToTl to_tl(layout_);
  tl::Output tl;
  const auto answered = to_tl.request(*method, as_bytes(request.SerializeAsString()), tl);
  if (!answered.ok()) return local(describe(*contract_, to_tl.problem(), *method));
  const client::CallOutcome outcome = account_.calls().call(
      Bytes(tl.bytes().begin(), tl.bytes().end()), std::chrono::nanoseconds(timeout).count());
  if (outcome.end != client::CallOutcome::End::kResult) {
    return CallError{outcome.code, describe(outcome),
                     static_cast<int>(outcome.retry_after_seconds)};
  }
  tl::ToProto to_proto(layout_);
  tl::Output proto;
  if (!to_proto.answer(*method, *answered, outcome.result, proto).ok()) {
    return local(describe(*contract_, to_proto.problem(), *method));
  }
  if (!answer.ParseFromArray(proto.bytes().data(), static_cast<int>(proto.size()))) {
    return local(fmt::format("the answer is no {}", answer.GetTypeName()));
  }
  return std::nullopt;
}

std::optional<std::string> Direct::signed_in(std::string& problem) {
  auto user = account_.who(problem);
  if (!user.has_value()) return std::nullopt;
  return std::move(user->first_name);
}

std::string Direct::sign_in(const std::string& phone, const Prompts& prompts) {
  client::SignInPrompts asked;
  asked.code = prompts.code;
  asked.password = [&prompts](std::string_view hint) -> std::optional<SecretString> {
    auto text = prompts.password ? prompts.password(hint) : std::nullopt;
    if (!text.has_value()) return std::nullopt;
    SecretString password(as_bytes(*text));
    cleanse(text->data(), text->size());
    return password;
  };
  asked.notice = [](const std::string&) {};
  auto outcome = account_.sign_in({api_id_, api_hash_, phone, "", false}, asked);
  auto* problem = std::get_if<std::string>(&outcome);
  return problem == nullptr ? std::string() : std::move(*problem);
}

// Null, and which option is wrong.
std::shared_ptr<const tl::Schema> schema_of(const ServerOptions& options, std::string& problem) {
  const auto text = tl::embedded_schema(options.layer);
  if (!text.has_value()) {
    problem = fmt::format("layer {} is not part of the library: 71, 144 or 228", options.layer);
    return nullptr;
  }
  return tl::parse_schema(*text).schema;
}

}  // namespace

std::unique_ptr<ServerCaller> connect_to_server(const ServerOptions& options,
                                                std::string& problem) {
  const auto schema = schema_of(options, problem);
  if (schema == nullptr) return nullptr;
  const auto mode = options.compat ? tl::Mode::kCompat : tl::Mode::kExtended;
  auto made = tl::Contract::make(schema, tl::options_of_layer(options.layer, mode));
  auto store = client::CredentialsStore::open(options.credentials_file,
                                              SecretString(as_bytes(options.passphrase)), problem);
  if (store == nullptr) return nullptr;
  client::Credentials credentials;
  auto loaded = store->load(problem);
  if (loaded.ok()) {
    credentials = *std::move(loaded);
  } else if (loaded.error() != Error::kNotFound) {
    return nullptr;
  } else {
    credentials.api_id = options.api_id;
    credentials.api_hash = options.api_hash;
  }
  credentials.layer = options.layer;
  client::AccountOptions account;
  account.layer = std::make_shared<const tl::dynamic::Layer>(options.layer, schema);
  account.api_id = credentials.api_id;
  account.app_version = RINGWAY_VERSION;
  account.temporary_keys = credentials.temporary_keys;
  client::ServerChoice server{.key_files = options.server_key_files};
  if (!options.address.empty()) server.addresses.push_back(options.address);
  const auto chosen = client::choose_server(server, account, problem);
  if (chosen != client::ServerChoiceEnd::kGood) return nullptr;
  client::begin_at(account, credentials.account);
  auto thread = client::LoopThread::start(problem);
  if (thread == nullptr) return nullptr;
  auto direct =
      std::make_unique<Direct>(std::move(thread), std::move(made.contract), std::move(account),
                               std::move(store), std::move(credentials));
  problem = direct->account().wait_connected();
  if (!problem.empty()) return nullptr;
  return direct;
}

}  // namespace ringway
