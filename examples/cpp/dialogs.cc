// Signs in if that is needed, lists dialogs and sends a message to oneself, with libringway-client:
//
//   ringway-proxy proto --layer 71 --types-file tl.proto --out .
//   protoc --cpp_out=. tl.proto
//   c++ -std=c++20 dialogs.cc tl.pb.cc $(pkg-config --cflags --libs ringway-client) -o dialogs
//
//   ./dialogs proxy HOST:PORT                               through a running ringway-proxy
//   ./dialogs server HOST:PORT KEY.pem CREDENTIALS PHONE    over a connection of its own
//
// The calls are the same either way. Layer 71 because it compiles in a minute; 228 takes several,
// and its namespace is mtproto::l228.
#include <ringway/caller.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tl.pb.h"

namespace tl = mtproto;

namespace {

// Asks at the terminal, or takes what the environment has.
std::optional<std::string> ask(const char* variable, const std::string& prompt) {
  if (const char* value = std::getenv(variable); value != nullptr) return value;
  std::cerr << prompt << ": ";
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

std::unique_ptr<ringway::Caller> connect(int argc, char** argv, std::string& problem) {
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "proxy" && argc == 3) {
    ringway::ProxyOptions options;
    options.address = argv[2];
    return ringway::connect_to_proxy(options, problem);
  }
  if (how != "server" || argc != 6) {
    problem = "usage: dialogs proxy HOST:PORT | dialogs server HOST:PORT KEY.pem CREDENTIALS PHONE";
    return nullptr;
  }
  ringway::ServerOptions options;
  options.address = argv[2];
  options.server_key_files = {argv[3]};
  options.credentials_file = argv[4];
  options.layer = 71;
  options.api_id = 1;
  options.api_hash = "none";
  auto server = ringway::connect_to_server(options, problem);
  if (server == nullptr) return nullptr;
  // By the key that is stored, or by a code.
  if (!server->signed_in(problem).has_value() && problem.empty()) {
    ringway::Prompts prompts;
    prompts.code = [](std::string_view how_sent) {
      return ask("RINGWAY_CODE", "code (sent " + std::string(how_sent) + ")");
    };
    prompts.password = [](std::string_view) { return ask("RINGWAY_PASSWORD", "password"); };
    problem = server->sign_in(argv[5], prompts);
  }
  if (!problem.empty()) return nullptr;
  return server;
}

// False, with the reason on standard error.
bool call(ringway::Caller& caller, const google::protobuf::Message& request,
          google::protobuf::Message& answer) {
  const auto error = caller.call(request, answer);
  if (error)
    std::cerr << request.GetTypeName() << ": " << error->code << " " << error->text << "\n";
  return !error;
}

}  // namespace

int main(int argc, char** argv) {
  std::string problem;
  const auto caller = connect(argc, argv, problem);
  if (caller == nullptr) {
    std::cerr << problem << "\n";
    return 1;
  }
  tl::ReqMessagesSendMessage message;
  message.mutable_peer()->mutable_inputpeerself();
  message.set_message("hello from C++");
  std::random_device random;
  message.set_randomid(static_cast<int64_t>(random()) << 32 | random());
  tl::TypeUpdates updates;
  if (!call(*caller, message, updates)) return 1;

  tl::ReqMessagesGetDialogs request;
  request.mutable_offsetpeer()->mutable_inputpeerempty();
  request.set_limit(10);
  tl::TypeMessagesDialogs dialogs;
  if (!call(*caller, request, dialogs)) return 1;
  for (const tl::TypeMessage& top : dialogs.messagesdialogs().messages()) {
    std::cout << "newest message: " << top.message().message() << "\n";
  }
  for (const tl::TypeUser& user : dialogs.messagesdialogs().users()) {
    std::cout << "with: " << user.user().firstname() << "\n";
  }
  return 0;
}
