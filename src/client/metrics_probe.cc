#include "client/metrics_probe.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "client/stream_socket.h"

namespace ringway::client {
namespace {

// The value of a series without labels.
std::optional<double> find_value(std::string_view page, std::string_view name) {
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') continue;
    const std::string_view text = line.substr(name.size() + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && std::isfinite(value) && value >= 0) return value;
  }
  return std::nullopt;
}

Result<std::string> fetch(const MetricsAddress& where, std::string& why) {
  StreamSocket socket;
  if (const auto connected = socket.connect(where.address, kMetricsProbeTimeoutNs);
      !connected.ok()) {
    why = socket.last_error();
    return connected.error();
  }
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n",
                  where.path, where.address);
  const ByteView bytes(reinterpret_cast<const uint8_t*>(request.data()), request.size());
  if (const auto sent = socket.send_all(bytes, kMetricsProbeTimeoutNs); !sent.ok()) {
    why = socket.last_error();
    return sent.error();
  }
  const int64_t end_ns = read_clocks().mono_ns + kMetricsProbeTimeoutNs;
  std::string answer;
  std::vector<uint8_t> part(16 * 1024);
  while (answer.size() < kMetricsPageBytesMax) {
    const int64_t left_ns = end_ns - read_clocks().mono_ns;
    const auto got = left_ns > 0 ? socket.receive(part, left_ns) : Result<size_t>(Error::kTimeout);
    if (!got.ok()) {
      if (got.error() == Error::kNotFound) return answer;  // the end of the stream
      why = got.error() == Error::kTimeout ? "no answer in time" : socket.last_error();
      return got.error();
    }
    answer.append(reinterpret_cast<const char*>(part.data()), *got);
  }
  why = "the answer is too large";
  return Error::kTooLarge;
}

}  // namespace

Result<MetricsAddress> parse_metrics_address(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with(kScheme)) text.remove_prefix(kScheme.size());
  MetricsAddress where;
  const size_t slash = text.find('/');
  where.address = std::string(text.substr(0, slash));
  if (slash != std::string_view::npos && slash + 1 < text.size()) where.path = text.substr(slash);
  const size_t colon = where.address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == where.address.size()) {
    return Error::kInvalidArgument;
  }
  for (const char c : text) {
    if (c <= ' ' || c == 0x7f) return Error::kInvalidArgument;
  }
  return where;
}

std::optional<ProcessUse> parse_metrics_page(std::string_view page) {
  const auto cpu_seconds = find_value(page, "process_cpu_seconds_total");
  const auto resident_bytes = find_value(page, "process_resident_memory_bytes");
  if (!cpu_seconds || !resident_bytes) return std::nullopt;
  return ProcessUse{static_cast<int64_t>(*cpu_seconds * 1e9),
                    static_cast<uint64_t>(*resident_bytes)};
}

std::optional<ProcessUse> fetch_process_use(const MetricsAddress& where, std::string& why) {
  const auto answer = fetch(where, why);
  if (!answer.ok()) return std::nullopt;
  const std::string_view text = *answer;
  const std::string_view status = text.substr(0, text.find("\r\n"));
  if (!status.starts_with("HTTP/1.") || status.substr(status.find(' ') + 1, 3) != "200") {
    why = fmt::format("it answers \"{}\"", status.substr(0, 80));
    return std::nullopt;
  }
  const size_t body = text.find("\r\n\r\n");
  auto use = body == std::string_view::npos ? std::nullopt : parse_metrics_page(text.substr(body));
  if (!use) why = "the page has no process_cpu_seconds_total and process_resident_memory_bytes";
  return use;
}

}  // namespace ringway::client
