// gateway/gateway: the whole gateway: workers, crypto pool, shard links and the gRPC service.
//
// start() returns once everything listens; the caller then waits for a signal and calls drain().
// All of it is called on one thread, but for status().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "config/config.h"
#include "crypto/rsa.h"
#include "gateway/status.h"
#include "net/inherited_socket.h"

namespace ringway::gateway {

struct GatewayKey {
  std::shared_ptr<const crypto::RsaKey> key;
  uint64_t fingerprint = 0;
};

struct GatewayOptions {
  config::Config config;
  std::vector<GatewayKey> keys;
  std::string server_id;  // host:port; empty: derived from where the service listens
  std::vector<net::InheritedSocket> inherited;  // listening sockets that systemd has handed over
};

class Gateway {
 public:
  // Null on failure; `error` then says what to do about it.
  static std::unique_ptr<Gateway> start(GatewayOptions options, std::string& error);
  virtual ~Gateway() = default;

  // The addresses that are listened on, with real ports.
  [[nodiscard]] virtual const std::vector<std::string>& addresses() const noexcept = 0;
  [[nodiscard]] virtual int service_port() const noexcept = 0;
  // All counters, summed over the workers and the threads beside them, in the order of
  // base/counters.h.
  [[nodiscard]] virtual std::vector<std::pair<std::string_view, uint64_t>> counters() const = 0;
  // Any thread, from start() on: what the gateway shows of itself.
  [[nodiscard]] virtual GatewayStatus status() const = 0;

  // Reads the listeners' certificates and keys again, for the connections that come from now on;
  // `reloaded` is how many listeners have any. Empty, or what is wrong: the old ones then stay.
  virtual std::string reload_certificates(size_t& reloaded) = 0;

  // Takes this gateway's name out of etcd, stops accepting, delivers what was taken over, closes
  // the sessions at their shards and ends the workers. False when the drain time was not enough;
  // what is left is then logged.
  virtual bool drain() = 0;
};

}  // namespace ringway::gateway
