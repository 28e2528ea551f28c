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
  switch (mode) {
    case LoadMode::kHandshake:
      return "key exchanges";
    case LoadMode::kReconnect:
      return "reconnects";
    case LoadMode::kPing:
    case LoadMode::kQuickAck:
    case LoadMode::kEcho:
      break;
  }
  return "messages";
}

template <typename Share, typename Name>
std::string mix_text(const std::vector<Share>& shares, Name name) {
  std::string text;
  for (const Share& share : shares) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", name(share));
    if (shares.size() > 1) text += fmt::format("={}", share.weight);
  }
  return text;
}

std::string transports_text(const LoadOptions& options) {
  return mix_text(options.transports, [](const TransportShare& share) { return share.name; });
}

std::string sizes_text(const LoadOptions& options) {
  return mix_text(options.sizes, [](const SizeShare& share) { return share.bytes; });
}

std::string_view text_of(LoadProgress::Phase phase) noexcept {
  switch (phase) {
    case LoadProgress::Phase::kSetup:
      return "set-up";
    case LoadProgress::Phase::kWait:
      return "waiting for the time to start";
    case LoadProgress::Phase::kWarmup:
      return "warm-up";
    case LoadProgress::Phase::kMeasure:
      return "measuring";
    case LoadProgress::Phase::kDrain:
      return "waiting for the last answers";
  }
  return "";
}

double mib(uint64_t bytes) noexcept { return static_cast<double>(bytes) / (1 << 20); }

double per_message_us(double seconds, const LoadResult& result) noexcept {
  return result.completed == 0 ? 0 : seconds * 1e6 / static_cast<double>(result.completed);
}

std::string errors_text(const std::map<std::string, uint64_t>& errors) {
  std::string text;
  for (const auto& [kind, count] : errors) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", kind, count);
  }
  return text.empty() ? "none" : text;
}

std::string pace_text(const LoadOptions& options) {
  if (options.find_rate) {
    return fmt::format("searching the highest rate with p99 at most {} ms",
                       milliseconds(options.p99_max_ns));
  }
  if (!options.step_rates.empty()) return fmt::format("{} steps", options.step_rates.size());
  if (options.rate > 0) return fmt::format("rate {:.0f}/s", options.rate);
  return fmt::format("window {}", options.window);
}

std::string steps_text(const std::vector<LoadResult>& steps) {
  std::string out = fmt::format("{:>12} {:>12} {:>10} {:>10} {:>10}  {}\n", "rate/s", "reached/s",
                                "p50 ms", "p99 ms", "p99.9 ms", "");
  for (const LoadResult& step : steps) {
    out += fmt::format("{:12.0f} {:12.0f} {:>10} {:>10} {:>10}  {}\n", step.rate, step.per_second(),
                       milliseconds(step.latency.percentile(50)),
                       milliseconds(step.latency.percentile(99)),
                       milliseconds(step.latency.percentile(99.9)),
                       step.missed.empty() ? "passed" : "missed: " + step.missed);
  }
  return out;
}

std::string verdict_text(const LoadVerdict& verdict) {
  return fmt::format(
      "{} sent, {} acknowledged, {} arrived; {} lost, {} too many, {} sessions "
      "mixed up, {} out of order, {} sessions without a tally",
      verdict.sent, verdict.acknowledged, verdict.arrived, verdict.lost, verdict.surplus,
      verdict.mixed_up, verdict.out_of_order, verdict.unasked);
}

std::string gateway_json(const LoadResult& result) {
  if (!result.gateway) return "null";
  return fmt::format(
      R"({{"cpu_us_per_message":{:.3f},"cores":{:.3f},"resident_begin":{},"resident_end":{}}})",
      per_message_us(result.gateway->cpu_seconds, result),
      result.seconds > 0 ? result.gateway->cpu_seconds / result.seconds : 0,
      result.gateway->resident_begin_bytes, result.gateway->resident_end_bytes);
}

// The members of a measurement, without brackets.
std::string result_json(const LoadResult& result) {
  return fmt::format(
      R"("rate":{:.3f},"measured_seconds":{:.3f},"sent":{},"completed":{},"unfinished":{},)"
      R"("overdue":{},"per_second":{:.3f},"cpu_us_per_message":{:.3f},"thread_busy":{:.3f},)"
      R"("thread_wait":{:.3f},"own_limit":{},"missed":{},"gateway":{},"latency_us":{})",
      result.rate, result.seconds, result.sent, result.completed, result.unfinished, result.overdue,
      result.per_second(), per_message_us(result.cpu_seconds, result), result.thread_busy,
      result.thread_wait, json_string(result.own_limit()), json_string(result.missed),
      gateway_json(result), latency_json(result.latency));
}

std::string steps_json(const std::vector<LoadResult>& steps) {
  std::string out;
  for (const LoadResult& step : steps) {
    out += fmt::format("{}{{{}}}", out.empty() ? "" : ",", result_json(step));
  }
  return out;
}

std::string series_json(const std::vector<LoadPoint>& series) {
  std::string out;
  for (const LoadPoint& point : series) {
    out += fmt::format(
        R"({}{{"at":{:.3f},"rate":{:.1f},"per_second":{:.1f},"p50":{:.1f},"p99":{:.1f},)"
        R"("p99.9":{:.1f},"max":{:.1f},"own_cores":{:.3f},"gateway_cores":{:.3f},)"
        R"("gateway_resident":{}}})",
        out.empty() ? "" : ",", point.at_seconds, point.rate, point.per_second,
        static_cast<double>(point.p50_ns) / 1e3, static_cast<double>(point.p99_ns) / 1e3,
        static_cast<double>(point.p999_ns) / 1e3, static_cast<double>(point.max_ns) / 1e3,
        point.own_cores, point.gateway_cores, point.gateway_resident_bytes);
  }
  return out;
}

std::string verdict_json(const std::optional<LoadVerdict>& verdict) {
  if (!verdict) return "null";
  return fmt::format(
      R"({{"sessions":{},"sent":{},"acknowledged":{},"arrived":{},"lost":{},"surplus":{},)"
      R"("mixed_up":{},"out_of_order":{},"unasked":{}}})",
      verdict->sessions, verdict->sent, verdict->acknowledged, verdict->arrived, verdict->lost,
      verdict->surplus, verdict->mixed_up, verdict->out_of_order, verdict->unasked);
}

}  // namespace

std::string to_text(const LoadOptions& options, const LoadReport& report) {
  const LoadResult& result = report.result;
  std::string out;
  const auto line = [&out](std::string_view text) { out += fmt::format("{}\n", text); };
  line(fmt::format("mode {}, transport {}, size {}, {} connections{} on {} threads, {}",
                   to_string(options.mode), transports_text(options), sizes_text(options),
                   options.connections,
                   options.active > 0 ? fmt::format(" ({} with traffic)", options.active) : "",
                   options.threads, pace_text(options)));
  line(
      fmt::format("set-up       {:.2f} s: {} connections ready, {} failed, {} keys made, {} reused",
                  report.setup_seconds, report.connections_ready, report.connections_failed,
                  report.keys_made, report.keys_reused));
  if (report.exchange.count() > 0) line("key exchange " + latency_text(report.exchange));
  if (!report.steps.empty()) out += steps_text(report.steps);
  line(fmt::format("throughput   {:.0f} {}/s ({} in {:.2f} s{})", result.per_second(),
                   unit_of(options.mode), result.completed, result.seconds,
                   report.interrupted ? ", interrupted" : ""));
  line("latency      " + latency_text(result.latency));
  if (result.unfinished + result.overdue > 0) {
    line(fmt::format(
        "unfinished   {} sent and not answered, {} due and not sent{}", result.unfinished,
        result.overdue,
        result.rate > 0 ? "; they are among the latencies with the time they waited" : ""));
  }
  if (report.verdict) line("verified     " + verdict_text(*report.verdict));
  line(fmt::format("own CPU      {:.2f} us per message, busiest thread {:.0f}%",
                   per_message_us(result.cpu_seconds, result), 100 * result.thread_busy));
  if (result.gateway) {
    line(fmt::format(
        "gateway      {:.2f} us per message, {:.2f} cores, {:.1f} MiB resident ({:+.1f})",
        per_message_us(result.gateway->cpu_seconds, result),
        result.seconds > 0 ? result.gateway->cpu_seconds / result.seconds : 0,
        mib(result.gateway->resident_end_bytes),
        mib(result.gateway->resident_end_bytes) - mib(result.gateway->resident_begin_bytes)));
  }
  line("errors       " + errors_text(report.errors));
  if (const std::string limit = result.own_limit(); !limit.empty()) line("note         " + limit);
  return out;
}

std::string to_json(const LoadOptions& options, const LoadReport& report) {
  std::string errors;
  for (const auto& [kind, count] : report.errors) {
    errors += fmt::format("{}{}:{}", errors.empty() ? "" : ",", json_string(kind), count);
  }
  return fmt::format(
      R"({{"ok":{},"failure":{},"mode":{},"transport":{},"size":{},"connections":{},"active":{},)"
      R"("threads":{},"window":{},"connections_ready":{},"connections_failed":{},"keys_made":{},)"
      R"("keys_reused":{},"setup_seconds":{:.3f},"interrupted":{},{},"key_exchange_us":{},)"
      R"("errors":{{{}}},"verified":{},"steps":[{}],"series_us":[{}]}})",
      report.failure.empty(), json_string(report.failure), json_string(to_string(options.mode)),
      json_string(transports_text(options)), json_string(sizes_text(options)), options.connections,
      options.busy_connections(), options.threads, options.window, report.connections_ready,
      report.connections_failed, report.keys_made, report.keys_reused, report.setup_seconds,
      report.interrupted, result_json(report.result), latency_json(report.exchange), errors,
      verdict_json(report.verdict), steps_json(report.steps), series_json(report.series));
}

std::string to_lines(const LoadOptions& options, const LoadProgress& progress) {
  std::string phase{text_of(progress.phase)};
  if (progress.step > 0) phase = fmt::format("step {}, {}", progress.step, phase);
  std::string out = fmt::format(
      "{} {:.0f}{} s: {} of {} connections ready, {} connected{}\n", phase, progress.seconds,
      progress.phase_seconds > 0 ? fmt::format(" of {:.0f}", progress.phase_seconds) : "",
      progress.ready, progress.connections, progress.connected,
      progress.failed > 0 ? fmt::format(", {} failed", progress.failed) : "");
  if (progress.phase == LoadProgress::Phase::kSetup ||
      progress.phase == LoadProgress::Phase::kWait) {
    out += fmt::format("{} keys made\n", progress.keys_made);
  } else {
    const LoadPoint& recent = progress.recent;
    out += fmt::format("{:.0f} {}/s{}, {} done, {} under way\n", recent.per_second,
                       unit_of(options.mode),
                       recent.rate > 0 ? fmt::format(" of {:.0f}", recent.rate) : "",
                       progress.completed, progress.under_way);
    out += fmt::format("p50 {}  p99 {}  p99.9 {}  max {} ms\n", milliseconds(recent.p50_ns),
                       milliseconds(recent.p99_ns), milliseconds(recent.p999_ns),
                       milliseconds(recent.max_ns));
    out += fmt::format("own CPU {:.2f} cores", recent.own_cores);
    if (progress.watches_gateway) {
      out += fmt::format(", gateway {:.2f} cores and {:.1f} MiB", recent.gateway_cores,
                         mib(recent.gateway_resident_bytes));
    }
    out += '\n';
  }
  if (!progress.errors.empty()) out += fmt::format("errors {}\n", errors_text(progress.errors));
  return out;
}

}  // namespace ringway::client
