// client/load_options: what a load run is to do.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "client/client_doors.h"
#include "client/handshake.h"
#include "client/load_source.h"
#include "client/metrics_probe.h"
#include "mtproto/client_transport.h"

namespace ringway::client {

enum class LoadMode : uint8_t {
  kHandshake,  // key exchanges, each on a connection of its own
  kReconnect,  // connections with a known key: connect, speak, go
  kPing,       // encrypted ping to pong
  kQuickAck,   // messages of a given size to their quick ack; no answer comes from behind the
               // gateway
  kEcho,       // messages of a given size that the reference shard sends back
};

[[nodiscard]] std::string_view to_string(LoadMode mode) noexcept;
// "handshake", "reconnect", "ping", "quick-ack", "echo"; kInvalidArgument for any other name.
Result<LoadMode> load_mode_by_name(std::string_view name) noexcept;

struct TransportShare {
  std::string name = "intermediate";
  mtproto::ClientTransportOptions transport;
  uint32_t weight = 1;
  ClientDoorsOptions doors{};
  bool behind_tls = false;       // asks for doors.tls
  bool behind_fake_tls = false;  // asks for doors.fake_tls
};

struct SizeShare {
  size_t bytes = 128;
  uint32_t weight = 1;
};

struct LoadOptions {
  std::string address;  // HOST:PORT
  std::vector<ServerKey> server_keys;
  RsaPadding padding = RsaPadding::kRsaPad;
  LoadMode mode = LoadMode::kPing;
  std::vector<TransportShare> transports = {TransportShare()};  // by connection
  std::vector<SizeShare> sizes = {SizeShare()};  // kQuickAck, kEcho: of the TL objects, by message
  SourceAddresses sources;                       // empty: as the kernel chooses

  uint32_t connections = 64;
  uint32_t active = 0;  // of them with traffic, the others stay idle; 0: all
  unsigned threads = 1;
  uint32_t keys = 0;         // auth keys shared by the connections; 0: one per connection
  std::string keys_path;     // a file to take keys from and to leave them in; empty: none
  int64_t temporary_ns = 0;  // life of a temporary key for each connection; 0: it uses none
  double connect_rate = 0;   // connections begun per second during the set-up; 0: no limit

  uint32_t window = 1;  // closed loop: messages under way per connection
  double rate = 0;      // open loop: messages per second over all connections; 0: closed loop
  uint32_t burst = 1;   // open loop: messages that are due together
  int64_t ramp_ns = 0;  // the rate, or the connections with traffic, grow from none during this
  std::vector<double> step_rates;  // one measurement for each; not with `rate`
  bool find_rate = false;          // search from `rate` for the highest that keeps p99_max_ns
  int64_t p99_max_ns = 0;          // of a step that passes; 0: whatever the latency

  bool verify =
      false;  // kQuickAck: the reference shard counts what arrives, nothing may be missing
  std::string acked_path;  // kQuickAck: a file that gets a line per acknowledgement; empty: none
  int64_t warmup_ns = kNsPerSecond;
  int64_t duration_ns = 10 * kNsPerSecond;  // of each measurement
  int64_t drain_ns = 2 * kNsPerSecond;      // the longest wait for answers after it
  int64_t setup_timeout_ns = 60 * kNsPerSecond;
  int64_t start_at_seconds = 0;    // unix time at which the traffic begins; 0: once all is ready
  pid_t gateway_pid = 0;           // whose processor time and memory to watch; 0: nobody's
  MetricsAddress gateway_metrics;  // or where it tells them itself

  [[nodiscard]] bool watches_gateway() const noexcept {
    return gateway_pid != 0 || !gateway_metrics.address.empty();
  }
  [[nodiscard]] bool open_loop() const noexcept { return rate > 0 || !step_rates.empty(); }
  [[nodiscard]] uint32_t busy_connections() const noexcept {
    return active == 0 ? connections : active;
  }
};

// An empty string, or what is wrong with the options in one sentence.
[[nodiscard]] std::string check(const LoadOptions& options);

// "250ms", "10s", "2m", "1h"; a bare number is seconds. Nanoseconds; kInvalidArgument otherwise.
Result<int64_t> parse_duration(std::string_view text) noexcept;
// "intermediate" or "intermediate=3,obfuscated-abridged=1".
// "ws", "wss" (inside TLS), "tls" and "faketls" may stand before a transport, as in
// "wss-obfuscated-padded"; alone they stand before "obfuscated-intermediate" ("obfuscated-padded"
// for faketls). "http" and "https" stand alone.
Result<std::vector<TransportShare>> parse_transports(std::string_view text);
// "128" or "128=9,1024=1".
Result<std::vector<SizeShare>> parse_sizes(std::string_view text);
// "1000,2000,4000": numbers above 0.
Result<std::vector<double>> parse_rates(std::string_view text);

}  // namespace ringway::client
