// client/load_options: what a load run is to do.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "client/handshake.h"
#include "mtproto/client_transport.h"

namespace ringway::client {

enum class LoadMode : uint8_t {
  kHandshake,  // key exchanges, each on a connection of its own
  kPing,       // encrypted ping to pong
  kQuickAck,   // messages of a given size to their quick ack; no answer comes from behind the
               // gateway
  kEcho,       // messages of a given size that the reference shard sends back
};

[[nodiscard]] std::string_view to_string(LoadMode mode) noexcept;
// "handshake", "ping", "quick-ack", "echo"; kInvalidArgument for any other name.
Result<LoadMode> load_mode_by_name(std::string_view name) noexcept;

struct LoadOptions {
  std::string address;  // HOST:PORT
  std::vector<ServerKey> server_keys;
  RsaPadding padding = RsaPadding::kRsaPad;
  LoadMode mode = LoadMode::kPing;
  std::string transport_name = "intermediate";
  mtproto::ClientTransportOptions transport;
  uint32_t connections = 64;
  unsigned threads = 1;
  uint32_t window = 1;  // messages under way per connection
  double rate = 0;      // messages per second over all connections; 0: as fast as answers come
  size_t message_bytes = 128;  // kQuickAck, kEcho: size of the TL object
  uint32_t keys = 0;           // auth keys shared by the connections; 0: one per connection
  int64_t warmup_ns = kNsPerSecond;
  int64_t duration_ns = 10 * kNsPerSecond;
  int64_t setup_timeout_ns = 60 * kNsPerSecond;
};

// An empty string, or what is wrong with the options in one sentence.
[[nodiscard]] std::string check(const LoadOptions& options);

// "250ms", "10s", "2m", "1h"; a bare number is seconds. Nanoseconds; kInvalidArgument otherwise.
Result<int64_t> parse_duration(std::string_view text) noexcept;

}  // namespace ringway::client
