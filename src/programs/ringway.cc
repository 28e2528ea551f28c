// ringway: the gateway. Parses the command line and the config, builds every object, runs, drains.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "config/config.h"
#include "config/loader.h"
#include "crypto/kernel.h"
#include "gateway/gateway.h"
#include "programs/server_key.h"
#include "shard/shard.h"

namespace {

using namespace ringway;  // NOLINT(google-build-using-namespace): the one file that joins the rooms

struct CommandLine {
  std::string config_file;
  std::string data_dir = "./ringway-data";
  bool standalone = false;
  bool load_methods = false;
  bool check_config = false;
};

constexpr int kExitUsage = 2;
constexpr int64_t kShardGraceNs = 2 * kNsPerSecond;

// Signals are taken by sigtimedwait() on the main thread; every other thread inherits the mask.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

void log_counters(const gateway::Gateway& gateway) {
  std::string line;
  for (const auto& [name, value] : gateway.counters()) line += fmt::format(" {}={}", name, value);
  for (const auto& [name, value] : gateway.gauges()) line += fmt::format(" {}={}", name, value);
  log_info("main", "counters:{}", line);
}

// Returns at the first SIGINT or SIGTERM; SIGUSR1 logs the counters.
void wait_for_end(const sigset_t& set, const gateway::Gateway& gateway) {
  for (;;) {
    int received = 0;
    if (sigwait(&set, &received) != 0) continue;
    if (received != SIGUSR1) return;
    log_counters(gateway);
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

// The processor has the last word on what the file asks for. Prints what is wrong.
bool use_crypto_kernel(const CommandLine& line, const config::Config& config) {
  const std::string_view name = config::to_string(config.crypto.kernel);
  if (crypto::use_kernel(name)) return true;
  fmt::print(stderr, "error: {}: Ringway.Crypto.Kernel: this processor runs {}, and not {}\n",
             line.config_file, crypto::kernels_here(), name);
  return false;
}

bool load_config(const CommandLine& line, config::Config& config) {
  if (line.config_file.empty()) {
    config = config::defaults();
    return true;
  }
  config::LoadOutcome outcome = config::load_file(line.config_file);
  for (const std::string& warning : outcome.warnings) fmt::print(stderr, "warning: {}\n", warning);
  for (const std::string& error : outcome.errors) fmt::print(stderr, "error: {}\n", error);
  config = std::move(outcome.config);
  return outcome.ok() && use_crypto_kernel(line, config);
}

void log_start(const config::Config& config) {
  log_info("main", "ringway {} starting", RINGWAY_VERSION);
  log_info("main", "crypto kernels: {} for AES, {} for SHA-256", crypto::aes_kernel_name(),
           crypto::sha_kernel_name());
  if (!config.without_effect.empty()) {
    log_warning("main", "these keys have no effect: {}", fmt::join(config.without_effect, ", "));
  }
  if (!config.listeners_not_served.empty()) {
    log_warning("main", "these listeners are not served: {}",
                fmt::join(config.listeners_not_served, ", "));
  }
}

// Starts the shard on a free port and points the config at it and at nothing else: a demonstration
// has no place in a cluster's etcd. Empty, or what went wrong.
std::string start_shard(const CommandLine& line, config::Config& config,
                        shard::ReferenceShard& embedded) {
  shard::ShardOptions options;
  options.data_dir = line.data_dir;
  options.push_echo = options.load_tally = line.load_methods;
  if (!config.listeners.empty()) {
    // What help.getConfig tells clients to connect to. A wildcard tells nothing: loopback then.
    const config::Endpoint& address = config.listeners.front().address;
    const bool wildcard = address.host.empty() || address.host == "0.0.0.0" || address.host == "::";
    if (!wildcard) options.public_host = address.host;
    options.public_port = address.port;
  }
  if (std::string error = embedded.start(options); !error.empty()) return error;
  config.session.endpoints = {fmt::format("127.0.0.1:{}", embedded.port())};
  config.session.target.clear();
  config.session.etcd = {};
  config.etcd = {};
  return "";
}

int run(const CommandLine& line) {
  config::Config config;
  if (!load_config(line, config)) return kExitUsage;
  if (line.check_config) {
    fmt::print("{}", config::describe(config));
    for (const std::string& key : config.without_effect) fmt::print("no effect: {}\n", key);
    for (const std::string& listener : config.listeners_not_served) {
      fmt::print("not served: {}\n", listener);
    }
    fmt::print("the configuration is good\n");
    return EXIT_SUCCESS;
  }
  if (std::string error = log_setup(config::log_options(config)); !error.empty()) {
    fmt::print(stderr, "error: Log.Path: {}\n", error);
    return EXIT_FAILURE;
  }
  umask(0077);
  const sigset_t signals = block_signals();
  log_start(config);

  programs::ServerKeys keys = programs::load_server_keys(config, line.data_dir);
  if (!keys.error.empty()) {
    log_error("main", "{}", keys.error);
    return EXIT_FAILURE;
  }
  for (const gateway::GatewayKey& key : keys.keys) {
    log_info("main", "server key fingerprint {} (0x{:016x})", key.fingerprint, key.fingerprint);
  }
  if (!keys.public_key_file.empty()) log_info("main", "public key in {}", keys.public_key_file);

  std::string error;
  shard::ReferenceShard embedded;
  if (line.standalone) {
    error = start_shard(line, config, embedded);
    if (!error.empty()) {
      log_error("main", "the embedded shard cannot start: {}", error);
      return EXIT_FAILURE;
    }
    log_info("main", "embedded reference shard on {}", config.session.endpoints.front());
  }

  gateway::GatewayOptions options;
  options.config = config;
  options.keys = std::move(keys.keys);
  auto gateway = gateway::Gateway::start(std::move(options), error);
  if (gateway == nullptr) {
    log_error("main", "{}", error);
    return EXIT_FAILURE;
  }
  log_info("main", "ready: clients on {}, shards call port {}",
           fmt::join(gateway->addresses(), ", "), gateway->service_port());

  wait_for_end(signals, *gateway);
  let_second_signal_kill();
  log_info("main", "stopping: no new connections, delivering what was taken over");
  const bool drained = gateway->drain();
  log_counters(*gateway);
  gateway.reset();
  if (line.standalone) embedded.shutdown(kShardGraceNs);
  log_info("main", "stopped");
  log_flush();
  return drained ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "ringway: an edge gateway for MTProto. Accepts clients, makes their keys, opens their "
      "messages and "
      "hands them to session shards over gRPC.\n"
      "Signals: SIGTERM and SIGINT stop it gracefully, a second one at once; SIGUSR1 logs the "
      "counters."};
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
  app.add_flag("--check-config", line.check_config, "check the configuration, print it, and exit");
  app.set_version_flag("--version", std::string("ringway ") + RINGWAY_VERSION);
  CLI11_PARSE(app, argc, argv);
  return run(line);
}
