// shard/push_stream: one GatewayDataStream to a gateway; see gateway_peer.h.
//
// Requests wait in one queue: the first `started_` of them are on the wire and unanswered, the rest
// is not yet written. One write is in flight at a time. The stream keeps itself alive from start()
// until OnDone.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway.grpc.pb.h"
#include "shard/gateway_peer.h"

namespace ringway::shard {

class PushStream final
    : public grpc::ClientBidiReactor<gateway::GatewayStreamRequest, gateway::GatewayStreamResponse>,
      public std::enable_shared_from_this<PushStream> {
 public:
  PushStream(std::shared_ptr<GatewayPeer> peer, std::shared_ptr<CallsAlive> alive)
      : hold_(std::move(alive)), peer_(std::move(peer)) {}

  void start(gateway::RPCGatewayStream::Stub& stub);
  // False when the stream is gone or too much waits. What waits when it ends goes back to the peer.
  bool push(int64_t auth_key_id, int64_t session_id, ByteView payload);
  void cancel() { context_.TryCancel(); }

  // After the end, on the thread that reports it.
  [[nodiscard]] std::deque<std::unique_ptr<gateway::GatewayStreamRequest>> take_unanswered();
  [[nodiscard]] bool was_answered();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void write_next();

  const CallHold hold_;
  const std::shared_ptr<GatewayPeer> peer_;
  grpc::ClientContext context_;
  gateway::GatewayStreamResponse response_;
  std::shared_ptr<PushStream> self_;

  std::mutex mutex_;  // guards all below
  std::deque<std::unique_ptr<gateway::GatewayStreamRequest>> requests_;
  std::unique_ptr<gateway::GatewayStreamRequest>
      retired_;  // answered before its write was reported
  size_t started_ = 0;
  const gateway::GatewayStreamRequest* writing_ = nullptr;
  uint64_t next_request_id_ = 1;
  bool answered_ = false;
  bool ended_ = false;  // nothing more is written
  bool taken_ = false;  // take_unanswered() was called
};

}  // namespace ringway::shard
