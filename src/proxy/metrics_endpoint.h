// proxy/metrics_endpoint: the HTTP server that shows the metrics and the health of the proxy.
//
//   /metrics   the page of metrics
//   /healthz   200 while every session is connected and signed in, else 503 and why
//
// It runs on threads of its own; metrics/http/page_server.h says what bounds them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "metrics/http/page_server.h"
#include "proxy/metrics_page.h"

namespace ringway::proxy {

class MetricsEndpoint final : private metrics::http::Pages {
 public:
  // Asked by the endpoint's threads, until its end.
  using Source = std::function<ProxyStatus()>;

  // `address` is HOST:PORT. Null when it cannot listen: `error` says why.
  static std::unique_ptr<MetricsEndpoint> start(const std::string& address, Source source,
                                                std::string& error);

  [[nodiscard]] int port() const noexcept { return server_->port(); }

 private:
  explicit MetricsEndpoint(Source source) : source_(std::move(source)) {}
  metrics::http::Answer get(std::string_view path) override;

  const Source source_;
  std::unique_ptr<metrics::http::PageServer> server_;  // the last: its threads ask for the rest
};

}  // namespace ringway::proxy
