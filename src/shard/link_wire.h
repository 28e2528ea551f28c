// shard/link_wire: the batched link (proto/ringway_link.proto), shard side.
#pragma once

#include <memory>

#include "ringway_link.grpc.pb.h"
#include "shard/core.h"

namespace ringway::shard {

// Serves ShardLink. Any number of links, each with its own order.
class LinkService final : public ringway::link::v1::ShardLink::CallbackService {
 public:
  explicit LinkService(std::shared_ptr<ShardCore> core) : core_(std::move(core)) {}

  grpc::ServerBidiReactor<ringway::link::v1::LinkUp, ringway::link::v1::LinkDown>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  const std::shared_ptr<ShardCore> core_;
};

}  // namespace ringway::shard
