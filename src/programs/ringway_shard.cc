// ringway-shard: the reference session shard as a program of its own. See shard/shard.h.
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "cluster/etcd_registration.h"
#include "cluster/static_discovery.h"
#include "shard/shard.h"

namespace {

using ringway::cluster::EtcdRegistration;
using ringway::shard::ShardOptions;

constexpr int64_t kGraceNs = 2 * ringway::kNsPerSecond;

struct CommandLine {
  ShardOptions shard;
  std::string wires = "batch,stream,unary";
  std::string public_address = "127.0.0.1:10443";
  std::vector<std::string> faults;
  std::string log_level = "info";
  ringway::cluster::EtcdOptions etcd;
  ringway::cluster::EtcdRegistrationOptions registration;
  bool load_methods = false;
};

void describe(CLI::App& app, CommandLine& line) {
  app.description(
      "The reference session shard: it keeps authorization keys, speaks MTProto's service layer "
      "and\n"
      "answers help.getConfig and help.getNearestDc; with --messenger it also has users, who send\n"
      "each other texts. All other methods it refuses by name. It exists to run the gateway for\n"
      "real on one machine, in tests, demonstrations and load runs. It is not a messenger's\n"
      "backend.");
  app.set_version_flag("--version", "ringway-shard " RINGWAY_VERSION);
  line.shard.listen = "127.0.0.1:20120";
  app.add_option("--listen", line.shard.listen,
                 "HOST:PORT to serve gRPC on; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--data", line.shard.data_dir,
                 "Directory of the key store (keys.mdb); without it keys live in memory");
  app.add_option("--wire", line.wires,
                 "Ways to take messages: any of batch,stream,unary. Key calls are always served")
      ->capture_default_str();
  app.add_option("--public", line.public_address,
                 "The gateway's HOST:PORT as clients dial it, for help.getConfig")
      ->capture_default_str();
  app.add_option("--dc", line.shard.dc_id, "Number of this data centre")->capture_default_str();
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_flag("--messenger", line.shard.messenger,
               "Have users, who sign in and send each other texts; kept in --data (messenger.mdb)");
  app.add_option("--messenger-users", line.shard.messenger_users,
                 "With --messenger: a file of users to have, a line each:\n"
                 "PHONE FIRST_NAME USERNAME|- [PASSWORD]")
      ->type_name("FILE");
  app.add_option("--messenger-code", line.shard.messenger_code,
                 "With --messenger, for tests: every sign-in code; without it, the log has them")
      ->type_name("DIGITS");
  app.add_flag("--push-echo", line.shard.push_echo,
               "For load runs: push a message whose constructor is 0x72776563 back as it came");
  app.add_flag("--load-methods", line.load_methods,
               "For load runs: --push-echo, and count numbered messages for ringway-load --verify");
  app.add_option(
      "--record", line.shard.record_path,
      "For tests: append a line per event (message, close, key stored, key asked) to this file");
  app.add_option("--fault", line.faults,
                 "For tests, repeatable: set-auth-key=false|N (refuse all or the first N keys),\n"
                 "query-unavailable, data-unavailable, never-ack, delay-ms=N");
}

void describe_etcd(CLI::App& app, CommandLine& line) {
  line.registration.key = "interface.session";
  app.add_option(
         "--etcd", line.etcd.hosts,
         "Register in etcd, HOST:PORT[,HOST:PORT...]: gateways then find this shard there.\n"
         "The name is --listen's host with the real port, so that cannot be a wildcard")
      ->delimiter(',');
  app.add_option("--etcd-key", line.registration.key, "The key below which shards are registered")
      ->capture_default_str();
  app.add_option("--etcd-ttl", line.registration.ttl_seconds,
                 "Seconds after which a shard that died is no longer registered")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

// Completes the options from their text forms. An empty string, or what is wrong.
std::string read_texts(CommandLine& line) {
  if (line.load_methods) line.shard.push_echo = line.shard.load_tally = true;
  if (std::string wrong = parse_wires(line.wires, line.shard); !wrong.empty())
    return "--wire: " + wrong;
  for (const std::string& fault : line.faults) {
    if (std::string wrong = parse_fault(fault, line.shard.faults); !wrong.empty()) {
      return "--fault: " + wrong;
    }
  }
  const std::string& listen = line.shard.listen;
  for (const char* wildcard : {"0.0.0.0:", "[::]:", ":"}) {
    if (!line.etcd.hosts.empty() && listen.starts_with(wildcard)) {
      return "--etcd: gateways cannot reach " + listen + ": name an address in --listen";
    }
  }
  for (const std::string& host : line.etcd.hosts) {
    if (!ringway::cluster::is_address(host)) return "--etcd: " + host + " is no HOST:PORT";
  }
  const std::string& address = line.public_address;
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !CLI::detail::lexical_cast(address.substr(colon + 1), port) || port < 1 || port > 65535) {
    return "--public: expected HOST:PORT";
  }
  line.shard.public_host = address.substr(0, colon);
  if (line.shard.public_host.starts_with('[') && line.shard.public_host.ends_with(']')) {
    line.shard.public_host = line.shard.public_host.substr(1, line.shard.public_host.size() - 2);
  }
  line.shard.public_port = static_cast<uint16_t>(port);
  return "";
}

ringway::LogLevel log_level_of(const std::string& name) {
  if (name == "debug") return ringway::LogLevel::kDebug;
  if (name == "warning") return ringway::LogLevel::kWarning;
  if (name == "error") return ringway::LogLevel::kError;
  return ringway::LogLevel::kInfo;
}

void exit_at_once(int /*signal*/) { _exit(1); }

// Null without --etcd.
std::unique_ptr<EtcdRegistration> register_in_etcd(CommandLine& line, uint16_t port) {
  if (line.etcd.hosts.empty()) return nullptr;
  const std::string host = line.shard.listen.substr(0, line.shard.listen.rfind(':'));
  line.registration.value = fmt::format("{}:{}", host, port);
  auto registration = std::make_unique<EtcdRegistration>(line.etcd, line.registration);
  registration->start();
  return registration;
}

// Blocks until SIGINT or SIGTERM; the next one ends the process at once.
void wait_for_signal(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  std::signal(SIGINT, exit_at_once);
  std::signal(SIGTERM, exit_at_once);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int run(CommandLine& line) {
  // Blocked before gRPC makes its threads, so that only wait_for_signal() sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  ringway::LogOptions log;
  log.level = log_level_of(line.log_level);
  if (const std::string failure = ringway::log_setup(log); !failure.empty()) {
    fmt::print(stderr, "ringway-shard: {}\n", failure);
    return 1;
  }
  ringway::shard::ReferenceShard shard;
  if (const std::string failure = shard.start(line.shard); !failure.empty()) {
    fmt::print(stderr, "ringway-shard: {}\n", failure);
    return 1;
  }
  // For scripts that asked for port 0.
  fmt::print("listening on port {}\n", shard.port());
  std::fflush(stdout);
  auto registration = register_in_etcd(line, shard.port());
  wait_for_signal(signals);
  // First, so that gateways turn to others while this one still answers.
  registration.reset();
  const auto stats = shard.stats();
  ringway::log_info("shard", "stopping: {} messages, {} refused, {} answers, {} sessions",
                    stats.messages, stats.messages_refused, stats.answers, stats.sessions);
  if (stats.messenger.has_value()) {
    ringway::log_info("shard", "messenger: {}", to_text(*stats.messenger));
  }
  shard.shutdown(kGraceNs);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app;
  CommandLine line;
  describe(app, line);
  describe_etcd(app, line);
  CLI11_PARSE(app, argc, argv);
  if (const std::string wrong = read_texts(line); !wrong.empty()) {
    fmt::print(stderr, "ringway-shard: {}\n", wrong);
    return 2;
  }
  const int status = run(line);
  ringway::log_flush();
  return status;
}
