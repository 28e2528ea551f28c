// metrics/endpoint: the HTTP server behind `Prometheus: {Host, Port, Path}`.
//
//   PATH       the page of metrics
//   /healthz   200 while the workers turn, else 503 and why
//   /readyz    200 when clients may be sent here, else 503 and why
//
// It runs on threads of its own (http/page_server.h says what bounds them) and reads the gateway's
// status from there; workers never wait for it.
//
// start(), attach(), detach() and the destructor are called on one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "gateway/status.h"
#include "metrics/page.h"

namespace ringway::metrics {

class Endpoint {
 public:
  using Source = std::function<gateway::GatewayStatus()>;

  // Listens, and answers that the gateway is starting until attach(). Null when it cannot: `error`
  // then says why, beginning with `place`, where the configuration names the address.
  static std::unique_ptr<Endpoint> start(const config::Prometheus& config, std::string_view place,
                                         BuildInfo build, std::string& error);
  // Ends the threads.
  virtual ~Endpoint() = default;

  // From now on `source` is asked, by the endpoint's threads.
  virtual void attach(Source source) = 0;
  // When this returns, `source` is not asked any more, and the answers are those of a start.
  virtual void detach() = 0;
};

}  // namespace ringway::metrics
