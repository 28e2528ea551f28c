// shard/gateway_peer: pushes to a gateway's own service, for sessions that do not speak over a
// batched link.
//
// A peer is one gateway address with one channel. Pushes go by unary calls or on one
// GatewayDataStream, whose answers come in order; a gateway that does not know the stream gets
// unary calls from then on. A push that failed, or that no live connection took, is reported, never
// retried here.
//
// Any thread may call it. Calls in progress keep their peer alive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "gateway.grpc.pb.h"

namespace ringway::shard {

// Told about a push that did not arrive; runs on one of gRPC's threads.
using PushFailed = std::function<void(int64_t auth_key_id, int64_t session_id)>;

class PushStream;

class GatewayPeer : public std::enable_shared_from_this<GatewayPeer> {
 public:
  GatewayPeer(std::string address, PushFailed failed);

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  // Pushes one message: salt, session_id, msg_id, seq_no, length, body. Copies the payload.
  void push(int64_t auth_key_id, int64_t session_id, ByteView payload, bool by_stream);
  // Cancels what is in progress; later pushes fail.
  void stop();

 private:
  friend class PushStream;
  struct UnaryPush;

  void push_unary(const gateway::TL_gateway_sendDataToGateway& request);
  void unary_done(UnaryPush* call, const grpc::Status& status);
  // The stream ended: what it left unanswered goes by unary calls, or counts as failed.
  void stream_done(PushStream* stream, const grpc::Status& status);
  [[nodiscard]] std::shared_ptr<PushStream> stream();

  const std::string address_;
  const PushFailed failed_;
  std::unique_ptr<gateway::RPCGateway::Stub> unary_stub_;
  std::unique_ptr<gateway::RPCGatewayStream::Stub> stream_stub_;

  std::mutex mutex_;
  std::shared_ptr<PushStream> stream_;                                // guarded by mutex_
  std::unordered_map<UnaryPush*, std::unique_ptr<UnaryPush>> calls_;  // guarded by mutex_
  bool no_stream_ = false;                                            // guarded by mutex_
  bool stopped_ = false;                                              // guarded by mutex_
};

// The peers of a shard, by address.
class GatewayPeers {
 public:
  explicit GatewayPeers(PushFailed failed) : failed_(std::move(failed)) {}
  ~GatewayPeers() { stop(); }
  GatewayPeers(const GatewayPeers&) = delete;
  GatewayPeers& operator=(const GatewayPeers&) = delete;

  // The peer of `host:port`; null when the address is empty or there are too many.
  [[nodiscard]] std::shared_ptr<GatewayPeer> find(std::string_view address);
  void stop();

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  const PushFailed failed_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<GatewayPeer>, TextHash, std::equal_to<>> peers_;
};

}  // namespace ringway::shard
