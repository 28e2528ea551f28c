// shard/gateway_peer: pushes to a gateway's own service, for sessions that do not speak over a
// batched link.
//
// A peer is one gateway address with one channel. Pushes go by unary calls or on one
// GatewayDataStream, whose answers come in order; a gateway that does not know the stream gets
// unary calls from then on. A push that failed, or that no live connection took, is reported, never
// retried here.
//
// Any thread may call it. Calls in progress keep their peer alive. The channel must not be freed by
// one of gRPC's own threads (the last one would wait for itself), so stop() waits until nothing of
// any call is left and frees it then.
#pragma once

#include <condition_variable>
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

// How many calls of a peer exist, down to their last byte.
class CallsAlive {
 public:
  void add();
  void remove();
  void wait_for_none();

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t count_ = 0;  // guarded by mutex_
};

// Counts as one call while it lives; a call declares it in front of its ClientContext.
class CallHold {
 public:
  explicit CallHold(std::shared_ptr<CallsAlive> alive) : alive_(std::move(alive)) { alive_->add(); }
  ~CallHold() { alive_->remove(); }
  CallHold(const CallHold&) = delete;
  CallHold& operator=(const CallHold&) = delete;

 private:
  const std::shared_ptr<CallsAlive> alive_;
};

class PushStream;

class GatewayPeer : public std::enable_shared_from_this<GatewayPeer> {
 public:
  GatewayPeer(std::string address, PushFailed failed);

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  // Pushes one message: salt, session_id, msg_id, seq_no, length, body. Copies the payload.
  void push(int64_t auth_key_id, int64_t session_id, ByteView payload, bool by_stream);
  // Cancels what is in progress; later pushes fail.
  void cancel();
  // After cancel(): waits for what was in progress and frees the channel. Not from a callback.
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
  const std::shared_ptr<CallsAlive> alive_ = std::make_shared<CallsAlive>();
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
  GatewayPeers() = default;
  ~GatewayPeers() { stop(); }
  GatewayPeers(const GatewayPeers&) = delete;
  GatewayPeers& operator=(const GatewayPeers&) = delete;

  // Who is told; before the first find().
  void on_failure(PushFailed failed) { failed_ = std::move(failed); }
  // The peer of `host:port`; null when the address is empty or there are too many.
  [[nodiscard]] std::shared_ptr<GatewayPeer> find(std::string_view address);
  // Ends all calls; find() has nothing any more. Not from a callback.
  void stop();

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  PushFailed failed_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<GatewayPeer>, TextHash, std::equal_to<>> peers_;
  bool stopped_ = false;
};

}  // namespace ringway::shard
