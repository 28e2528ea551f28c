#include "metrics/page.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/clock.h"
#include "metrics/counter_families.h"

namespace ringway::metrics {
namespace {

using gateway::DecodeReason;
using gateway::GatewayStatus;
using gateway::ListenerStatus;
using gateway::WorkerStatus;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNsPerSecondF = 1e9;

// Collects families; those without a series are left out.
class Page {
 public:
  // What follows are series of this family.
  Page& counter(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Counter);
  }
  Page& gauge(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Gauge);
  }
  Page& histogram(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Histogram);
  }
  Page& add(double value, Labels labels = {}) {
    ClientMetric& metric = make(std::move(labels));
    metric.counter.value = value;
    metric.gauge.value = value;
    return *this;
  }
  Page& add(uint64_t value, Labels labels = {}) {
    return add(static_cast<double>(value), std::move(labels));
  }
  // Observations are `unit`s of what is shown.
  Page& add(const DistributionCounts& counts, Distribution distribution, double unit,
            Labels labels = {}) {
    ClientMetric::Histogram& shown = make(std::move(labels)).histogram;
    uint64_t total = 0;
    const auto bounds = distribution_bounds(distribution);
    for (size_t i = 0; i < bounds.size(); ++i) {
      total += counts.buckets[i];
      shown.bucket.push_back({total, static_cast<double>(bounds[i]) / unit});
    }
    shown.sample_count = total + counts.buckets[bounds.size()];
    shown.sample_sum = static_cast<double>(counts.sum) / unit;
    return *this;
  }
  [[nodiscard]] std::string text() {
    std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  Page& begin(std::string name, std::string help, MetricType type) {
    MetricFamily& family = families_.emplace_back();
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    return *this;
  }
  ClientMetric& make(Labels labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  std::vector<MetricFamily> families_;
};

uint64_t total(const GatewayStatus& status, Counter counter) {
  uint64_t sum = 0;
  for (const WorkerStatus& worker : status.workers) {
    sum += worker.counters[static_cast<size_t>(counter)];
  }
  return sum;
}

DistributionCounts total(const GatewayStatus& status, Distribution distribution) {
  DistributionCounts sum;
  for (const WorkerStatus& worker : status.workers) {
    sum.add(worker.distributions[static_cast<size_t>(distribution)]);
  }
  return sum;
}

// One for each listener of the status, over all workers.
std::vector<ListenerStatus> listener_totals(const GatewayStatus& status) {
  std::vector<ListenerStatus> totals(status.listeners.size());
  for (const WorkerStatus& worker : status.workers) {
    for (size_t i = 0; i < totals.size() && i < worker.listeners.size(); ++i) {
      const ListenerStatus& part = worker.listeners[i];
      totals[i].opened += part.opened;
      totals[i].closed += part.closed;
      totals[i].bytes_received += part.bytes_received;
      totals[i].frames_received += part.frames_received;
      totals[i].bytes_sent += part.bytes_sent;
      for (size_t j = 0; j < part.decode_errors.size(); ++j) {
        totals[i].decode_errors[j] += part.decode_errors[j];
      }
    }
  }
  return totals;
}

std::map<std::string, ListenerStatus> protocol_totals(const GatewayStatus& status) {
  std::map<std::string, ListenerStatus> totals;
  const std::vector<ListenerStatus> listeners = listener_totals(status);
  for (size_t i = 0; i < listeners.size(); ++i) {
    ListenerStatus& sum = totals[status.listeners[i].protocol];
    sum.opened += listeners[i].opened;
    sum.closed += listeners[i].closed;
    for (size_t j = 0; j < sum.decode_errors.size(); ++j) {
      sum.decode_errors[j] += listeners[i].decode_errors[j];
    }
  }
  return totals;
}

void add_gnetway(Page& page, const GatewayStatus& status) {
  const auto protocols = protocol_totals(status);
  page.counter("gnetway_conn_open_total", "Total number of connections opened.");
  for (const auto& [name, sum] : protocols) page.add(sum.opened, {{"proto", name}});
  page.counter("gnetway_conn_close_total", "Total number of connections closed.");
  for (const auto& [name, sum] : protocols) page.add(sum.closed, {{"proto", name}});
  uint64_t timeouts = 0;
  for (const Counter counter :
       {Counter::kTimeoutFirstByte, Counter::kTimeoutHandshake, Counter::kTimeoutFrame,
        Counter::kTimeoutIdle, Counter::kTimeoutKeyLookup}) {
    timeouts += total(status, counter);
  }
  page.counter("gnetway_conn_timeout_total", "Total number of connections closed by timeout.")
      .add(timeouts);
  page.counter("gnetway_handshake_total", "Total number of handshake attempts.")
      .add(total(status, Counter::kHandshakesDone), {{"result", "ok"}})
      .add(total(status, Counter::kHandshakesFailed) + total(status, Counter::kHandshakesLimited),
           {{"result", "error"}});
  page.histogram("gnetway_msg_process_duration_ms", "Message processing duration in milliseconds.")
      .add(total(status, Distribution::kMessageDuration), Distribution::kMessageDuration,
           static_cast<double>(kNsPerMs), {{"type", "encrypted"}})
      .add(total(status, Distribution::kKeyExchangeDuration), Distribution::kKeyExchangeDuration,
           static_cast<double>(kNsPerMs), {{"type", "unencrypted"}});
  page.counter("gnetway_msg_quick_ack_total", "Total number of quick ACK responses sent.")
      .add(total(status, Counter::kQuickAcks));
  page.counter("gnetway_codec_decode_errors_total",
               "Total number of MTProto codec decode errors, labeled by transport and reason.");
  for (const auto& [name, sum] : protocols) {
    for (size_t i = 0; i < sum.decode_errors.size(); ++i) {
      page.add(sum.decode_errors[i],
               {{"proto", name}, {"reason", std::string(to_string(static_cast<DecodeReason>(i)))}});
    }
  }
}

std::string worker_name(size_t index) { return std::to_string(index); }

void add_counters(Page& page, const GatewayStatus& status) {
  for (const CounterFamily& family : counter_families()) {
    page.counter(family.name, family.help);
    if (family.of_process) {
      const auto counter = static_cast<size_t>(family.series.front().counter);
      page.add(status.beside_workers[counter]);
      continue;
    }
    for (size_t i = 0; i < status.workers.size(); ++i) {
      for (const CounterFamily::Series& series : family.series) {
        Labels labels{{"worker", worker_name(i)}};
        if (!family.label.empty()) {
          labels.push_back({std::string(family.label), std::string(series.label_value)});
        }
        page.add(status.workers[i].counters[static_cast<size_t>(series.counter)],
                 std::move(labels));
      }
    }
  }
}

template <typename Value>
void add_by_worker(Page& page, const GatewayStatus& status, Value value) {
  for (size_t i = 0; i < status.workers.size(); ++i) {
    page.add(value(status.workers[i]), {{"worker", worker_name(i)}});
  }
}

void add_histogram(Page& page, const GatewayStatus& status, Distribution distribution, double unit,
                   std::string name, std::string help) {
  page.histogram(std::move(name), std::move(help));
  for (size_t i = 0; i < status.workers.size(); ++i) {
    page.add(status.workers[i].distributions[static_cast<size_t>(distribution)], distribution, unit,
             {{"worker", worker_name(i)}});
  }
}

void add_workers(Page& page, const GatewayStatus& status) {
  page.gauge("ringway_connections", "Client connections of the worker now.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.gauges.connections; });
  page.gauge("ringway_connections_max", "Client connections that the worker may have.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.connections_max; });
  page.gauge("ringway_sessions", "Sessions of the worker now.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.gauges.sessions; });
  page.gauge("ringway_keys_cached", "Authorization keys in the worker's memory.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.gauges.keys_cached; });
  page.gauge("ringway_input_bytes", "Received from clients and not handed on yet.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.gauges.input_bytes; });
  page.gauge("ringway_output_bytes", "Memory of what clients have not taken yet.");
  add_by_worker(page, status, [](const WorkerStatus& w) { return w.gauges.output_bytes; });
  page.counter("ringway_worker_cpu_seconds_total", "Processor time of the worker's thread.");
  add_by_worker(page, status, [](const WorkerStatus& w) {
    return static_cast<double>(w.cpu_ns) / kNsPerSecondF;
  });
  add_histogram(page, status, Distribution::kTurnDuration, kNsPerSecondF,
                "ringway_turn_duration_seconds",
                "Time of a turn's own work, without submitting and waiting.");
  add_histogram(page, status, Distribution::kTurnMessages, 1, "ringway_opened_together_messages",
                "Messages decrypted together.");
  add_histogram(page, status, Distribution::kBatchMessages, 1, "ringway_batch_messages",
                "Messages of one batch to a shard.");
}

void add_listeners(Page& page, const GatewayStatus& status) {
  const std::vector<ListenerStatus> totals = listener_totals(status);
  const auto each = [&](auto value) {
    for (size_t i = 0; i < totals.size(); ++i) {
      page.add(value(totals[i]), {{"listener", status.listeners[i].address},
                                  {"proto", status.listeners[i].protocol}});
    }
  };
  page.gauge("ringway_listener_connections", "Connections that came by the listener and live.");
  // A connection that ends between two workers' looks must not make it negative.
  each([](const ListenerStatus& l) { return l.opened - std::min(l.opened, l.closed); });
  page.counter("ringway_listener_accepted_total", "Connections accepted by the listener.");
  each([](const ListenerStatus& l) { return l.opened; });
  page.counter("ringway_listener_received_bytes_total", "Bytes that came by the listener.");
  each([](const ListenerStatus& l) { return l.bytes_received; });
  page.counter("ringway_listener_sent_bytes_total",
               "Bytes given out to be sent on connections of the listener.");
  each([](const ListenerStatus& l) { return l.bytes_sent; });
  page.counter("ringway_listener_frames_total", "Frames that came by the listener.");
  each([](const ListenerStatus& l) { return l.frames_received; });
}

// The links of all workers to one shard.
struct ShardTotal {
  std::map<std::string, uint64_t> wires;
  uint64_t links = 0;
  uint64_t up = 0;
  uint64_t window_messages = 0;
  uint64_t window_bytes = 0;
  cluster::LinkTally tally;
};

std::map<std::string, ShardTotal> shard_totals(const GatewayStatus& status) {
  std::map<std::string, ShardTotal> totals;
  for (const WorkerStatus& worker : status.workers) {
    for (const cluster::ShardStatus& link : worker.gauges.links) {
      ShardTotal& sum = totals[link.address];
      ++sum.links;
      if (link.up) ++sum.wires[link.wire];
      sum.up += link.reached ? 1 : 0;
      sum.window_messages += link.window_messages;
      sum.window_bytes += link.window_bytes;
      sum.tally.batches += link.tally.batches;
      sum.tally.messages += link.tally.messages;
      sum.tally.replays += link.tally.replays;
      sum.tally.breaks += link.tally.breaks;
    }
  }
  return totals;
}

void add_shards(Page& page, const GatewayStatus& status) {
  const auto totals = shard_totals(status);
  const auto each = [&](auto value) {
    for (const auto& [shard, sum] : totals) page.add(value(sum), {{"shard", shard}});
  };
  page.gauge("ringway_shard_links", "Links to the shard: one for each worker.");
  each([](const ShardTotal& s) { return s.links; });
  page.gauge("ringway_shard_links_up", "Of these, the ones that reach the shard.");
  each([](const ShardTotal& s) { return s.up; });
  page.gauge("ringway_shard_links_by_wire", "Links that carry messages, by what they speak.");
  for (const auto& [shard, sum] : totals) {
    for (const auto& [wire, count] : sum.wires) {
      page.add(count, {{"shard", shard}, {"wire", wire}});
    }
  }
  page.gauge("ringway_shard_window_messages",
             "Messages taken over for the shard and not acknowledged by it.");
  each([](const ShardTotal& s) { return s.window_messages; });
  page.gauge("ringway_shard_window_bytes", "Memory of these messages.");
  each([](const ShardTotal& s) { return s.window_bytes; });
  page.counter("ringway_shard_batches_total", "Batches sent to the shard.");
  each([](const ShardTotal& s) { return s.tally.batches; });
  page.counter("ringway_shard_messages_total",
               "Messages and ends of sessions sent to the shard, as often as they were sent.");
  each([](const ShardTotal& s) { return s.tally.messages; });
  page.counter("ringway_shard_replays_total",
               "Messages without an acknowledgement when a link to the shard broke.");
  each([](const ShardTotal& s) { return s.tally.replays; });
  page.counter("ringway_shard_link_breaks_total", "Links to the shard that were up and broke.");
  each([](const ShardTotal& s) { return s.tally.breaks; });
}

void add_process(Page& page, const ProcessUse& process) {
  page.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
      .add(process.cpu_seconds);
  page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
      .add(process.resident_bytes);
  page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
      .add(process.virtual_bytes);
  page.gauge("process_threads", "Number of OS threads in the process.").add(process.threads);
  page.gauge("process_open_fds", "Number of open file descriptors.").add(process.open_files);
  page.gauge("process_max_fds", "Maximum number of open file descriptors.")
      .add(process.open_files_max);
  page.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
      .add(process.start_unix_seconds);
}

void add_rest(Page& page, const GatewayStatus& status, const LogTally& log, const HttpTally& http,
              const BuildInfo& build) {
  page.gauge("ringway_build_info", "Always 1; the labels say what is running.")
      .add(uint64_t{1}, {{"version", build.version},
                         {"aes_kernel", build.aes_kernel},
                         {"sha_kernel", build.sha_kernel}});
  page.gauge("ringway_workers", "Workers of the gateway.").add(uint64_t{status.workers.size()});
  page.gauge("ringway_session_shards_known", "Session shards that messages are shared out among.")
      .add(status.shards_known);
  page.gauge("ringway_etcd_up", "1 while etcd serves this gateway, by what it is asked for.");
  if (status.etcd_discovery_up) {
    page.add(uint64_t{*status.etcd_discovery_up ? 1U : 0U}, {{"use", "discovery"}});
  }
  if (status.etcd_registered) {
    page.add(uint64_t{*status.etcd_registered ? 1U : 0U}, {{"use", "registration"}});
  }
  page.gauge("ringway_draining", "1 while the gateway shuts down.")
      .add(uint64_t{status.draining ? 1U : 0U});
  page.counter("ringway_log_lines_total", "Lines logged.");
  for (size_t i = 0; i < log.lines.size(); ++i) {
    page.add(log.lines[i], {{"level", std::string(to_string(static_cast<LogLevel>(i)))}});
  }
  page.counter("ringway_log_lines_dropped_total",
               "Lines that found the log's queue full and were dropped.")
      .add(log.dropped);
  page.counter("ringway_log_write_errors_total",
               "Lines that the log's file did not take: a full disk, for instance.")
      .add(log.write_errors);
  page.counter("ringway_http_requests_total", "Requests to this endpoint by path and answer.");
  for (size_t path = 0; path < kHttpPaths.size(); ++path) {
    for (size_t code = 0; code < kHttpCodes.size(); ++code) {
      if (http.answers[path][code] == 0) continue;
      page.add(http.answers[path][code], {{"path", std::string(kHttpPaths[path])},
                                          {"code", std::to_string(kHttpCodes[code])}});
    }
  }
}

}  // namespace

std::string metrics_page(const GatewayStatus& status, const ProcessUse& process,
                         const LogTally& log, const HttpTally& http, const BuildInfo& build) {
  Page page;
  add_gnetway(page, status);
  add_counters(page, status);
  add_workers(page, status);
  add_listeners(page, status);
  add_shards(page, status);
  add_process(page, process);
  add_rest(page, status, log, http, build);
  return page.text();
}

}  // namespace ringway::metrics
