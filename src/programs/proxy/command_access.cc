// access: what a sign-in can reach, chats and contacts with their access hashes, in two files.
#include <fmt/format.h>

#include <memory>

#include "base/small_file.h"
#include "client/account/call_text.h"
#include "programs/proxy/commands.h"
#include "programs/proxy/open_session.h"
#include "tl/to_proto.h"

namespace ringway::programs {
namespace {

using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

struct AccessOptions {
  ConnectOptions connect;
  std::string credentials = "credentials.json";
  std::string chats_file = "chans.acc";
  std::string users_file = "users.acc";
};

class Access {
 public:
  explicit Access(OpenSession& session) : session_(session), layout_(*session.schema.contract) {}

  // Empty, or what went wrong.
  std::string write_chats(const std::string& path);
  std::string write_contacts(const std::string& path);

 private:
  // The answer's TL, or the problem.
  Result<Bytes> ask(const Object& call, std::string& problem);
  std::string write(const std::string& path, std::string_view type, ByteView tl);

  OpenSession& session_;
  tl::Layout layout_;
};

Result<Bytes> Access::ask(const Object& call, std::string& problem) {
  Bytes tl;
  ByteAppender out(tl);
  if (!session_.schema.layer->write_call(call, out)) {
    problem = fmt::format("layer {} has no {}", session_.schema.number, call.name);
    return Error::kNotFound;
  }
  client::CallOutcome outcome = session_.account->calls().call(std::move(tl));
  if (outcome.end == client::CallOutcome::End::kResult) return std::move(outcome.result);
  problem = fmt::format("{}: {}", call.name, describe(outcome));
  return Error::kUnavailable;
}

std::string Access::write(const std::string& path, std::string_view type, ByteView tl) {
  const auto& types = layout_.contract().schema().types;
  const auto found = std::find_if(types.begin(), types.end(),
                                  [type](const tl::Type& one) { return one.name == type; });
  tl::ToProto to_proto(layout_);
  tl::Output proto;
  const auto index = static_cast<uint32_t>(found - types.begin());
  if (found == types.end() || !to_proto.object(index, tl, proto).ok()) {
    return fmt::format("{}: {}", type, describe(layout_.contract(), to_proto.problem()));
  }
  std::string problem;
  static_cast<void>(replace_small_file(path, proto.bytes(), 0600, problem).ok());
  if (problem.empty()) fmt::print("{} is generated\n", path);
  return problem;
}

std::string Access::write_chats(const std::string& path) {
  const tl::dynamic::Layer& layer = *session_.schema.layer;
  std::string problem;
  if (layer.method("messages.getAllChats") != nullptr) {
    const auto chats = ask({"messages.getAllChats", {{"except_ids", List()}}}, problem);
    return chats.ok() ? write(path, "messages.Chats", *chats) : problem;
  }
  // Later layers tell of chats only together with their dialogs.
  const Object call{"messages.getDialogs",
                    {{"offset_peer", Object{"inputPeerEmpty", {}}}, {"limit", 100}}};
  const auto dialogs = ask(call, problem);
  if (!dialogs.ok()) return problem;
  auto answer = layer.read_object(*dialogs);
  const List* chats = answer.ok() ? answer->list("chats") : nullptr;
  if (chats == nullptr) return "messages.getDialogs: the answer has no chats";
  Bytes tl;
  ByteAppender out(tl);
  if (!layer.write("messages.Chats", {"messages.chats", {{"chats", *chats}}}, out)) {
    return fmt::format("layer {} has no messages.chats", layer.number());
  }
  return write(path, "messages.Chats", tl);
}

std::string Access::write_contacts(const std::string& path) {
  std::string problem;
  const auto contacts = ask({"contacts.getContacts", {}}, problem);
  return contacts.ok() ? write(path, "contacts.Contacts", *contacts) : problem;
}

int access(const AccessOptions& options) {
  std::string problem;
  const auto thread = client::LoopThread::start(problem);
  if (thread == nullptr) return fail(kFailed, problem);
  int status = 0;
  auto session = open_session(*thread, options.connect, options.credentials, status);
  if (!session.has_value()) return status;
  Access files(*session);
  problem = files.write_chats(options.chats_file);
  if (problem.empty()) problem = files.write_contacts(options.users_file);
  return problem.empty() ? 0 : fail(kFailed, problem);
}

}  // namespace

Command declare_access(CLI::App& app) {
  auto options = std::make_shared<AccessOptions>();
  app.add_option("--credentials,--secrets", options->credentials, "the credentials file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--chans", options->chats_file, "file for the chats: a TypeMessagesChats")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--users", options->users_file, "file for the contacts: a TypeContactsContacts")
      ->type_name("FILE")
      ->capture_default_str();
  declare_schema(app, options->connect.schema);
  declare_server(app, options->connect);
  declare_sign_in(app, options->connect);
  return [options] { return access(*options); };
}

}  // namespace ringway::programs
