#include "proxy/metrics_page.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <string_view>
#include <utility>

namespace ringway::proxy {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNsPerSecondF = 1e9;

// As gRPC numbers them.
constexpr std::array<std::string_view, kStatusCodes> kStatusNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

class Page {
 public:
  explicit Page(const ProxyStatus& status) : status_(status) {}

  void family(MetricType type, std::string name, std::string help) {
    MetricFamily& family = families_.emplace_back();
    family.name = "ringway_proxy_" + std::move(name);
    family.help = std::move(help);
    family.type = type;
  }
  void add(double value, Labels labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
  }
  // Of those ends that there were.
  void add_ends(const StatusCounts& counts, const Labels& labels) {
    for (size_t code = 0; code < counts.size(); ++code) {
      if (counts[code] == 0) continue;
      Labels all = labels;
      all.push_back({"status", std::string(kStatusNames[code])});
      add(static_cast<double>(counts[code]), std::move(all));
    }
  }
  // A number of each session; `pick(const SessionStatus&)`.
  template <typename Pick>
  void per_session(MetricType type, std::string name, std::string help, Pick pick,
                   double unit = 1) {
    family(type, std::move(name), std::move(help));
    add_per_session({}, pick, unit);
  }
  template <typename Pick>
  void add_per_session(const Labels& labels, Pick pick, double unit = 1) {
    for (const SessionStatus& session : status_.sessions) {
      Labels all = {{"session", session.name}};
      all.insert(all.end(), labels.begin(), labels.end());
      add(static_cast<double>(pick(session)) / unit, std::move(all));
    }
  }
  [[nodiscard]] std::string text() {
    std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  const ProxyStatus& status_;
  std::vector<MetricFamily> families_;
};

void add_calls(Page& page, const ProxyStatus& status) {
  page.family(MetricType::Counter, "calls_total", "Calls that have ended, by method and status.");
  for (const SessionStatus& session : status.sessions) {
    for (const auto& [method, counts] : session.methods) {
      page.add_ends(counts, {{"session", session.name}, {"method", method}});
    }
  }
  page.family(MetricType::Counter, "client_calls_total",
              "Calls that have ended, by the name of the caller's token.");
  for (const auto& [client, counts] : status.clients) {
    page.add_ends(counts, {{"client", client}});
  }
  page.family(MetricType::Counter, "refused_total",
              "Calls refused before it was known what they want: tokens, sessions, methods.");
  page.add_ends(status.refused, {});
  page.family(MetricType::Gauge, "in_flight", "Calls that the server has not answered.");
  page.add_per_session({{"lane", "calls"}}, [](const auto& s) { return s.in_flight_calls; });
  page.add_per_session({{"lane", "transfers"}},
                       [](const auto& s) { return s.in_flight_transfers; });
  page.per_session(MetricType::Gauge, "queued", "Calls that wait for their turn.",
                   [](const auto& s) { return s.queued; });
  page.per_session(MetricType::Gauge, "queued_bytes", "Bytes of calls that wait.",
                   [](const auto& s) { return s.queued_bytes; });
  page.per_session(MetricType::Gauge, "clients", "Clients with calls that wait or are in flight.",
                   [](const auto& s) { return s.clients; });
  page.per_session(MetricType::Counter, "held_total",
                   "Times that a call had to wait because the server asked for that.",
                   [](const auto& s) { return s.held; });
  page.family(MetricType::Counter, "unsent_total", "Calls that ended before they were sent.");
  page.add_per_session({{"reason", "full"}}, [](const auto& s) { return s.refused_full; });
  page.add_per_session({{"reason", "cancelled"}},
                       [](const auto& s) { return s.cancelled_waiting; });
  page.add_per_session({{"reason", "deadline"}}, [](const auto& s) { return s.expired_waiting; });
}

void add_conversion(Page& page) {
  page.family(MetricType::Counter, "conversion_seconds_total",
              "Time spent on converting between protobuf and TL.");
  page.add_per_session(
      {{"direction", "to_tl"}}, [](const auto& s) { return s.to_tl_ns; }, kNsPerSecondF);
  page.add_per_session(
      {{"direction", "to_proto"}}, [](const auto& s) { return s.to_proto_ns; }, kNsPerSecondF);
  page.family(MetricType::Counter, "converted_bytes_total", "Bytes that were converted.");
  page.add_per_session({{"direction", "to_tl"}}, [](const auto& s) { return s.to_tl_bytes; });
  page.add_per_session({{"direction", "to_proto"}}, [](const auto& s) { return s.to_proto_bytes; });
  page.per_session(MetricType::Counter, "repaired_strings_total",
                   "Texts of servers that were not UTF-8.",
                   [](const auto& s) { return s.repaired_strings; });
}

void add_updates(Page& page, const ProxyStatus& status) {
  page.per_session(MetricType::Counter, "updates_total", "Updates that listeners were given.",
                   [](const auto& s) { return s.journal.updates; });
  page.per_session(MetricType::Counter, "gaps_total", "Gaps in the updates of the server.",
                   [](const auto& s) { return s.journal.gaps; });
  page.per_session(MetricType::Counter, "update_failures_total",
                   "Objects in updates that the layer does not have.",
                   [](const auto& s) { return s.journal.failures; });
  page.per_session(MetricType::Gauge, "journal_events", "Events that can still be read.",
                   [](const auto& s) { return s.journal.kept_events; });
  page.per_session(MetricType::Gauge, "journal_bytes", "Bytes of those.",
                   [](const auto& s) { return s.journal.kept_bytes; });
  page.family(MetricType::Gauge, "listeners", "Streams of updates.");
  page.add(static_cast<double>(status.listeners), {});
  page.family(MetricType::Counter, "listeners_refused_full_total",
              "Streams of updates that were one too many.");
  page.add(static_cast<double>(status.listeners_refused_full), {});
  page.family(MetricType::Gauge, "listener_lag_max",
              "How many events the slowest listener is behind.");
  page.add(static_cast<double>(status.listener_lag_max), {});
}

// What servers said of the messages that they did not take.
void add_refusals(Page& page, const ProxyStatus& status) {
  using client::BadMessageCounts;
  page.family(MetricType::Counter, "bad_messages_total",
              "Messages that the server refused by a bad_msg_notification, by its code.");
  for (size_t i = 0; i < BadMessageCounts::kCodes.size(); ++i) {
    page.add_per_session({{"code", std::to_string(BadMessageCounts::kCodes[i])}},
                         [i](const auto& s) { return s.account.counts.refusals.by_code[i]; });
  }
  page.add_per_session({{"code", "other"}},
                       [](const auto& s) { return s.account.counts.refusals.other; });
  page.per_session(MetricType::Counter, "bad_server_salts_total",
                   "Messages that the server refused for an old salt, and gave the new one.",
                   [](const auto& s) { return s.account.counts.bad_server_salts; });
  page.family(MetricType::Gauge, "time_offset_seconds",
              "The server's clock minus this machine's, for each DC that there is a session with.");
  for (const SessionStatus& session : status.sessions) {
    for (const auto& [dc, offset_ns] : session.account.counts.time_offsets_ns) {
      page.add(static_cast<double>(offset_ns) / kNsPerSecondF,
               {{"session", session.name}, {"dc", std::to_string(dc)}});
    }
  }
}

void add_accounts(Page& page, const ProxyStatus& status) {
  page.per_session(MetricType::Gauge, "ready", "1 while connected and signed in.",
                   [](const auto& s) { return s.account.ready ? 1 : 0; });
  page.per_session(MetricType::Counter, "connects_total", "Connections made to servers.",
                   [](const auto& s) { return s.account.counts.connects; });
  page.per_session(MetricType::Counter, "connection_failures_total",
                   "Connections that could not be made, or broke.",
                   [](const auto& s) { return s.account.counts.connection_failures; });
  page.per_session(MetricType::Counter, "keys_made_total", "Keys exchanged with servers.",
                   [](const auto& s) { return s.account.counts.keys_made; });
  page.per_session(MetricType::Counter, "redirects_total", "Calls that went to another DC.",
                   [](const auto& s) { return s.account.counts.redirects; });
  page.per_session(MetricType::Counter, "server_waits_total", "Waits that the server asked for.",
                   [](const auto& s) { return s.account.counts.waits; });
  page.per_session(MetricType::Counter, "resends_total", "Messages that were sent again.",
                   [](const auto& s) { return s.account.counts.resends; });
  add_refusals(page, status);
}

}  // namespace

StatusCounts counts_of(const StatusTally& tally) noexcept {
  StatusCounts counts{};
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i] = tally.ends[i].load(std::memory_order_relaxed);
  }
  return counts;
}

std::string metrics_page(const ProxyStatus& status) {
  Page page(status);
  add_calls(page, status);
  add_conversion(page);
  add_updates(page, status);
  add_accounts(page, status);
  return page.text();
}

HealthAnswer health_of(const ProxyStatus& status) {
  HealthAnswer answer;
  answer.good = true;
  for (const SessionStatus& session : status.sessions) {
    const bool ready = session.account.ready;
    answer.good = answer.good && ready;
    answer.text += fmt::format("{}: {}\n", session.name, ready ? "ready" : session.account.reason);
  }
  return answer;
}

}  // namespace ringway::proxy
