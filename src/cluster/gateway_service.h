// cluster/gateway_service: the gateway's own gRPC server on ListenOn: RPCGateway, RPCGatewayStream
// and grpc.health.v1. gRPC's threads own no ring: they put each push into the home worker's inbox
// and answer when the worker has called the reply.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cluster/push.h"

namespace ringway::cluster {

struct GatewayServiceOptions {
  std::string listen_on;  // host:port; port 0 picks a free one
  bool health = true;
};

class GatewayService {
 public:
  // Listens and serves until shutdown. On failure returns null and says why in `error`.
  static std::unique_ptr<GatewayService> start(const GatewayServiceOptions& options, PushSink& sink,
                                               std::string& error);
  virtual ~GatewayService() = default;
  [[nodiscard]] virtual int port() const noexcept = 0;
  // Refuses new calls, waits for the running ones up to `grace_ns`, then cancels them.
  virtual void shutdown(int64_t grace_ns) = 0;
};

}  // namespace ringway::cluster
