#include "shard/stream_wire.h"

#include <fmt/format.h>

#include "shard/wire_reactor.h"

namespace ringway::shard {
namespace {

using session::SessionStreamRequest;
using session::SessionStreamResponse;

constexpr int32_t kCodeUnknownPayload = 400;
constexpr int32_t kCodeBackend = 500;
constexpr size_t kResponseOverheadBytes = 64;

class StreamReactor final : public WireReactor<SessionStreamRequest, SessionStreamResponse> {
 public:
  explicit StreamReactor(std::shared_ptr<ShardCore> core) : core_(std::move(core)) {}

 protected:
  void handle(SessionStreamRequest& request) override {
    const int64_t delay_ms = core_->faults().delay_ms;
    if (delay_ms == 0) {
      take(request);
    } else {
      run_after_ms(delay_ms, [this, &request] { take(request); });
    }
  }

 private:
  void take(SessionStreamRequest& request) {
    switch (request.payload_case()) {
      case SessionStreamRequest::kSendData:
        take_data(request);
        break;
      case SessionStreamRequest::kCreateSession:
        answer_ack(request.request_id(), true);
        break;
      case SessionStreamRequest::kCloseSession:
        core_->close(request.close_session().client(), Wire::kStream);
        answer_ack(request.request_id(), true);
        break;
      case SessionStreamRequest::kQueryAuthKey:
        take_query(request);
        break;
      case SessionStreamRequest::kSetAuthKey:
        // The answer comes with the commit; the next request waits for it, to keep the order.
        core_->set_auth_key(request.set_auth_key(), read_clocks(),
                            [this, id = request.request_id()](bool stored) {
                              answer_ack(id, stored);
                              read_next();
                            });
        return;
      case SessionStreamRequest::PAYLOAD_NOT_SET:
        answer_error(request.request_id(), kCodeUnknownPayload, "unknown payload");
        break;
    }
    read_next();
  }

  void take_data(const SessionStreamRequest& request) {
    const auto& data = request.send_data().data();
    if (route_.gateway == nullptr || route_.gateway->address() != data.server_id()) {
      route_.gateway = core_->gateway(data.server_id());
      route_.wire = Wire::kStream;
    }
    const Outcome outcome = core_->take(data, route_, read_clocks(), outbox_);
    if (!outcome.ok()) {
      answer_outcome(request.request_id(), outcome);
      return;
    }
    answer_ack(request.request_id(), true);
    core_->deliver(data, route_, outbox_);
  }

  void take_query(const SessionStreamRequest& request) {
    ::mtproto::AuthKeyInfo info;
    const Outcome outcome =
        core_->query_auth_key(request.query_auth_key().auth_key_id(), read_clocks(), info);
    if (!outcome.ok()) {
      answer_outcome(request.request_id(), outcome);
      return;
    }
    const std::lock_guard lock(mutex_);
    *answer(request.request_id(), info.auth_key().size()).mutable_auth_key() = std::move(info);
  }

  // Answers are queued; read_next() sends them.
  void answer_ack(const std::string& request_id, bool success) {
    if (core_->faults().never_ack) return;
    const std::lock_guard lock(mutex_);
    answer(request_id, 0).mutable_ack()->set_success(success);
  }

  // As Teamgram's shard words what its own backend returned.
  void answer_outcome(const std::string& request_id, const Outcome& outcome) {
    const std::string code = outcome.code == kCodeUnavailable       ? "Unavailable"
                             : outcome.code == kCodeInvalidArgument ? "InvalidArgument"
                             : outcome.code == kCodeInternal
                                 ? "Internal"
                                 : fmt::format("Code({})", outcome.code);
    answer_error(request_id, kCodeBackend,
                 fmt::format("rpc error: code = {} desc = {}", code, outcome.text));
  }

  void answer_error(const std::string& request_id, int32_t code, const std::string& text) {
    const std::lock_guard lock(mutex_);
    auto* error = answer(request_id, text.size()).mutable_error();
    error->set_code(code);
    error->set_message(text);
  }

  // Under the lock.
  SessionStreamResponse& answer(const std::string& request_id, size_t bytes) {
    SessionStreamResponse& response = queue(fresh());
    response.set_request_id(request_id);
    count_queued(bytes + request_id.size() + kResponseOverheadBytes);
    return response;
  }

  const std::shared_ptr<ShardCore> core_;
  // Touched by the reading side alone.
  PushRoute route_;
  Outbox outbox_;
};

}  // namespace

grpc::ServerBidiReactor<SessionStreamRequest, SessionStreamResponse>*
StreamService::SessionDataStream(grpc::CallbackServerContext* /*context*/) {
  auto reactor = std::make_shared<StreamReactor>(core_);
  reactor->start(reactor);
  return reactor.get();
}

}  // namespace ringway::shard
