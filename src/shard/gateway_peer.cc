#include "shard/gateway_peer.h"

#include <grpcpp/grpcpp.h>

#include "base/limits.h"
#include "base/log.h"
#include "shard/push_stream.h"

namespace ringway::shard {
namespace {

constexpr int64_t kUnaryTimeoutMs = 5000;
constexpr int kReconnectFirstMs = 100;
constexpr int kReconnectMostMs = 1000;

}  // namespace

void CallsAlive::add() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void CallsAlive::remove() {
  const std::lock_guard lock(mutex_);
  if (--count_ == 0) none_.notify_all();
}

void CallsAlive::wait_for_none() {
  std::unique_lock lock(mutex_);
  none_.wait(lock, [this] { return count_ == 0; });
}

struct GatewayPeer::UnaryPush {
  explicit UnaryPush(std::shared_ptr<CallsAlive> alive) : hold(std::move(alive)) {}

  CallHold hold;
  grpc::ClientContext context;
  gateway::TL_gateway_sendDataToGateway request;
  ::mtproto::Bool answer;
};

GatewayPeer::GatewayPeer(std::string address, PushFailed failed)
    : address_(std::move(address)), failed_(std::move(failed)) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectFirstMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectFirstMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMostMs);
  const auto channel =
      grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  unary_stub_ = gateway::RPCGateway::NewStub(channel);
  stream_stub_ = gateway::RPCGatewayStream::NewStub(channel);
}

void GatewayPeer::push(int64_t auth_key_id, int64_t session_id, ByteView payload, bool by_stream) {
  const CallHold hold(alive_);  // keeps the channel while this thread uses it
  if (by_stream) {
    const auto open = stream();
    if (open != nullptr && open->push(auth_key_id, session_id, payload)) return;
  }
  gateway::TL_gateway_sendDataToGateway request;
  request.set_auth_key_id(auth_key_id);
  request.set_session_id(session_id);
  request.set_payload(payload.data(), payload.size());
  push_unary(request);
}

std::shared_ptr<PushStream> GatewayPeer::stream() {
  std::shared_ptr<PushStream> made;
  {
    const std::lock_guard lock(mutex_);
    if (no_stream_ || stopped_) return nullptr;
    if (stream_ != nullptr) return stream_;
    made = std::make_shared<PushStream>(shared_from_this(), alive_);
    stream_ = made;
    made->start(*stream_stub_);
  }
  return made;
}

void GatewayPeer::push_unary(const gateway::TL_gateway_sendDataToGateway& request) {
  auto call = std::make_unique<UnaryPush>(alive_);
  UnaryPush* const raw = call.get();
  raw->request = request;
  raw->context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                                         gpr_time_from_millis(kUnaryTimeoutMs, GPR_TIMESPAN)));
  bool refused = false;
  {
    const std::lock_guard lock(mutex_);
    refused = stopped_ || calls_.size() >= kShardGatewayQueueMax;
    if (!refused) calls_.emplace(raw, std::move(call));
  }
  if (refused) {
    failed_(request.auth_key_id(), request.session_id());
    return;
  }
  unary_stub_->async()->gateway_sendDataToGateway(
      &raw->context, &raw->request, &raw->answer,
      [self = shared_from_this(), raw](const grpc::Status& status) {
        self->unary_done(raw, status);
      });
}

void GatewayPeer::unary_done(UnaryPush* call, const grpc::Status& status) {
  const bool delivered = status.ok() && call->answer.predicate_name() == "boolTrue";
  if (!status.ok()) {
    log_debug("shard", "push to {} failed: {} {}", address_, static_cast<int>(status.error_code()),
              status.error_message());
  }
  const int64_t auth_key_id = call->request.auth_key_id();
  const int64_t session_id = call->request.session_id();
  {
    const std::lock_guard lock(mutex_);
    calls_.erase(call);
  }
  if (!delivered) failed_(auth_key_id, session_id);
}

void GatewayPeer::stream_done(PushStream* stream, const grpc::Status& status) {
  bool go_unary = false;
  {
    const std::lock_guard lock(mutex_);
    if (stream_.get() == stream) stream_.reset();
    go_unary = status.error_code() == grpc::StatusCode::UNIMPLEMENTED && !stream->was_answered();
    if (go_unary) no_stream_ = true;
  }
  log_debug("shard", "push stream to {} ended: {} {}", address_,
            static_cast<int>(status.error_code()), status.error_message());
  for (const auto& request : stream->take_unanswered()) {
    if (go_unary) {
      push_unary(request->send_data());
    } else {
      failed_(request->send_data().auth_key_id(), request->send_data().session_id());
    }
  }
}

void GatewayPeer::cancel() {
  std::shared_ptr<PushStream> open;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    open = stream_;
    // Under the lock, because a call that ends is freed under it.
    for (auto& [call, owner] : calls_) call->context.TryCancel();
  }
  if (open != nullptr) open->cancel();
}

void GatewayPeer::stop() {
  alive_->wait_for_none();
  unary_stub_.reset();
  stream_stub_.reset();
}

std::shared_ptr<GatewayPeer> GatewayPeers::find(std::string_view address) {
  if (address.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  if (stopped_) return nullptr;
  if (const auto found = peers_.find(address); found != peers_.end()) return found->second;
  if (peers_.size() >= kShardGatewaysMax) {
    // Peers that no session and no call refers to.
    std::erase_if(peers_, [](const auto& entry) { return entry.second.use_count() == 1; });
    if (peers_.size() >= kShardGatewaysMax) return nullptr;
  }
  auto peer = std::make_shared<GatewayPeer>(std::string(address), failed_);
  peers_.emplace(address, peer);
  return peer;
}

void GatewayPeers::stop() {
  std::unordered_map<std::string, std::shared_ptr<GatewayPeer>, TextHash, std::equal_to<>> peers;
  {
    const std::lock_guard lock(mutex_);
    peers.swap(peers_);
    stopped_ = true;
  }
  for (auto& [address, peer] : peers) peer->cancel();
  for (auto& [address, peer] : peers) peer->stop();
}

}  // namespace ringway::shard
