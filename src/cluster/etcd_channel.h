// cluster/etcd_channel: a gRPC channel to one host of an etcd cluster, with or without TLS.
//
// Apart from etcd_client because gRPC's ways to TLS are a matter of their own. Any thread.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "cluster/etcd_client.h"

namespace ringway::cluster {

// Null with the reason in `error` when a certificate or key cannot be read. The channel connects
// with its first call.
[[nodiscard]] std::shared_ptr<grpc::Channel> make_etcd_channel(const EtcdOptions& options,
                                                               const std::string& host,
                                                               std::string& error);

}  // namespace ringway::cluster
