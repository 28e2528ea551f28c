// The words and the JSON of client/load.
#include <fmt/format.h>

#include <string>

#include "client/load.h"

namespace ringway::client {
namespace {

std::string milliseconds(int64_t ns) {
  return fmt::format("{:.3f}", static_cast<double>(ns) / 1e6);
}

std::string latency_text(const Histogram& latency) {
  return fmt::format("p50 {}  p90 {}  p99 {}  p99.9 {}  max {} ms",
                     milliseconds(latency.percentile(50)), milliseconds(latency.percentile(90)),
                     milliseconds(latency.percentile(99)), milliseconds(latency.percentile(99.9)),
                     milliseconds(latency.max()));
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string latency_json(const Histogram& latency) {
  const auto us = [](double ns) { return fmt::format("{:.3f}", ns / 1e3); };
  return fmt::format(
      R"({{"count":{},"min":{},"mean":{},"p50":{},"p90":{},"p99":{},"p99.9":{},"max":{}}})",
      latency.count(), us(static_cast<double>(latency.min())), us(latency.mean()),
      us(static_cast<double>(latency.percentile(50))),
      us(static_cast<double>(latency.percentile(90))),
      us(static_cast<double>(latency.percentile(99))),
      us(static_cast<double>(latency.percentile(99.9))), us(static_cast<double>(latency.max())));
}

std::string_view unit_of(LoadMode mode) noexcept {
  return mode == LoadMode::kHandshake ? "key exchanges" : "messages";
}

}  // namespace

std::string to_text(const LoadOptions& options, const LoadReport& report) {
  std::string out;
  const auto line = [&out](std::string text) { out += text + '\n'; };
  line(fmt::format("mode {}, transport {}, {} connections on {} threads, window {}{}",
                   to_string(options.mode), options.transport_name, options.connections,
                   options.threads, options.window,
                   options.rate > 0 ? fmt::format(", rate {:.0f}/s", options.rate) : ""));
  line(fmt::format("set-up       {:.2f} s: {} connections ready, {} failed, {} keys made",
                   report.setup_seconds, report.connections_ready, report.connections_failed,
                   report.keys_made));
  if (options.mode != LoadMode::kHandshake && report.exchange.count() > 0) {
    line("key exchange " + latency_text(report.exchange));
  }
  line(fmt::format("throughput   {:.0f} {}/s ({} in {:.2f} s{})", report.per_second(),
                   unit_of(options.mode), report.completed, report.measured_seconds,
                   report.interrupted ? ", interrupted" : ""));
  line("latency      " + latency_text(report.latency));
  line(fmt::format("own CPU      {:.2f} us per message", report.cpu_ns_per_message / 1e3));
  if (report.errors.empty()) {
    line("errors       none");
  } else {
    std::string errors;
    for (const auto& [kind, count] : report.errors) {
      errors += fmt::format("{}{}: {}", errors.empty() ? "" : ", ", kind, count);
    }
    line("errors       " + errors);
  }
  return out;
}

std::string to_json(const LoadOptions& options, const LoadReport& report) {
  std::string errors;
  for (const auto& [kind, count] : report.errors) {
    errors += fmt::format("{}{}:{}", errors.empty() ? "" : ",", json_string(kind), count);
  }
  return fmt::format(
      R"({{"ok":{},"failure":{},"mode":{},"transport":{},"connections":{},"threads":{},"window":{},)"
      R"("rate":{:.3f},"size":{},"connections_ready":{},"connections_failed":{},"keys_made":{},)"
      R"("setup_seconds":{:.3f},"measured_seconds":{:.3f},"interrupted":{},"sent":{},"completed":{},)"
      R"("per_second":{:.3f},"cpu_us_per_message":{:.3f},"latency_us":{},"key_exchange_us":{},)"
      R"("errors":{{{}}}}})",
      report.failure.empty(), json_string(report.failure), json_string(to_string(options.mode)),
      json_string(options.transport_name), options.connections, options.threads, options.window,
      options.rate, options.message_bytes, report.connections_ready, report.connections_failed,
      report.keys_made, report.setup_seconds, report.measured_seconds, report.interrupted,
      report.sent, report.completed, report.per_second(), report.cpu_ns_per_message / 1e3,
      latency_json(report.latency), latency_json(report.exchange), errors);
}

std::string to_line(const LoadProgress& progress) {
  if (progress.phase == LoadProgress::Phase::kSetup) {
    return fmt::format("set-up {:.0f} s: {} of {} connections ready, {} keys made{}",
                       progress.seconds, progress.ready, progress.connections, progress.keys_made,
                       progress.failed > 0 ? fmt::format(", {} failed", progress.failed) : "");
  }
  return fmt::format("{} {:.0f} s: {:.0f}/s, {} connected, {} done",
                     progress.phase == LoadProgress::Phase::kWarmup ? "warm-up" : "measuring",
                     progress.seconds, progress.per_second, progress.connected, progress.completed);
}

}  // namespace ringway::client
