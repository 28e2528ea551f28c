// cluster/grpc_transport: ShardTransport over gRPC.
//
// Every channel has connections of its own (a local subchannel pool), so workers share nothing.
// gRPC's threads only append to the channel's queue and wake the worker. The bytes of a write are
// handed to gRPC as they lie in the window.
#pragma once

#include <memory>

#include "cluster/shard_transport.h"

namespace ringway::cluster {

// Its destructor waits until gRPC has let go of everything; channels are closed before.
[[nodiscard]] std::unique_ptr<ShardTransport> make_grpc_transport();

}  // namespace ringway::cluster
