#include "client/load_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/limits.h"
#include "client/load_mix.h"

namespace ringway::client {
namespace {

constexpr std::array<std::pair<LoadMode, std::string_view>, 5> kModes = {{
    {LoadMode::kHandshake, "handshake"},
    {LoadMode::kReconnect, "reconnect"},
    {LoadMode::kPing, "ping"},
    {LoadMode::kQuickAck, "quick-ack"},
    {LoadMode::kEcho, "echo"},
}};

constexpr int64_t kTemporaryLifeMinNs = 60 * kNsPerSecond;
constexpr int64_t kTemporaryLifeMaxNs = 30 * 86'400 * kNsPerSecond;
// What fits a frame beside MTProto's own headers and padding.
constexpr size_t kMessageBytesMax =
    kFrameBytesMax - kMessageHeaderBytes - kMessagePrefixBytes - kMessagePaddingMax;

}  // namespace

std::string_view to_string(LoadMode mode) noexcept {
  for (const auto& [known, name] : kModes) {
    if (known == mode) return name;
  }
  return "?";
}

Result<LoadMode> load_mode_by_name(std::string_view name) noexcept {
  for (const auto& [mode, known] : kModes) {
    if (known == name) return mode;
  }
  return Error::kInvalidArgument;
}

namespace {

std::string check_crowd(const LoadOptions& options) {
  if (options.connections == 0) return "at least one connection is needed";
  if (options.active > options.connections) {
    return fmt::format("{} active connections are more than {} connections", options.active,
                       options.connections);
  }
  if (options.threads == 0) return "at least one thread is needed";
  if (options.threads > options.busy_connections()) {
    return fmt::format("{} threads cannot share {} connections with traffic", options.threads,
                       options.busy_connections());
  }
  if (options.keys > options.connections) {
    return fmt::format("{} keys are more than {} connections can use", options.keys,
                       options.connections);
  }
  if (options.transports.empty()) return "no transport was given";
  if (!(options.connect_rate >= 0) || !std::isfinite(options.connect_rate)) {
    return "the connect rate must not be negative";
  }
  return {};
}

std::string check_temporary(const LoadOptions& options) {
  if (options.temporary_ns == 0) return {};
  if (options.temporary_ns < kTemporaryLifeMinNs || options.temporary_ns > kTemporaryLifeMaxNs) {
    return "a temporary key lives for a minute to 30 days";
  }
  return {};
}

std::string check_pace(const LoadOptions& options) {
  if (options.window == 0 || options.window > kClientPendingMax / 2) {
    return fmt::format("the window must be between 1 and {}", kClientPendingMax / 2);
  }
  if (!(options.rate >= 0) || !std::isfinite(options.rate)) return "the rate must not be negative";
  if (options.burst == 0) return "a burst has at least one message";
  if (options.burst > 1 && !options.open_loop()) return "bursts need a rate";
  if (!options.step_rates.empty() && (options.rate > 0 || options.find_rate)) {
    return "steps name their rates; give no other rate, and no search, with them";
  }
  if (options.find_rate && options.rate == 0) return "the search needs a rate to begin with";
  if (options.find_rate && options.p99_max_ns == 0) {
    return "the search needs the latency that is to be kept (p99)";
  }
  if (options.duration_ns <= 0) return "the duration must not be zero";
  if (options.warmup_ns < 0 || options.ramp_ns < 0 || options.drain_ns < 0) {
    return "warm-up, ramp and drain must not be negative";
  }
  return {};
}

std::string check_mode(const LoadOptions& options) {
  if (options.sizes.empty()) return "no size was given";
  for (const SizeShare& size : options.sizes) {
    if (size.bytes > kMessageBytesMax) {
      return fmt::format("a message cannot have more than {} bytes", kMessageBytesMax);
    }
  }
  if (options.mode == LoadMode::kQuickAck) {
    for (const TransportShare& share : options.transports) {
      if (share.transport.kind == mtproto::TransportKind::kFull) {
        return "the full transport has no quick acks; choose another transport or mode";
      }
      if (share.doors.http) return "HTTP has no quick acks; choose another transport or mode";
    }
  } else if (options.verify) {
    return "only the quick-ack mode can be verified; the echo mode misses what is lost by itself";
  }
  if (options.mode == LoadMode::kHandshake) {
    if (!options.keys_path.empty()) return "the handshake mode keeps no keys; give it no key file";
    if (options.active > 0) return "the handshake mode has no idle connections";
    if (options.temporary_ns != 0) return "the handshake mode makes permanent keys";
  }
  return {};
}

// Notes the door at the beginning of a transport's name; what stands behind it.
std::string_view cut_door(std::string_view name, TransportShare& share) {
  struct Door {
    std::string_view name;
    std::string_view transport;  // when none is named
    bool websocket;
    bool tls;
    bool fake_tls;
    bool http;
  };
  static constexpr std::array<Door, 6> kDoors = {{
      {"ws", "obfuscated-intermediate", true, false, false, false},
      {"wss", "obfuscated-intermediate", true, true, false, false},
      {"tls", "obfuscated-intermediate", false, true, false, false},
      {"faketls", "obfuscated-padded", false, false, true, false},
      {"http", "intermediate", false, false, false, true},
      {"https", "intermediate", false, true, false, true},
  }};
  for (const Door& door : kDoors) {
    if (!name.starts_with(door.name)) continue;
    const std::string_view rest = name.substr(door.name.size());
    if (!rest.empty() && (rest.front() != '-' || door.http)) continue;
    share.doors.http = door.http;
    share.doors.websocket = door.websocket;
    share.behind_tls = door.tls;
    share.behind_fake_tls = door.fake_tls;
    return rest.empty() ? door.transport : rest.substr(1);
  }
  return name;
}

}  // namespace

std::string check(const LoadOptions& options) {
  if (options.address.empty()) return "no address was given";
  if (options.server_keys.empty()) return "no public key of the server was given";
  std::string wrong = check_crowd(options);
  if (wrong.empty()) wrong = check_temporary(options);
  if (wrong.empty()) wrong = check_pace(options);
  if (wrong.empty()) wrong = check_mode(options);
  return wrong;
}

Result<std::vector<TransportShare>> parse_transports(std::string_view text) {
  RW_TRY_ASSIGN(const auto shares, parse_shares(text));
  std::vector<TransportShare> transports;
  for (const auto& [name, weight] : shares) {
    TransportShare share;
    share.name = name;
    share.weight = weight;
    const std::string_view inner = cut_door(name, share);
    RW_TRY_ASSIGN(share.transport, mtproto::client_transport_by_name(inner));
    transports.push_back(std::move(share));
  }
  return transports;
}

Result<std::vector<SizeShare>> parse_sizes(std::string_view text) {
  RW_TRY_ASSIGN(const auto shares, parse_shares(text));
  std::vector<SizeShare> sizes;
  for (const auto& [name, weight] : shares) {
    SizeShare share{0, weight};
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), share.bytes);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) {
      return Error::kInvalidArgument;
    }
    sizes.push_back(share);
  }
  return sizes;
}

Result<std::vector<double>> parse_rates(std::string_view text) {
  std::vector<double> rates;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    double rate = 0;
    const auto parsed = std::from_chars(text.data() + begin, text.data() + end, rate);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + end || !(rate > 0) || rate > 1e9) {
      return Error::kInvalidArgument;
    }
    rates.push_back(rate);
    begin = end + 1;
  }
  return rates;
}

Result<int64_t> parse_duration(std::string_view text) noexcept {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || !(number >= 0) || number > 1e9) return Error::kInvalidArgument;
  const std::string_view unit(parsed.ptr, text.data() + text.size());
  double seconds = number;
  if (unit == "ms") {
    seconds = number / 1000;
  } else if (unit == "m") {
    seconds = number * 60;
  } else if (unit == "h") {
    seconds = number * 3600;
  } else if (!unit.empty() && unit != "s") {
    return Error::kInvalidArgument;
  }
  // A century is more than enough, and far from the end of 64 bits.
  if (seconds > 3e9) return Error::kInvalidArgument;
  return static_cast<int64_t>(seconds * static_cast<double>(kNsPerSecond));
}

}  // namespace ringway::client
