// ringway: the gateway. Parses the command line and the config, builds every object, runs, drains.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_reopen.h"
#include "config/config.h"
#include "config/explain.h"
#include "config/loader.h"
#include "crypto/kernel.h"
#include "gateway/cores.h"
#include "gateway/gateway.h"
#include "metrics/endpoint.h"
#include "programs/server_key.h"
#include "programs/service_manager.h"
#include "programs/stat_log.h"
#include "shard/shard.h"

namespace {

using namespace ringway;  // NOLINT(google-build-using-namespace): the one file that joins the rooms

struct CommandLine {
  std::string config_file;
  std::string data_dir = "./ringway-data";
  bool standalone = false;
  bool load_methods = false;
  bool messenger = false;
  std::string messenger_users;
  std::string messenger_code;
  bool check_config = false;
  bool explain_config = false;
};

constexpr int kExitUsage = 2;
constexpr int64_t kShardGraceNs = 2 * kNsPerSecond;
constexpr int64_t kStatLogNs = 60 * kNsPerSecond;

// Signals are taken by sigtimedwait() on the main thread; every other thread inherits the mask.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

void log_counters(const gateway::Gateway& gateway) {
  std::string line;
  for (const auto& [name, value] : gateway.counters()) line += fmt::format(" {}={}", name, value);
  const gateway::GatewayStatus status = gateway.status();
  line += fmt::format(" shards_known={}", status.shards_known);
  if (status.etcd_discovery_up)
    line += fmt::format(" etcd_discovery_up={:d}", *status.etcd_discovery_up);
  if (status.etcd_registered) line += fmt::format(" etcd_registered={:d}", *status.etcd_registered);
  log_info("main", "counters:{}", line);
}

void reload_certificates(gateway::Gateway& gateway) {
  size_t reloaded = 0;
  if (const std::string error = gateway.reload_certificates(reloaded); !error.empty()) {
    log_error("main", "SIGHUP: certificates stay as they were: {}", error);
  } else if (reloaded > 0) {
    log_info("main", "SIGHUP: the certificates of {} listeners were read anew", reloaded);
  }
}

// Returns at the first SIGINT or SIGTERM; SIGUSR1 logs the counters, SIGHUP opens the log file
// anew and reads certificates. Meanwhile `stat`, if any, gets its minute.
void wait_for_end(const sigset_t& set, gateway::Gateway& gateway, programs::StatLog* stat) {
  int64_t stat_at_ns = read_clocks().mono_ns + kStatLogNs;
  for (;;) {
    const int64_t left_ns = std::max<int64_t>(stat_at_ns - read_clocks().mono_ns, 0);
    const timespec wait{left_ns / kNsPerSecond, left_ns % kNsPerSecond};
    const int received = sigtimedwait(&set, nullptr, &wait);
    if (received == SIGUSR1) log_counters(gateway);
    if (received == SIGHUP) {
      programs::tell_reloading();
      log_reopen();
      log_info("main", "SIGHUP: the log file, if there is one, was opened anew");
      reload_certificates(gateway);
      programs::tell_ready();
    }
    if (received == SIGINT || received == SIGTERM) return;
    if (read_clocks().mono_ns < stat_at_ns) continue;
    stat_at_ns += kStatLogNs;
    if (stat != nullptr) stat->write(gateway.status());
  }
}

// From now on a second signal ends the process at once.
void let_second_signal_kill() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// The machine has the last word on what the file asks for.
void check_machine(config::LoadOutcome& outcome) {
  outcome.errors = config::check_cores(outcome, gateway::online_cores());
  const std::string_view name = config::to_string(outcome.config.crypto.kernel);
  if (crypto::use_kernel(name)) return;
  outcome.errors.push_back(fmt::format("{}: this processor runs {}, and not {}",
                                       config::place_of(outcome, "Ringway.Crypto.Kernel"),
                                       crypto::kernels_here(), name));
}

// Prints what is wrong.
config::LoadOutcome load_config(const CommandLine& line) {
  config::LoadOutcome outcome =
      line.config_file.empty() ? config::load_text("", "") : config::load_file(line.config_file);
  if (outcome.ok()) check_machine(outcome);
  for (const std::string& warning : outcome.warnings) fmt::print(stderr, "warning: {}\n", warning);
  for (const std::string& error : outcome.errors) fmt::print(stderr, "error: {}\n", error);
  return outcome;
}

void print_values(const config::LoadOutcome& outcome) {
  fmt::print("{}", config::values_text(outcome));
  for (const std::string& key : outcome.config.without_effect) {
    fmt::print("no effect: {}\n", key);
  }
  fmt::print("the configuration is good\n");
}

void print_explanation(const config::LoadOutcome& outcome) {
  config::Machine machine;
  machine.allowed_cores = gateway::allowed_cores();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) machine.open_files = files.rlim_max;
  machine.crypto_kernel = crypto::aes_kernel_name();
  fmt::print("{}", config::explain(outcome, machine));
}

// Each of them by its place in the file, where that is known: "FILE:LINE: KEY".
std::string places_without_effect(const config::LoadOutcome& outcome) {
  std::vector<std::string> places;
  for (const std::string& text : outcome.config.without_effect) {
    const std::string key = text.substr(0, text.find(" ("));
    places.push_back(config::place_of(outcome, key) + text.substr(key.size()));
  }
  return fmt::format("{}", fmt::join(places, ", "));
}

void log_start(const config::LoadOutcome& outcome) {
  const config::Config& config = outcome.config;
  log_info("main", "ringway {} starting", RINGWAY_VERSION);
  log_info("main", "crypto kernels: {} for AES, {} for SHA-256", crypto::aes_kernel_name(),
           crypto::sha_kernel_name());
  if (!config.without_effect.empty()) {
    log_warning("main", "these keys have no effect: {}", places_without_effect(outcome));
  }
}

// Starts the shard on a free port and points the config at it and at nothing else: a demonstration
// has no place in a cluster's etcd. Empty, or what went wrong.
std::string start_shard(const CommandLine& line, config::Config& config,
                        shard::ReferenceShard& embedded) {
  shard::ShardOptions options;
  options.data_dir = line.data_dir;
  options.push_echo = options.load_tally = line.load_methods;
  options.messenger = line.messenger;
  options.messenger_users = line.messenger_users;
  options.messenger_code = line.messenger_code;
  if (!config.listeners.empty()) {
    // What help.getConfig tells clients to connect to. A wildcard tells nothing: loopback then.
    const auto numeric =
        std::find_if(config.listeners.begin(), config.listeners.end(),
                     [](const config::Listener& listener) { return listener.address.port != 0; });
    const config::Endpoint& address =
        numeric == config.listeners.end() ? config.listeners.front().address : numeric->address;
    const bool wildcard = address.host.empty() || address.host == "0.0.0.0" || address.host == "::";
    if (!wildcard) options.public_host = address.host;
    options.public_port = address.port;
  }
  // Its threads are gRPC's as well.
  const gateway::RunOn here(config::grpc_cores(config, gateway::allowed_cores()));
  if (std::string error = embedded.start(options); !error.empty()) return error;
  config.session.endpoints = {fmt::format("127.0.0.1:{}", embedded.port())};
  config.session.target.clear();
  config.session.etcd = {};
  config.etcd = {};
  return "";
}

// Null where the file does not ask for it, and when it cannot start: `error` then says why.
std::unique_ptr<metrics::Endpoint> start_endpoint(const config::LoadOutcome& loaded,
                                                  const std::vector<int>& cores,
                                                  std::string& error) {
  if (!loaded.config.prometheus.enabled()) return nullptr;
  const gateway::RunOn here(cores);
  return metrics::Endpoint::start(loaded.config.prometheus,
                                  config::place_of(loaded, "Prometheus.Host"),
                                  {RINGWAY_VERSION, std::string(crypto::aes_kernel_name()),
                                   std::string(crypto::sha_kernel_name())},
                                  error);
}

// Empty, or what is wrong.
std::string start_log(const config::Config& config, const std::vector<int>& cores) {
  const gateway::RunOn here(cores);
  return log_setup(config::log_options(config));
}

int run(const CommandLine& line) {
  const config::LoadOutcome loaded = load_config(line);
  if (!loaded.ok()) return kExitUsage;
  if (line.explain_config) print_explanation(loaded);
  if (line.check_config) print_values(loaded);
  if (line.explain_config || line.check_config) return EXIT_SUCCESS;
  config::Config config = loaded.config;
  std::string error;
  std::vector<net::InheritedSocket> inherited = programs::take_inherited_sockets(error);
  if (!error.empty()) {
    fmt::print(stderr, "error: {}\n", error);
    return EXIT_FAILURE;
  }
  // First, because the log's thread inherits the mask too.
  const sigset_t signals = block_signals();
  // Where the threads of the log and of the metrics take nothing from the workers.
  const std::vector<int> spare_cores = config::grpc_cores(config, gateway::allowed_cores());
  error = start_log(config, spare_cores);
  if (!error.empty()) {
    fmt::print(stderr, "error: {}: {}\n", config::place_of(loaded, "Log.Path"), error);
    return EXIT_FAILURE;
  }
  umask(0077);
  log_start(loaded);

  programs::ServerKeys keys = programs::load_server_keys(config, line.data_dir);
  if (!keys.error.empty()) {
    log_error("main", "{}", keys.error);
    return EXIT_FAILURE;
  }
  for (const gateway::GatewayKey& key : keys.keys) {
    log_info("main", "server key fingerprint {} (0x{:016x})", key.fingerprint, key.fingerprint);
  }
  if (!keys.public_key_file.empty()) log_info("main", "public key in {}", keys.public_key_file);

  shard::ReferenceShard embedded;
  if (line.standalone) {
    error = start_shard(line, config, embedded);
    if (!error.empty()) {
      log_error("main", "the embedded shard cannot start: {}", error);
      return EXIT_FAILURE;
    }
    log_info("main", "embedded reference shard on {}", config.session.endpoints.front());
  }

  const auto endpoint = start_endpoint(loaded, spare_cores, error);
  if (!error.empty()) {
    log_error("main", "{}", error);
    return EXIT_FAILURE;
  }

  gateway::GatewayOptions options;
  options.config = config;
  options.keys = std::move(keys.keys);
  options.inherited = std::move(inherited);
  auto gateway = gateway::Gateway::start(std::move(options), error);
  if (gateway == nullptr) {
    log_error("main", "{}", error);
    return EXIT_FAILURE;
  }
  if (endpoint != nullptr) endpoint->attach([&gateway] { return gateway->status(); });
  log_info("main", "ready: clients on {}, shards call port {}",
           fmt::join(gateway->addresses(), ", "), gateway->service_port());
  programs::tell_ready();

  programs::StatLog stat;
  wait_for_end(signals, *gateway, config.log.stat ? &stat : nullptr);
  let_second_signal_kill();
  programs::tell_stopping();
  log_info("main", "stopping: no new connections, delivering what was taken over");
  const bool drained = gateway->drain();
  log_counters(*gateway);
  if (endpoint != nullptr) endpoint->detach();
  gateway.reset();
  if (line.standalone) embedded.shutdown(kShardGraceNs);
  log_info("main", "stopped");
  return drained ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "ringway: an edge gateway for MTProto. Accepts clients, makes their keys, opens their "
      "messages and "
      "hands them to session shards over gRPC.\n"
      "Signals: SIGTERM and SIGINT stop it gracefully, a second one at once; SIGUSR1 logs the "
      "counters, SIGHUP opens the log file anew and reads certificates anew."};
  CommandLine line;
  app.add_option("-f,--file", line.config_file,
                 "configuration file (YAML); without it, built-in defaults")
      ->type_name("FILE");
  app.add_option("--data", line.data_dir,
                 "directory of the server key and, with --standalone, of the key store")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--standalone", line.standalone,
               "host the reference session shard in this process: needs no other server");
  app.add_flag(
      "--load-methods", line.load_methods,
      "with --standalone, for load runs: the shard echoes and counts ringway-load's messages");
  app.add_flag("--messenger", line.messenger,
               "with --standalone: the shard has users, who sign in and send each other texts");
  app.add_option("--messenger-users", line.messenger_users,
                 "with --messenger: a file of users to have (docs/MESSENGER.md)")
      ->type_name("FILE");
  app.add_option("--messenger-code", line.messenger_code,
                 "with --messenger, for tests: every sign-in code; without it, the log has them")
      ->type_name("DIGITS");
  app.add_flag("--check-config", line.check_config, "check the configuration, print it, and exit");
  app.add_flag("--explain-config", line.explain_config,
               "print every key with its value in effect, where the value comes from and what it "
               "trades, and exit");
  app.set_version_flag("--version", std::string("ringway ") + RINGWAY_VERSION);
  CLI11_PARSE(app, argc, argv);
  const int status = run(line);
  log_flush();
  return status;
}
