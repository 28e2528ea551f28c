#include "proxy/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/assert.h"

namespace ringway::proxy {
namespace {

constexpr char kListenPath[] = "/ringway.proxy.v1.Updates/Listen";
constexpr char kCompatListenMethod[] = ".UpdateStreamer/ListenOnUpdates";

using Context = grpc::GenericServerContext;

// Ends a call at once.
class Refusal final : public RpcHandler {
 public:
  Refusal(Rpc& rpc, const grpc::Status& status) { rpc.finish(status); }
  void on_done() override { delete this; }

 private:
  ~Refusal() = default;
};

std::optional<std::string_view> metadata_of(const Context& context, const char* key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  return std::string_view(found->second.data(), found->second.size());
}

// What strangers send stands in an answer only as far as it is harmless there.
std::string shown(std::string_view text) {
  constexpr size_t kShownMax = 100;
  std::string out(text.substr(0, kShownMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

}  // namespace

Service::Service(ServiceRules rules, std::vector<Session*> sessions, const Reflection& reflection,
                 UpdateHub& hub)
    : rules_(std::move(rules)), sessions_(std::move(sessions)), reflection_(reflection), hub_(hub) {
  RW_ASSERT(!sessions_.empty());
}

void Service::set_tokens(std::shared_ptr<const Tokens> tokens) {
  {
    const std::lock_guard lock(mutex_);
    tokens_ = std::move(tokens);
  }
  hub_.judge();
}

std::shared_ptr<const Tokens> Service::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

grpc::Status Service::may_listen(const Caller& caller, const Session& session) {
  const std::shared_ptr<const Tokens> tokens = this->tokens();
  if (tokens == nullptr) return grpc::Status::OK;
  const Client* client = caller.client == nullptr ? nullptr : tokens->successor_of(*caller.client);
  if (client == nullptr) return {grpc::StatusCode::UNAUTHENTICATED, "the token was withdrawn"};
  if (!client->access.allows_method(kListenMethod)) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("{}: not allowed for this caller any more", kListenMethod)};
  }
  if (!client->access.allows_session(session.name())) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("the session {} is not open to this caller any more", session.name())};
  }
  return grpc::Status::OK;
}

RpcHandler& Service::refuse(Rpc& rpc, const grpc::Status& status) {
  count(refused_.ends[static_cast<size_t>(status.error_code())]);
  return *new Refusal(rpc, status);
}

grpc::Status Service::identify(const Context& context, Caller& caller) {
  std::shared_ptr<const Tokens> tokens = this->tokens();
  if (tokens == nullptr) {
    caller.key = context.peer();
    caller.access = &rules_.access;
    return grpc::Status::OK;
  }
  const auto header = metadata_of(context, "authorization");
  if (!header) {
    return {grpc::StatusCode::UNAUTHENTICATED,
            "this proxy wants a token: send the metadata `authorization: Bearer TOKEN`"};
  }
  const Client* client = tokens->find(Tokens::bearer(*header));
  if (client == nullptr) return {grpc::StatusCode::UNAUTHENTICATED, "no such token"};
  caller.key = client->name;
  caller.client = client;
  caller.access = &client->access;
  caller.tokens = std::move(tokens);
  caller.tally = &clients_.of(client->name);
  return grpc::Status::OK;
}

grpc::Status Service::find_session(std::optional<std::string_view> name, const Caller& caller,
                                   Session*& session) {
  session = nullptr;
  for (Session* candidate : sessions_) {
    if (name && candidate->name() != *name) continue;
    // Who names none is given the first that is open to him.
    if (!name && !caller.access->allows_session(candidate->name())) continue;
    session = candidate;
    break;
  }
  if (session == nullptr) {
    if (!name) {
      return {grpc::StatusCode::PERMISSION_DENIED, "no session is open to this caller"};
    }
    return {grpc::StatusCode::NOT_FOUND,
            fmt::format("x-ringway-session: no session is called {}", shown(*name))};
  }
  if (!caller.access->allows_session(session->name())) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("the session {} is not open to this caller", session->name())};
  }
  return grpc::Status::OK;
}

grpc::Status Service::unknown_path(const Session& session, std::string_view path) const {
  constexpr std::string_view kService = ".Mtproto/";
  if (path.ends_with(kCompatListenMethod)) {
    return {grpc::StatusCode::UNIMPLEMENTED,
            fmt::format("session {} speaks layer {}: call /{}{}", session.name(), session.layer(),
                        session.contract().options().updates_package, kCompatListenMethod)};
  }
  const size_t service = path.find(kService);
  const std::string& package = session.contract().options().package;
  if (service == std::string_view::npos || path.front() != '/') {
    return {grpc::StatusCode::UNIMPLEMENTED,
            fmt::format("no such service; the API is {}.Mtproto", package)};
  }
  if (path.substr(1, service - 1) == package) {
    return {grpc::StatusCode::UNIMPLEMENTED,
            fmt::format("layer {} has no method {}", session.layer(),
                        shown(path.substr(service + kService.size())))};
  }
  std::string text =
      fmt::format("session {} speaks layer {}, whose package is {}: call /{}.Mtproto",
                  session.name(), session.layer(), package, package);
  for (const Session* other : sessions_) {
    if (other != &session && other->contract().method_of_path(path)) {
      text += fmt::format("; the metadata x-ringway-session: {} names a session of that package",
                          other->name());
      break;
    }
  }
  return {grpc::StatusCode::UNIMPLEMENTED, text};
}

RpcHandler& Service::accept(Rpc& rpc) {
  const Context& context = rpc.context();
  Caller caller;
  if (const grpc::Status status = identify(context, caller); !status.ok()) {
    return refuse(rpc, status);
  }
  const std::string& path = rpc.path();
  if (Reflection::serves(path)) return reflection_.serve(rpc);
  Session* session = nullptr;
  const auto name = metadata_of(context, "x-ringway-session");
  if (const grpc::Status status = find_session(name, caller, session); !status.ok()) {
    return refuse(rpc, status);
  }
  const tl::Contract& contract = session->contract();
  if (const auto method = contract.method_of_path(path)) {
    return *new Call(rpc, *session, rules_.calls, std::move(caller), *method);
  }
  if (path == kListenPath) {
    return Listener::make(rpc, Stream::kEvents, *session, std::move(caller), *this, hub_);
  }
  if (path == '/' + contract.options().updates_package + kCompatListenMethod) {
    return Listener::make(rpc, Stream::kCompat, *session, std::move(caller), *this, hub_);
  }
  return refuse(rpc, unknown_path(*session, path));
}

}  // namespace ringway::proxy
