// client/metrics_probe: a gateway's processor time and memory from its Prometheus endpoint.
//
// Synchronous and bounded: one request takes at most kMetricsProbeTimeoutNs for each of its steps
// and reads at most kMetricsPageBytesMax.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/load_probe.h"

namespace ringway::client {

struct MetricsAddress {
  std::string address;  // HOST:PORT; empty: none
  std::string path = "/metrics";

  friend bool operator==(const MetricsAddress&, const MetricsAddress&) = default;
};

// "HOST:PORT" or "HOST:PORT/PATH", with or without http:// before it.
Result<MetricsAddress> parse_metrics_address(std::string_view text);

// process_cpu_seconds_total and process_resident_memory_bytes of a page of metrics.
[[nodiscard]] std::optional<ProcessUse> parse_metrics_page(std::string_view page);

// Asks the endpoint. Nothing when it does not answer so; `why` then says what came instead.
[[nodiscard]] std::optional<ProcessUse> fetch_process_use(const MetricsAddress& where,
                                                          std::string& why);

}  // namespace ringway::client
