// shard/stream_wire: Teamgram's SessionDataStream, shard side: one answer for each request, in
// order.
#pragma once

#include <memory>

#include "session.grpc.pb.h"
#include "shard/core.h"

namespace ringway::shard {

class StreamService final : public session::RPCSessionStream::CallbackService {
 public:
  explicit StreamService(std::shared_ptr<ShardCore> core) : core_(std::move(core)) {}

  grpc::ServerBidiReactor<session::SessionStreamRequest, session::SessionStreamResponse>*
  SessionDataStream(grpc::CallbackServerContext* context) override;

 private:
  const std::shared_ptr<ShardCore> core_;
};

}  // namespace ringway::shard
