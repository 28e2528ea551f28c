// ringway-load: an MTProto client that puts load on a gateway and measures it, or shows it at work.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "client/demo.h"
#include "client/load.h"

namespace {

using namespace ringway;

std::atomic<bool> g_stop{false};

// The first signal ends the run with its summary, the second one the program.
void on_signal(int signal_number) {
  if (g_stop.exchange(true)) {
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
  }
}

void install_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

[[nodiscard]] int fail(const std::string& why) {
  std::fputs(fmt::format("ringway-load: {}\n", why).c_str(), stderr);
  return 1;
}

Result<client::ServerKey> load_key(const std::string& path, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    why = fmt::format("cannot read the key file '{}'", path);
    return Error::kNotFound;
  }
  const std::string pem((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto key = crypto::RsaKey::from_pem(pem);
  if (!key.ok()) {
    why = fmt::format("'{}' is not a 2048-bit RSA key in PEM", path);
    return key.error();
  }
  const uint64_t fingerprint = (*key)->fingerprint();
  return client::ServerKey{*std::move(key), fingerprint};
}

// A line that overwrites itself, on a terminal only.
class ProgressLine {
 public:
  ProgressLine() : shown_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  [[nodiscard]] bool shown() const noexcept { return shown_; }
  void show(const std::string& text) {
    std::fputs(fmt::format("\r\x1b[K{}", text).c_str(), stderr);
    std::fflush(stderr);
    dirty_ = true;
  }
  void clear() {
    if (dirty_) std::fputs("\r\x1b[K", stderr);
    dirty_ = false;
  }

 private:
  const bool shown_;
  bool dirty_ = false;
};

int run_demo(const client::LoadOptions& options) {
  const auto report = client::run_demo(options, [](std::string_view line) {
    std::fputs(fmt::format("{}\n", line).c_str(), stdout);
    std::fflush(stdout);
  });
  if (!report.failure.empty()) return fail(report.failure);
  std::fputs(fmt::format("server key fingerprint {:016x}\n", report.fingerprint).c_str(), stdout);
  return 0;
}

int run_load(const client::LoadOptions& options, bool json) {
  ProgressLine line;
  std::function<void(const client::LoadProgress&)> on_progress;
  if (line.shown()) {
    on_progress = [&line](const client::LoadProgress& p) { line.show(client::to_line(p)); };
  }
  const client::LoadReport report = client::run_load(options, g_stop, on_progress);
  line.clear();
  if (json) {
    std::fputs((client::to_json(options, report) + '\n').c_str(), stdout);
  } else if (report.completed > 0) {
    std::fputs(client::to_text(options, report).c_str(), stdout);
  }
  return report.failure.empty() ? 0 : fail(report.failure);
}

struct Arguments {
  client::LoadOptions load;
  std::vector<std::string> key_files;
  std::string mode = "ping";
  std::string duration = "10s";
  std::string warmup = "1s";
  std::string setup_timeout = "60s";
  bool legacy_padding = false;
  bool json = false;
  bool demo = false;
};

void declare(CLI::App& app, Arguments& arguments) {
  client::LoadOptions& load = arguments.load;
  app.set_version_flag("--version", std::string("ringway-load ") + RINGWAY_VERSION);
  app.add_option("--addr", load.address, "the gateway, HOST:PORT")->required();
  app.add_option("--key", arguments.key_files,
                 "the gateway's public RSA key, a PEM file; may be given more than once")
      ->required();
  app.add_flag("--demo", arguments.demo,
               "one connection: key exchange, ping, quick ack, help.getConfig, a line for each");
  app.add_option("--mode", arguments.mode, "handshake, ping, quick-ack or echo")
      ->capture_default_str();
  app.add_option(
         "--transport", load.transport_name,
         "abridged, intermediate, padded, full, or obfuscated- before one of the first three")
      ->capture_default_str();
  app.add_option("--connections", load.connections, "connections in all")->capture_default_str();
  app.add_option("--threads", load.threads, "threads they are spread over")->capture_default_str();
  app.add_option("--window", load.window, "messages under way per connection")
      ->capture_default_str();
  app.add_option("--rate", load.rate,
                 "messages per second in all; latency then counts from when a message was due "
                 "(0: a new message as soon as one is done)")
      ->capture_default_str();
  app.add_option("--size", load.message_bytes, "bytes of a message (quick-ack and echo modes)")
      ->capture_default_str();
  app.add_option("--keys", load.keys, "auth keys shared by the connections (0: one for each)")
      ->capture_default_str();
  app.add_option("--duration", arguments.duration, "measured time, such as 10s or 500ms")
      ->capture_default_str();
  app.add_option("--warmup", arguments.warmup, "time before it that is not measured")
      ->capture_default_str();
  app.add_option("--setup-timeout", arguments.setup_timeout,
                 "how long connecting and making keys may take")
      ->capture_default_str();
  app.add_flag("--legacy-padding", arguments.legacy_padding,
               "make keys with the older RSA padding");
  app.add_flag("--json", arguments.json, "print the result as one JSON object");
}

// An empty string, or what is wrong with an argument.
std::string complete(Arguments& arguments) {
  client::LoadOptions& load = arguments.load;
  for (const std::string& path : arguments.key_files) {
    std::string why;
    auto key = load_key(path, why);
    if (!key.ok()) return why;
    load.server_keys.push_back(*std::move(key));
  }
  const auto mode = client::load_mode_by_name(arguments.mode);
  if (!mode.ok()) return fmt::format("unknown mode '{}'", arguments.mode);
  load.mode = *mode;
  const auto transport = mtproto::client_transport_by_name(load.transport_name);
  if (!transport.ok()) return fmt::format("unknown transport '{}'", load.transport_name);
  load.transport = *transport;
  if (arguments.legacy_padding) load.padding = client::RsaPadding::kLegacy;
  for (const auto& [text, target] :
       {std::pair<std::string&, int64_t&>{arguments.duration, load.duration_ns},
        {arguments.warmup, load.warmup_ns},
        {arguments.setup_timeout, load.setup_timeout_ns}}) {
    const auto duration = client::parse_duration(text);
    if (!duration.ok()) return fmt::format("'{}' is not a duration such as 10s or 500ms", text);
    target = *duration;
  }
  return arguments.demo ? std::string() : client::check(load);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Puts MTProto load on a gateway and measures throughput and latency.",
               "ringway-load");
  Arguments arguments;
  declare(app, arguments);
  CLI11_PARSE(app, argc, argv);
  if (const std::string wrong = complete(arguments); !wrong.empty()) return fail(wrong);
  install_signals();
  return arguments.demo ? run_demo(arguments.load) : run_load(arguments.load, arguments.json);
}
