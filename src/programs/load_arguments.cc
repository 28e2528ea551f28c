#include "programs/load_arguments.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "base/hex.h"
#include "client/load_plot.h"

namespace ringway {
namespace {

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

void declare_target(CLI::App& app, LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  app.add_option("--addr", load.address, "the gateway, HOST:PORT")->required();
  app.add_option("--key", arguments.key_files,
                 "the gateway's public RSA key, a PEM file; may be given more than once")
      ->required();
  app.add_flag("--legacy-padding", arguments.legacy_padding,
               "make keys with the older RSA padding");
  app.add_flag("--demo", arguments.demo,
               "one connection: key exchange, ping, quick ack, help.getConfig, a line for each");
}

void declare_crowd(CLI::App& app, LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  app.add_option("--connections", load.connections, "connections in all")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--active", load.active,
                 "connections with traffic; the others stay idle (0: all have traffic)")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--threads", load.threads, "threads they are spread over")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option(
         "--transport", arguments.transport,
         "abridged, intermediate, padded, full, or obfuscated- before one of the first three; "
         "ws-, wss-, tls- or faketls- before any of these, or ws, wss, tls, faketls alone; "
         "http, https; "
         "several with weights: intermediate=3,wss=1")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--secret", arguments.secret,
                 "secret of the gateway's listener in hexadecimal: 16 bytes, dd and 16 bytes, or "
                 "ee, 16 bytes and the domain for faketls")
      ->group("Crowd");
  app.add_option("--ca", arguments.ca_file,
                 "authorities to trust behind TLS, a PEM file (else: the system's)")
      ->group("Crowd");
  app.add_flag("--insecure", arguments.insecure, "trust any certificate")->group("Crowd");
  app.add_option("--server-name", arguments.server_name,
                 "whom the certificate must name, and the Host of a WebSocket request (else: the "
                 "host of --addr)")
      ->group("Crowd");
  app.add_option("--path", arguments.path, "path of a WebSocket request")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--source", arguments.source,
                 "IPv4 addresses to connect from, in turn: 127.0.1.1-127.0.1.200,127.0.2.7")
      ->group("Crowd");
  app.add_option("--connect-rate", load.connect_rate,
                 "connections begun per second before the traffic (0: as many as go)")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--keys", load.keys, "auth keys shared by the connections (0: one for each)")
      ->capture_default_str()
      ->group("Crowd");
  app.add_option("--keys-file", load.keys_path,
                 "take auth keys from this file, make those that are missing, and leave all in it; "
                 "whoever reads it can speak as these clients")
      ->group("Crowd");
  app.add_flag("--temporary-keys{24h}", arguments.temporary,
               "each connection makes a temporary key, binds it to its auth key and speaks under "
               "it; --temporary-keys=1h says how long it lives (24h)")
      ->group("Crowd");
}

void declare_traffic(CLI::App& app, LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  app.add_option("--mode", arguments.mode,
                 "handshake (a key exchange each time), reconnect (a new connection with a known "
                 "key), ping, quick-ack, or echo (message up, push down; needs a shard with "
                 "--load-methods)")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--size", arguments.size,
                 "bytes of a message (quick-ack and echo modes); several with weights: "
                 "128=9,1024=1")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--window", load.window,
                 "closed loop: messages under way per connection, a new one when one is done")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--rate", load.rate,
                 "open loop: messages per second in all, whatever the answers do; latency then "
                 "counts from when a message was due (0: closed loop)")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--burst", load.burst, "open loop: messages that are due at the same moment")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--ramp", arguments.ramp,
                 "time before the warm-up in which the rate, or the number of connections with "
                 "traffic, grows from nothing")
      ->capture_default_str()
      ->group("Traffic");
  app.add_option("--steps", arguments.steps, "one measurement at each of these rates: 1000,2000")
      ->group("Traffic");
  app.add_flag("--find-rate", load.find_rate,
               "search, from --rate on, the highest rate that keeps --p99 without errors")
      ->group("Traffic");
  app.add_option("--p99", arguments.p99_max,
                 "with --steps and --find-rate: the 99th percentile that a step may have, such as "
                 "5ms (0: any)")
      ->capture_default_str()
      ->group("Traffic");
  app.add_flag("--verify", load.verify,
               "quick-ack mode: number the messages and compare with what arrived at the shard "
               "(needs one with --load-methods)")
      ->group("Traffic");
}

void declare_logs(CLI::App& app, LoadArguments& arguments) {
  app.add_option(
         "--acked", arguments.load.acked_path,
         "quick-ack mode: append \"session_id msg_id\" for each acknowledgement to this file, "
         "to be compared with what shards recorded")
      ->group("Output");
}

void declare_times(CLI::App& app, LoadArguments& arguments) {
  const auto duration = [&app](const char* name, std::string& text, const char* what) {
    app.add_option(name, text, what)->capture_default_str()->group("Time");
  };
  duration("--duration", arguments.duration, "measured time, such as 10s or 500ms; of each step");
  duration("--warmup", arguments.warmup, "time before it that is not measured");
  duration("--drain", arguments.drain, "longest wait for answers after it");
  duration("--setup-timeout", arguments.setup_timeout,
           "how long connecting and making keys may take");
  app.add_option("--start-at", arguments.load.start_at_seconds,
                 "unix time at which the traffic begins, so that several processes begin together; "
                 "all must be set up by then")
      ->group("Time");
}

void declare_output(CLI::App& app, LoadArguments& arguments) {
  app.add_option("--gateway-pid", arguments.load.gateway_pid,
                 "process on this machine whose processor time and memory to report")
      ->group("Output");
  app.add_option("--metrics", arguments.metrics,
                 "the gateway's Prometheus endpoint, HOST:PORT or HOST:PORT/PATH (without a path: "
                 "/metrics), to report its processor time and memory from, wherever it runs")
      ->excludes("--gateway-pid")
      ->group("Output");
  app.add_flag("--json", arguments.json, "print the result as one JSON object")->group("Output");
  app.add_option("--percentiles", arguments.percentiles_path,
                 "write the latencies in milliseconds as HdrHistogram's .hgrm text to this file")
      ->group("Output");
  app.add_option("--plot", arguments.plot_path,
                 "draw latency over percentiles and over time to this SVG file; needs gnuplot")
      ->group("Output");
}

// The secret goes to every obfuscated transport, a domain behind it to faketls alone.
std::string read_secret(LoadArguments& arguments) {
  constexpr size_t kKeyBytes = kTransportSecretBytes;
  const auto bytes = from_hex(arguments.secret);
  constexpr std::string_view wrong =
      "--secret: expected 16 bytes in hexadecimal, dd and 16 bytes, or "
      "ee, 16 bytes and a domain";
  if (!bytes || bytes->size() < kKeyBytes) return std::string(wrong);
  const bool prefixed = bytes->size() > kKeyBytes;
  const uint8_t prefix = prefixed ? bytes->front() : uint8_t{0};
  const bool fake = prefix == 0xee;
  if (prefixed && !fake && (prefix != 0xdd || bytes->size() != kKeyBytes + 1)) {
    return std::string(wrong);
  }
  const Secret<kKeyBytes> key(
      std::span<const uint8_t, kKeyBytes>(bytes->data() + (prefixed ? 1 : 0), kKeyBytes));
  for (client::TransportShare& share : arguments.load.transports) {
    share.transport.secret = key;
    if (!share.behind_fake_tls) continue;
    if (!fake || bytes->size() == kKeyBytes + 1) return "faketls asks for a --secret with ee";
    share.doors.fake_tls.emplace();
    share.doors.fake_tls->key = key;
    share.doors.fake_tls->domain.assign(bytes->begin() + kKeyBytes + 1, bytes->end());
  }
  return {};
}

std::string complete_doors(LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  if (!arguments.secret.empty()) {
    if (std::string wrong = read_secret(arguments); !wrong.empty()) return wrong;
  }
  std::string name = arguments.server_name;
  if (name.empty()) name = load.address.substr(0, load.address.rfind(':'));
  std::shared_ptr<const tls::TlsContext> context;
  for (client::TransportShare& share : load.transports) {
    if (share.behind_fake_tls && !share.doors.fake_tls) {
      return "faketls asks for a --secret with ee";
    }
    share.doors.server_name = name;
    share.doors.path = arguments.path;
    if (!share.behind_tls) continue;
    if (context == nullptr) {
      tls::TlsLoaded loaded = tls::TlsContext::client({arguments.ca_file, arguments.insecure});
      if (loaded.context == nullptr) return "--ca: " + loaded.error;
      context = std::move(loaded.context);
    }
    share.doors.tls = context;
  }
  return {};
}

std::string complete_texts(LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  const auto mode = client::load_mode_by_name(arguments.mode);
  if (!mode.ok()) return fmt::format("unknown mode '{}'", arguments.mode);
  load.mode = *mode;
  auto transports = client::parse_transports(arguments.transport);
  if (!transports.ok()) return fmt::format("unknown transport '{}'", arguments.transport);
  load.transports = *std::move(transports);
  if (std::string wrong = complete_doors(arguments); !wrong.empty()) return wrong;
  auto sizes = client::parse_sizes(arguments.size);
  if (!sizes.ok())
    return fmt::format("'{}' is no size such as 128 or 128=9,1024=1", arguments.size);
  load.sizes = *std::move(sizes);
  if (!arguments.source.empty()) {
    auto sources = client::SourceAddresses::parse(arguments.source);
    if (!sources.ok()) {
      return fmt::format("'{}' is no IPv4 address or range such as 127.0.1.1-127.0.1.200",
                         arguments.source);
    }
    load.sources = *std::move(sources);
  }
  if (!arguments.steps.empty()) {
    auto rates = client::parse_rates(arguments.steps);
    if (!rates.ok()) return fmt::format("'{}' are no rates such as 1000,2000", arguments.steps);
    load.step_rates = *std::move(rates);
  }
  if (!arguments.metrics.empty()) {
    auto metrics = client::parse_metrics_address(arguments.metrics);
    if (!metrics.ok()) {
      return fmt::format("'{}' is no endpoint such as 127.0.0.1:9101/metrics", arguments.metrics);
    }
    load.gateway_metrics = *std::move(metrics);
  }
  for (const auto& [text, target] :
       {std::pair<std::string&, int64_t&>{arguments.duration, load.duration_ns},
        {arguments.warmup, load.warmup_ns},
        {arguments.ramp, load.ramp_ns},
        {arguments.drain, load.drain_ns},
        {arguments.p99_max, load.p99_max_ns},
        {arguments.setup_timeout, load.setup_timeout_ns},
        {arguments.temporary, load.temporary_ns}}) {
    const auto duration = client::parse_duration(text);
    if (!duration.ok()) return fmt::format("'{}' is not a duration such as 10s or 500ms", text);
    target = *duration;
  }
  return {};
}

}  // namespace

void declare(CLI::App& app, LoadArguments& arguments) {
  app.set_version_flag("--version", std::string("ringway-load ") + RINGWAY_VERSION);
  declare_target(app, arguments);
  declare_crowd(app, arguments);
  declare_traffic(app, arguments);
  declare_times(app, arguments);
  declare_output(app, arguments);
  declare_logs(app, arguments);
}

std::string complete(LoadArguments& arguments) {
  client::LoadOptions& load = arguments.load;
  for (const std::string& path : arguments.key_files) {
    std::string why;
    auto key = load_key(path, why);
    if (!key.ok()) return why;
    load.server_keys.push_back(*std::move(key));
  }
  if (std::string wrong = complete_texts(arguments); !wrong.empty()) return wrong;
  if (arguments.legacy_padding) load.padding = client::RsaPadding::kLegacy;
  if (arguments.demo) return {};
  if (!load.gateway_metrics.address.empty()) {
    std::string why;
    if (!client::fetch_process_use(load.gateway_metrics, why)) {
      return fmt::format("--metrics {}: {}", arguments.metrics, why);
    }
  }
  if (!arguments.plot_path.empty()) {
    // Before the run, not after it.
    if (std::string problem = client::plot_problem(); !problem.empty()) return problem;
  }
  return client::check(load);
}

}  // namespace ringway
