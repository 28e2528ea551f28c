// proxy/metrics_endpoint: the HTTP server that shows the metrics and the health of the proxy.
//
//   /metrics   the page of metrics
//   /healthz   200 while every session is connected and signed in, else 503 and why
//
// It runs on threads of its own (civetweb's), bounded as that of the gateway is. Every answer ends
// its connection. There is neither encryption nor a password: it belongs in the private network.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/metrics_page.h"

namespace ringway::proxy {

class MetricsEndpoint {
 public:
  // Asked by the endpoint's threads, until its end.
  using Source = std::function<ProxyStatus()>;

  // `address` is HOST:PORT. Null when it cannot listen: `error` says why.
  static std::unique_ptr<MetricsEndpoint> start(const std::string& address, Source source,
                                                std::string& error);
  // Ends the threads.
  virtual ~MetricsEndpoint() = default;

  [[nodiscard]] virtual int port() const noexcept = 0;
};

}  // namespace ringway::proxy
