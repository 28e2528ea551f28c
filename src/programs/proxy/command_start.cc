// start and login: signing in, and serving.
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>

#include "base/log.h"
#include "client/account/user_updates.h"
#include "programs/proxy/commands.h"
#include "programs/proxy/open_session.h"
#include "proxy/journal.h"
#include "proxy/server.h"

namespace ringway::programs {
namespace {

constexpr int64_t kShowNs = kNsPerSecond;  // between two looks at an account, for the metrics
constexpr const char* kFirstSession = "main";

struct StartOptions {
  ConnectOptions connect;
  int port = -1;
  std::string secrets;
  std::vector<std::string> sessions;  // NAME=FILE
  std::string listen = "127.0.0.1";
  std::string token_file;
  proxy::ServerOptions server;
  std::string log_level = "info";
};

LogLevel log_level_of(const std::string& name) {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kWarning, LogLevel::kError}) {
    if (name == to_string(level)) return level;
  }
  return LogLevel::kInfo;
}

void exit_at_once(int /*signal*/) { _exit(kFailed); }

// A session with its updates. The engine lives on the loop's thread.
class ServedSession {
 public:
  ServedSession(std::string name, client::LoopThread& thread, OpenSession open);
  ~ServedSession();
  ServedSession(const ServedSession&) = delete;
  ServedSession& operator=(const ServedSession&) = delete;

  [[nodiscard]] proxy::SessionSetup setup();
  // What the metrics say of the account is looked up from now on; `server` must outlive
  // stop_showing().
  void show(proxy::Server& server, size_t session);
  void stop_showing();

 private:
  void show_now();

  proxy::Server* server_ = nullptr;  // loop's thread, as the two below
  size_t number_ = 0;
  client::EventLoop::TimerId show_timer_ = 0;
  std::string name_;
  client::LoopThread& thread_;
  OpenSession open_;
  proxy::Journal journal_;
  std::unique_ptr<client::UserUpdates> updates_;
};

ServedSession::ServedSession(std::string name, client::LoopThread& thread, OpenSession open)
    : name_(std::move(name)),
      thread_(thread),
      open_(std::move(open)),
      journal_(open_.schema.contract) {
  if (!client::UpdatesEngine::supports(*open_.schema.layer)) {
    log_warning("proxy",
                "{}: the schema has no updates.getState, updates.getDifference or "
                "updates.getChannelDifference: there will be no updates",
                name_);
    return;
  }
  client::StoredAccount& account = *open_.account;
  client::UserUpdatesOptions options;
  options.layer = open_.schema.layer;
  options.name = name_;
  options.store_period_ns = account.updates_period_ns();
  thread.run([&] {
    updates_ = std::make_unique<client::UserUpdates>(
        thread.loop(), account.account(), journal_,
        [&account](Bytes state) { account.store_updates(std::move(state)); }, std::move(options));
    updates_->begin(open_.user.user_id, open_.user.is_bot, account.first_credentials().updates);
  });
  client::StoredAccount::Watcher watcher;
  watcher.on_updates = [this](ByteView tl, ByteView call) { updates_->on_updates(tl, call); };
  watcher.on_affected = watcher.on_updates;
  watcher.on_gap = [this] { updates_->on_gap(); };
  watcher.on_user = [this](int64_t user_id) { updates_->on_user(user_id); };
  account.watch(std::move(watcher));
}

ServedSession::~ServedSession() {
  open_.account->watch({});
  thread_.run([this] {
    if (updates_ != nullptr) updates_->stop();
  });
  // It tells nobody of the calls that it still has.
  open_.account.reset();
  thread_.run([this] { updates_.reset(); });
}

proxy::SessionSetup ServedSession::setup() {
  proxy::SessionSetup setup;
  setup.name = name_;
  setup.layer = open_.schema.number;
  setup.contract = open_.schema.contract;
  setup.calls = &open_.account->account();
  setup.journal = &journal_;
  return setup;
}

void ServedSession::show(proxy::Server& server, size_t session) {
  thread_.run([&] {
    server_ = &server;
    number_ = session;
    show_now();
  });
}

void ServedSession::show_now() {
  const client::Account& account = open_.account->account();
  proxy::AccountStatus status;
  status.ready = account.condition() == client::Condition::kSignedIn;
  status.reason = account.problem();
  status.counts = account.counts();
  server_->set_account_status(number_, std::move(status));
  show_timer_ = thread_.loop().at(thread_.loop().now().mono_ns + kShowNs, [this] { show_now(); });
}

void ServedSession::stop_showing() {
  thread_.run([this] { thread_.loop().cancel(show_timer_); });
}

class Daemon {
 public:
  explicit Daemon(StartOptions& options) : options_(options) {}
  int run();

 private:
  bool read_options(int& status);
  std::string read_sessions();  // what is wrong with them
  bool load_tokens();
  bool prepare_sessions();
  bool open_sessions(int& status);
  void serve_until_signal();
  void read_anew();

  StartOptions& options_;
  std::vector<std::pair<std::string, std::string>> files_;  // name, path
  std::vector<PreparedSession> prepared_;                   // in the order of files_
  sigset_t signals_{};
  std::unique_ptr<client::LoopThread> thread_;
  std::vector<std::unique_ptr<ServedSession>> sessions_;
  std::unique_ptr<proxy::Server> server_;
};

bool Daemon::read_options(int& status) {
  if (options_.port < 0 || options_.secrets.empty()) {
    fmt::print(stderr,
               "--port, --secrets are required\nUsage: ringway-proxy start --port PORT "
               "--secrets FILE [OPTIONS]; see ringway-proxy start --help\n");
    status = kFailed;
    return false;
  }
  status = kBadConfiguration;
  if (std::string wrong = read_sessions(); !wrong.empty()) {
    fail(kBadConfiguration, wrong);
    return false;
  }
  const bool is_v6 = options_.listen.find(':') != std::string::npos && options_.listen[0] != '[';
  options_.server.listen = is_v6 ? fmt::format("[{}]:{}", options_.listen, options_.port)
                                 : fmt::format("{}:{}", options_.listen, options_.port);
  if (!options_.token_file.empty() && !load_tokens()) return false;
  // Before anybody is asked for a code.
  if (const std::string wrong = proxy::Server::check(options_.server); !wrong.empty()) {
    fail(kBadConfiguration, wrong);
    return false;
  }
  status = 0;
  return true;
}

std::string Daemon::read_sessions() {
  files_.emplace_back(kFirstSession, options_.secrets);
  for (const std::string& session : options_.sessions) {
    const size_t equals = session.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == session.size()) {
      return fmt::format("--session {}: expected NAME=FILE", session);
    }
    const std::string name = session.substr(0, equals);
    if (!proxy::is_plain_name(name)) {
      return fmt::format(
          "--session {}: a session's name has at most {} letters, digits, '.', '_' and '-'",
          session, proxy::kTokenNameBytesMax);
    }
    for (const auto& [other, path] : files_) {
      if (other != name) continue;
      return fmt::format("--session {}: {} is called {} already: take another name", session, path,
                         name);
    }
    files_.emplace_back(name, session.substr(equals + 1));
  }
  return {};
}

bool Daemon::load_tokens() {
  auto made = proxy::Tokens::load(options_.token_file);
  for (const std::string& error : made.errors) fail(kBadConfiguration, "--token-file: " + error);
  if (made.tokens == nullptr) return false;
  options_.server.tokens = std::move(made.tokens);
  return true;
}

// All of them before the first one signs in: who has typed a code has not done so in vain.
bool Daemon::prepare_sessions() {
  for (const auto& [name, path] : files_) {
    std::string problem;
    auto prepared = prepare_session(options_.connect, path, problem);
    if (!prepared.has_value()) {
      fail(kBadConfiguration, problem);
      return false;
    }
    prepared_.push_back(*std::move(prepared));
  }
  return true;
}

bool Daemon::open_sessions(int& status) {
  for (size_t i = 0; i < files_.size(); ++i) {
    const auto& [name, path] = files_[i];
    auto session = open_session(*thread_, options_.connect, std::move(prepared_[i]), status);
    if (!session.has_value()) return false;
    log_info("proxy", "{}: signed in, layer {}", path, session->schema.number);
    sessions_.push_back(std::make_unique<ServedSession>(name, *thread_, *std::move(session)));
  }
  prepared_.clear();
  return true;
}

// Each stays as it was when there is something wrong with it.
void Daemon::read_anew() {
  if (!options_.token_file.empty()) {
    if (load_tokens()) {
      server_->set_tokens(options_.server.tokens);
      log_info("proxy", "{} tokens in {}", options_.server.tokens->size(), options_.token_file);
    } else {
      log_error("proxy", "the tokens stay as they were");
    }
  }
  if (options_.server.tls_certificate_file.empty()) return;
  const std::string wrong = server_->reload_tls();
  if (wrong.empty()) {
    log_info("proxy", "new connections get the certificate that is in {} now",
             options_.server.tls_certificate_file);
  } else {
    log_error("proxy", "the certificate stays as it was: {}", wrong);
  }
}

// SIGHUP reads tokens and certificate again; SIGINT and SIGTERM end it, and another one does so at
// once.
void Daemon::serve_until_signal() {
  int signal = SIGHUP;
  while (signal == SIGHUP) {
    sigwait(&signals_, &signal);
    if (signal == SIGHUP) read_anew();
  }
  std::signal(SIGINT, exit_at_once);
  std::signal(SIGTERM, exit_at_once);
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

int Daemon::run() {
  // Blocked in every thread, so that only this one sees them.
  sigset_t ending;
  sigemptyset(&ending);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&ending, signal);
  signals_ = ending;
  sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  int status = 0;
  if (!read_options(status)) return status;
  LogOptions log;
  log.level = log_level_of(options_.log_level);
  std::string problem = log_setup(log);
  if (!problem.empty()) return fail(kFailed, problem);
  if (!prepare_sessions()) return kBadConfiguration;
  thread_ = client::LoopThread::start(problem);
  if (thread_ == nullptr) return fail(kFailed, problem);
  // Until it serves, these end it: somebody may sit at the prompt for the code. SIGHUP waits.
  pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
  if (!open_sessions(status)) return status;
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::vector<proxy::SessionSetup> setups;
  for (const auto& session : sessions_) setups.push_back(session->setup());
  server_ = proxy::Server::start(options_.server, thread_->loop(), std::move(setups), problem);
  if (server_ == nullptr) return fail(kFailed, problem);
  for (size_t i = 0; i < sessions_.size(); ++i) sessions_[i]->show(*server_, i);
  fmt::print("listening on port {}\n", server_->port());
  std::fflush(stdout);
  serve_until_signal();
  log_info("proxy", "stopping");
  server_->stop();
  for (const auto& session : sessions_) session->stop_showing();
  // Its calls are over; the accounts are stored and let go of on the loop, which ends after them.
  sessions_.clear();
  thread_.reset();
  server_.reset();
  return 0;
}

int login(StartOptions& options) {
  std::string problem;
  const auto thread = client::LoopThread::start(problem);
  if (thread == nullptr) return fail(kFailed, problem);
  int status = 0;
  auto session = open_session(*thread, options.connect, options.secrets, status);
  if (!session.has_value()) return status;
  fmt::print("Signed in as \"{}\"\n{} is written.\n", session->user.first_name, options.secrets);
  return 0;
}

}  // namespace

Command declare_start(CLI::App& app) {
  auto options = std::make_shared<StartOptions>();
  app.add_option("--port", options->port, "port to serve gRPC on; 0 takes a free one")
      ->envname("PORT")
      ->check(CLI::Range(0, 65535));
  app.add_option("--secrets", options->secrets,
                 "the credentials file; when it does not exist, a sign-in makes it")
      ->envname("SECRETS")
      ->type_name("FILE");
  app.add_option("--session", options->sessions,
                 "a further sign-in, NAME=FILE; callers choose one by the metadata "
                 "x-ringway-session. Repeatable; the one of --secrets is named main")
      ->type_name("NAME=FILE");
  declare_schema(app, options->connect.schema);
  declare_server(app, options->connect);
  declare_sign_in(app, options->connect);
  app.add_option("--listen", options->listen,
                 "address to serve on; any other than loopback needs TLS and tokens, or --insecure")
      ->capture_default_str()
      ->group("Callers");
  app.add_option("--tls-cert", options->server.tls_certificate_file,
                 "certificate chain, PEM; SIGHUP reads it and its key again")
      ->type_name("FILE")
      ->group("Callers");
  app.add_option("--tls-key", options->server.tls_key_file, "its private key, PEM")
      ->type_name("FILE")
      ->group("Callers");
  app.add_option("--token-file", options->token_file,
                 "who may call: TOKEN NAME [allow=GLOBS] [deny=GLOBS] [sessions=NAMES] a line; "
                 "SIGHUP reads it again")
      ->type_name("FILE")
      ->group("Callers");
  app.add_flag("--insecure", options->server.insecure, "serve anybody who can reach the address")
      ->group("Callers");
  app.add_option("--metrics", options->server.metrics_listen,
                 "HOST:PORT of /metrics and /healthz (else: none)");
  app.add_option("--log-level", options->log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  return [options] { return Daemon(*options).run(); };
}

Command declare_login(CLI::App& app) {
  auto options = std::make_shared<StartOptions>();
  app.add_option("--secrets", options->secrets, "the credentials file to make")
      ->envname("SECRETS")
      ->type_name("FILE")
      ->required();
  declare_schema(app, options->connect.schema);
  declare_server(app, options->connect);
  declare_sign_in(app, options->connect);
  return [options] { return login(*options); };
}

}  // namespace ringway::programs
