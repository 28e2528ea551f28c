#include "proxy/metrics_endpoint.h"

#include <utility>

namespace ringway::proxy {

using metrics::http::Answer;

std::unique_ptr<MetricsEndpoint> MetricsEndpoint::start(const std::string& address, Source source,
                                                        std::string& error) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint(std::move(source)));
  endpoint->server_ = metrics::http::PageServer::start(address, *endpoint, error);
  return error.empty() ? std::move(endpoint) : nullptr;
}

Answer MetricsEndpoint::get(std::string_view path) {
  if (path == "/metrics") {
    return {.body = metrics_page(source_()), .type = metrics::http::kMetricsType};
  }
  if (path == "/healthz") {
    HealthAnswer health = health_of(source_());
    return {.code = health.good ? 200 : 503, .body = std::move(health.text)};
  }
  return {.code = 404, .body = "try /metrics or /healthz\n"};
}

}  // namespace ringway::proxy
