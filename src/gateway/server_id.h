// gateway/server_id: the name under which session shards find this gateway: host:port of its gRPC
// service. It is derived as go-zero's registration does, so that shards configured for gnetway find
// it.
#pragma once

#include <cstdint>
#include <string>

namespace ringway::gateway {

// `listen_host` as configured; where it is empty or a wildcard the environment's POD_IP is taken,
// else the first IPv4 address of an interface that is up and no loopback, else 127.0.0.1.
[[nodiscard]] std::string derive_server_id(const std::string& listen_host, uint16_t port);

}  // namespace ringway::gateway
