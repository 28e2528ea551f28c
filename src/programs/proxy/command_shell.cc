// shell: calls and updates at the terminal.
#include <fmt/format.h>
#include <histedit.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "base/log.h"
#include "base/small_file.h"
#include "client/account/call_text.h"
#include "crypto/random.h"
#include "programs/proxy/commands.h"
#include "programs/proxy/open_session.h"
#include "proxy/json_text.h"
#include "tl/to_proto.h"

namespace ringway::programs {
namespace {

constexpr int kHistoryLines = 500;
constexpr const char* kPrompt = "$ ";
constexpr const char* kHelp =
    "  dialogs                      the newest dialog\n"
    "  chans                        all chats\n"
    "  contacts                     all contacts\n"
    "  send2c CHANNEL HASH TEXT     send a text to a channel\n"
    "  call METHOD [JSON]           any method, such as: call users.getUsers {\"Id\":"
    "[{\"InputUserSelf\":{}}]}\n"
    "  help, exit\n";

struct ShellOptions {
  ConnectOptions connect;
  std::string secrets;
  std::string log_file = "ss.log";
};

// Lines from the terminal with history and completion, or from whatever standard input is.
class Lines {
 public:
  explicit Lines(std::vector<std::string> words) : words_(std::move(words)) {
    if (::isatty(STDIN_FILENO) == 0) return;
    edit_ = el_init("ringway-proxy", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, kHistoryLines);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(
        edit_, EL_PROMPT, +[](EditLine* /*edit*/) { return const_cast<char*>(kPrompt); });
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_HIST, ::history, history_);
    el_set(edit_, EL_ADDFN, "complete", "complete a method", complete);
    el_set(edit_, EL_BIND, "^I", "complete", nullptr);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() {
    if (edit_ == nullptr) return;
    history_end(history_);
    el_end(edit_);
  }

  // Nothing at the end of the input.
  std::optional<std::string> next() {
    std::string line;
    if (edit_ == nullptr) {
      fmt::print("{}", kPrompt);
      std::fflush(stdout);
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    }
    int count = 0;
    const char* text = el_gets(edit_, &count);
    if (text == nullptr || count <= 0) return std::nullopt;
    line.assign(text, static_cast<size_t>(count));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    HistEvent event;
    if (!line.empty()) ::history(history_, &event, H_ENTER, line.c_str());
    return line;
  }

 private:
  // Puts in what all words that begin like the one at the cursor have in common.
  static unsigned char complete(EditLine* edit, int /*character*/) {
    Lines* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    const LineInfo* info = el_line(edit);
    const char* begin = info->cursor;
    while (begin > info->buffer && begin[-1] != ' ') --begin;
    const std::string_view typed(begin, static_cast<size_t>(info->cursor - begin));
    std::string common;
    bool found = false;
    for (const std::string& word : self->words_) {
      if (!word.starts_with(typed)) continue;
      if (!found) {
        common = word;
      } else {
        size_t same = 0;
        while (same < std::min(common.size(), word.size()) && common[same] == word[same]) ++same;
        common.resize(same);
      }
      found = true;
    }
    if (!found || common.size() <= typed.size()) return CC_ERROR;
    el_insertstr(edit, common.c_str() + typed.size());
    return CC_REFRESH;
  }

  std::vector<std::string> words_;
  EditLine* edit_ = nullptr;  // null: not a terminal
  History* history_ = nullptr;
};

std::vector<std::string> words_to_complete(const tl::Schema& schema) {
  std::vector<std::string> words = {"dialogs", "chans", "contacts", "send2c",
                                    "call",    "help",  "exit"};
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    words.push_back(schema.combinators[i].name);
  }
  return words;
}

void print_update(proxy::JsonText& text, ByteView tl) {
  std::string problem;
  const auto json = text.object(tl, problem);
  const std::time_t now = read_clocks().unix_seconds();
  std::tm local{};
  ::localtime_r(&now, &local);
  char time[32];
  std::strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", &local);
  fmt::print("update({}): {}\n", time, json.ok() ? *json : problem);
  std::fflush(stdout);
}

class Shell {
 public:
  explicit Shell(OpenSession& session)
      : session_(session), layout_(*session.schema.contract), text_(layout_) {}

  void run();

 private:
  // False: it is over.
  bool obey(const std::string& line);
  void call(std::string_view method, const std::string& json);
  void list_chats();
  void send_to_channel(std::istringstream& words);

  OpenSession& session_;
  tl::Layout layout_;
  proxy::JsonText text_;
};

void Shell::call(std::string_view name, const std::string& json) {
  std::string problem;
  const auto method = text_.method(name, problem);
  Bytes tl;
  Result<uint32_t> answered = Error::kInvalidArgument;
  if (method.ok()) answered = text_.to_call(*method, json, tl, problem);
  if (!answered.ok()) {
    fmt::print("{}\n", problem);
    return;
  }
  const client::CallOutcome outcome = session_.account->calls().call(std::move(tl));
  if (outcome.end != client::CallOutcome::End::kResult) {
    fmt::print("error: {} {}\n", outcome.code, describe(outcome));
    return;
  }
  const auto answer = text_.answer(*method, *answered, outcome.result, problem);
  fmt::print("{}\n", answer.ok() ? *answer : problem);
}

void Shell::list_chats() {
  // Later layers have only the dialogs left.
  if (session_.schema.layer->method("messages.getAllChats") != nullptr) {
    call("messages.getAllChats", "{}");
  } else {
    call("messages.getDialogs", R"({"OffsetPeer": {"InputPeerEmpty": {}}, "Limit": 100})");
  }
}

void Shell::send_to_channel(std::istringstream& words) {
  int64_t channel = 0;
  int64_t hash = 0;
  std::string text;
  if (!(words >> channel >> hash) || !std::getline(words >> std::ws, text)) {
    fmt::print("send2c CHANNEL HASH TEXT\n");
    return;
  }
  uint8_t random[8];
  crypto::random_bytes(random);
  nlohmann::json request;
  request["Peer"]["InputPeerChannel"] = {{"ChannelId", channel}, {"AccessHash", hash}};
  request["Message"] = text;
  request["RandomId"] = load_le<int64_t>(random);
  using Json = nlohmann::json;
  call("messages.sendMessage", request.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool Shell::obey(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  if (!(words >> command)) return true;
  if (command == "exit") return false;
  if (command == "help") {
    fmt::print("{}", kHelp);
  } else if (command == "dialogs") {
    call("messages.getDialogs", R"({"OffsetPeer": {"InputPeerEmpty": {}}, "Limit": 1})");
  } else if (command == "chans") {
    list_chats();
  } else if (command == "contacts") {
    call("contacts.getContacts", "{}");
  } else if (command == "send2c") {
    send_to_channel(words);
  } else if (command == "call") {
    std::string method;
    std::string json;
    words >> method;
    std::getline(words >> std::ws, json);
    call(method, json);
  } else {
    fmt::print("Wrong command\n{}", kHelp);
  }
  return true;
}

void Shell::run() {
  // One of its own: updates come on the loop's thread.
  const auto updates_text = std::make_shared<proxy::JsonText>(layout_);
  client::StoredAccount::Watcher watcher;
  watcher.on_updates = [updates_text](ByteView tl, ByteView) { print_update(*updates_text, tl); };
  session_.account->watch(std::move(watcher));
  Lines lines(words_to_complete(*session_.schema.schema));
  while (true) {
    const auto line = lines.next();
    if (!line.has_value() || !obey(*line)) break;
    std::fflush(stdout);
  }
  session_.account->watch({});
}

int shell(const ShellOptions& options) {
  LogOptions log;
  log.file_path = options.log_file;
  std::string problem = log_setup(log);
  if (!problem.empty()) return fail(kFailed, problem);
  const auto thread = client::LoopThread::start(problem);
  if (thread == nullptr) return fail(kFailed, problem);
  int status = 0;
  auto session = open_session(*thread, options.connect, options.secrets, status);
  if (!session.has_value()) return status;
  fmt::print("Signed in as \"{}\"\n", session->user.first_name);
  Shell(*session).run();
  return 0;
}

}  // namespace

Command declare_shell(CLI::App& app) {
  auto options = std::make_shared<ShellOptions>();
  app.add_option("--secrets", options->secrets,
                 "the credentials file; when it does not exist, a sign-in makes it")
      ->envname("SECRETS")
      ->type_name("FILE")
      ->required();
  app.add_option("--log", options->log_file, "where the log goes")
      ->type_name("FILE")
      ->capture_default_str();
  declare_schema(app, options->connect.schema);
  declare_server(app, options->connect);
  declare_sign_in(app, options->connect);
  return [options] { return shell(*options); };
}

}  // namespace ringway::programs
