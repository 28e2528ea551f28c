// RPCGateway answers each call by itself; RPCGatewayStream answers in the order of the requests,
// since that is what a caller of a stream that works one after another expects.
//
// A push's way: gRPC thread -> PushSink (an inbox) -> worker -> PushReply::done() -> ReplyQueue ->
// Finish or StartWrite. Calls and streams are shared_ptrs, held by gRPC until OnDone and by every
// push that is under way, so an answer that comes after the caller has gone finds a live object.
#include "cluster/gateway_service.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/reply_thread.h"
#include "gateway.grpc.pb.h"

namespace ringway::cluster {
namespace {

using Request = ::gateway::TL_gateway_sendDataToGateway;
using StreamRequest = ::gateway::GatewayStreamRequest;
using StreamResponse = ::gateway::GatewayStreamResponse;

constexpr int32_t kBoolTrue = -1720552011;
constexpr int32_t kBoolFalse = -1132882121;

// Session services ping an idle gateway; ours does not take that for an attack.
constexpr int kPingIntervalMinMs = 5'000;

class ServicePushReply final : public PushReply {
 public:
  ServicePushReply(std::shared_ptr<ReplyQueue> replies, std::shared_ptr<PushWaiter> waiter,
                   uint64_t slot)
      : replies_(std::move(replies)), waiter_(std::move(waiter)), slot_(slot) {}
  ~ServicePushReply() override { done(false); }

  void done(bool delivered) noexcept override {
    if (waiter_ != nullptr) replies_->post(std::move(waiter_), slot_, delivered);
    waiter_ = nullptr;
  }

 private:
  // A worker may hold a push for longer than the service lives.
  const std::shared_ptr<ReplyQueue> replies_;
  std::shared_ptr<PushWaiter> waiter_;
  const uint64_t slot_;
};

// A push that finds the inbox full is answered false: its reply is dropped here, unanswered.
void offer(PushSink& sink, const Request& request, std::unique_ptr<PushReply> reply) {
  PushRequest push;
  push.auth_key_id = request.auth_key_id();
  push.session_id = request.session_id();
  const std::string& payload = request.payload();
  push.payload.assign(payload.begin(), payload.end());
  push.reply = std::move(reply);
  if (!sink.push(push)) push.reply = nullptr;
}

// One gateway_sendDataToGateway.
class PushCall final : public grpc::ServerUnaryReactor, public PushWaiter {
 public:
  static grpc::ServerUnaryReactor* start(PushSink& sink, std::shared_ptr<ReplyQueue> replies,
                                         const Request& request, mtproto::Bool* response) {
    auto call = std::make_shared<PushCall>(response);
    call->self_ = call;
    offer(sink, request, std::make_unique<ServicePushReply>(std::move(replies), call, 0));
    return call.get();
  }

  explicit PushCall(mtproto::Bool* response) : response_(response) {}

  void answer(uint64_t, bool delivered) override {
    if (finished_.exchange(true)) return;
    response_->set_predicate_name(delivered ? "boolTrue" : "boolFalse");
    response_->set_constructor(delivered ? kBoolTrue : kBoolFalse);
    Finish(grpc::Status::OK);
  }

 private:
  // The caller has gone or the server shuts down: nobody waits for the worker any more.
  void OnCancel() override {
    if (!finished_.exchange(true)) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { self_ = nullptr; }

  mtproto::Bool* const response_;  // gRPC's, until Finish
  std::atomic<bool> finished_{false};
  std::shared_ptr<PushCall> self_;
};

// One GatewayDataStream. Pushes stand in `open_` from their request to the end of their answer's
// write, the front one first; reading stops while kPushesPerStreamMax of them are there.
class PushStream final : public grpc::ServerBidiReactor<StreamRequest, StreamResponse>,
                         public PushWaiter {
 public:
  static PushStream* start(PushSink& sink, std::shared_ptr<ReplyQueue> replies) {
    auto stream = std::make_shared<PushStream>(sink, std::move(replies));
    stream->self_ = stream;
    // Not left to the first answer: gRPC holds a hinted write back together with the headers that
    // would go with it, and then never reports it done.
    stream->StartSendInitialMetadata();
    stream->StartRead(&stream->request_);
    return stream.get();
  }

  PushStream(PushSink& sink, std::shared_ptr<ReplyQueue> replies)
      : sink_(sink), replies_(std::move(replies)) {}

  void answer(uint64_t slot, bool delivered) override {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    Open& open = open_[slot - first_slot_];
    open.answered = true;
    open.delivered = delivered;
    write_front();
  }

 private:
  struct Open {
    std::string request_id;
    bool answered = false;
    bool delivered = false;
  };

  void OnReadDone(bool ok) override {
    if (!ok) {
      const std::lock_guard lock(mutex_);
      read_over_ = true;
      finish_if_over();
      return;
    }
    uint64_t slot = 0;
    {
      const std::lock_guard lock(mutex_);
      slot = first_slot_ + open_.size();
      open_.push_back({request_.request_id()});
    }
    auto reply = std::make_unique<ServicePushReply>(replies_, self_, slot);
    // What is no push is answered false, in its place.
    if (request_.has_send_data()) offer(sink_, request_.send_data(), std::move(reply));
    reply = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (finished_) return;
      if (open_.size() >= kPushesPerStreamMax) {
        read_paused_ = true;
        return;
      }
    }
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    open_.pop_front();
    ++first_slot_;
    if (finished_) return;
    if (!ok) {
      finish(grpc::Status::CANCELLED);
      return;
    }
    if (read_paused_) {
      read_paused_ = false;
      StartRead(&request_);
    }
    write_front();
    finish_if_over();
  }

  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { self_ = nullptr; }

  void write_front() {
    if (writing_ || open_.empty() || !open_.front().answered) return;
    writing_ = true;
    response_.set_request_id(open_.front().request_id);
    response_.set_success(open_.front().delivered);
    // The next answer is there already: the two may travel together.
    grpc::WriteOptions options;
    if (open_.size() > 1 && open_[1].answered) options.set_buffer_hint();
    StartWrite(&response_, options);
  }

  void finish_if_over() {
    if (read_over_ && open_.empty() && !writing_) finish(grpc::Status::OK);
  }

  void finish(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    Finish(status);
  }

  PushSink& sink_;
  const std::shared_ptr<ReplyQueue> replies_;
  std::mutex mutex_;
  StreamRequest request_;
  StreamResponse response_;
  std::deque<Open> open_;
  uint64_t first_slot_ = 1;  // of open_.front()
  bool writing_ = false;     // true exactly while gRPC writes response_
  bool read_paused_ = false;
  bool read_over_ = false;
  bool finished_ = false;
  std::shared_ptr<PushStream> self_;
};

class UnaryService final : public ::gateway::RPCGateway::CallbackService {
 public:
  UnaryService(PushSink& sink, std::shared_ptr<ReplyQueue> replies)
      : sink_(sink), replies_(std::move(replies)) {}

  grpc::ServerUnaryReactor* gateway_sendDataToGateway(grpc::CallbackServerContext*,
                                                      const Request* request,
                                                      mtproto::Bool* response) override {
    return PushCall::start(sink_, replies_, *request, response);
  }

 private:
  PushSink& sink_;
  const std::shared_ptr<ReplyQueue> replies_;
};

class StreamService final : public ::gateway::RPCGatewayStream::CallbackService {
 public:
  StreamService(PushSink& sink, std::shared_ptr<ReplyQueue> replies)
      : sink_(sink), replies_(std::move(replies)) {}

  grpc::ServerBidiReactor<StreamRequest, StreamResponse>* GatewayDataStream(
      grpc::CallbackServerContext*) override {
    return PushStream::start(sink_, replies_);
  }

 private:
  PushSink& sink_;
  const std::shared_ptr<ReplyQueue> replies_;
};

class GrpcGatewayService final : public GatewayService {
 public:
  explicit GrpcGatewayService(PushSink& sink)
      : unary_(sink, replies_.queue()), stream_(sink, replies_.queue()) {}

  ~GrpcGatewayService() override { shutdown(0); }

  [[nodiscard]] bool listen(const GatewayServiceOptions& options, std::string& error) {
    // A switch of the whole process in gRPC; the health service is there for servers built from
    // here on.
    grpc::EnableDefaultHealthCheckService(options.health);
    grpc::ServerBuilder builder;
    // Two gateways on one port would each get half of the pushes.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kPingIntervalMinMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.SetMaxReceiveMessageSize(static_cast<int>(kGrpcMessageBytesMax));
    builder.AddListeningPort(options.listen_on, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&unary_);
    builder.RegisterService(&stream_);
    server_ = builder.BuildAndStart();
    if (server_ != nullptr && port_ != 0) return true;
    error = "cannot listen on " + options.listen_on + " (is the address free and ours?)";
    return false;
  }

  int port() const noexcept override { return port_; }

  void shutdown(int64_t grace_ns) override {
    if (server_ == nullptr) return;
    server_->Shutdown(gpr_time_from_nanos(grace_ns, GPR_TIMESPAN));
    server_ = nullptr;
  }

 private:
  ReplyThread replies_;
  UnaryService unary_;
  StreamService stream_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace

std::unique_ptr<GatewayService> GatewayService::start(const GatewayServiceOptions& options,
                                                      PushSink& sink, std::string& error) {
  auto service = std::make_unique<GrpcGatewayService>(sink);
  if (!service->listen(options, error)) return nullptr;
  return service;
}

}  // namespace ringway::cluster
