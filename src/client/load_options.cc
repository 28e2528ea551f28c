#include "client/load_options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/limits.h"

namespace ringway::client {
namespace {

constexpr std::array<std::pair<LoadMode, std::string_view>, 4> kModes = {{
    {LoadMode::kHandshake, "handshake"},
    {LoadMode::kPing, "ping"},
    {LoadMode::kQuickAck, "quick-ack"},
    {LoadMode::kEcho, "echo"},
}};

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

std::string check(const LoadOptions& options) {
  if (options.address.empty()) return "no address was given";
  if (options.server_keys.empty()) return "no public key of the server was given";
  if (options.connections == 0) return "at least one connection is needed";
  if (options.threads == 0) return "at least one thread is needed";
  if (options.threads > options.connections) {
    return fmt::format("{} threads cannot share {} connections", options.threads,
                       options.connections);
  }
  if (options.keys > options.connections) {
    return fmt::format("{} keys are more than {} connections can use", options.keys,
                       options.connections);
  }
  if (options.window == 0 || options.window > kClientPendingMax / 2) {
    return fmt::format("the window must be between 1 and {}", kClientPendingMax / 2);
  }
  if (options.message_bytes > kMessageBytesMax) {
    return fmt::format("a message cannot have more than {} bytes", kMessageBytesMax);
  }
  if (!(options.rate >= 0) || !std::isfinite(options.rate)) return "the rate must not be negative";
  if (options.duration_ns <= 0) return "the duration must not be zero";
  if (options.warmup_ns < 0) return "the warm-up must not be negative";
  if (options.mode == LoadMode::kQuickAck &&
      options.transport.kind == mtproto::TransportKind::kFull) {
    return "the full transport has no quick acks; choose another transport or mode";
  }
  if (options.mode == LoadMode::kHandshake && options.rate > 0) {
    return "the handshake mode has no rate; use --connections";
  }
  return {};
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
