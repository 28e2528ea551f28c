#include "shard/unary_wire.h"

#include <atomic>

namespace ringway::shard {
namespace {

constexpr int32_t kTeamgramBoolTrue = -1720552011;
constexpr int32_t kTeamgramBoolFalse = -1132882121;

void fill(::mtproto::Bool& answer, bool value) {
  answer.set_predicate_name(value ? "boolTrue" : "boolFalse");
  answer.set_constructor(value ? kTeamgramBoolTrue : kTeamgramBoolFalse);
}

grpc::Status status_of(const Outcome& outcome) {
  if (outcome.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(outcome.code), outcome.text};
}

// Messages of one unary call are served on its thread; the buffer is the thread's.
Outbox& outbox_of_thread() {
  thread_local Outbox outbox;
  return outbox;
}

// A call that is answered only when its caller gives up.
class SilentReactor final : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish({grpc::StatusCode::CANCELLED, "silent on demand"}); }
  void OnDone() override { delete this; }
};

// Finishes the call as the faults say: now, later, or never.
grpc::ServerUnaryReactor* finish(const Faults& faults, grpc::CallbackServerContext* context,
                                 const grpc::Status& status, int64_t extra_delay_ms = 0) {
  auto* reactor = context->DefaultReactor();
  const int64_t delay_ms = faults.delay_ms + extra_delay_ms;
  if (delay_ms == 0) {
    reactor->Finish(status);
  } else {
    run_after_ms(delay_ms, [reactor, status] { reactor->Finish(status); });
  }
  return reactor;
}

grpc::ServerUnaryReactor* finish_unimplemented(grpc::CallbackServerContext* context) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish({grpc::StatusCode::UNIMPLEMENTED, ""});
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* UnaryService::session_queryAuthKey(
    grpc::CallbackServerContext* context, const session::TL_session_queryAuthKey* request,
    ::mtproto::AuthKeyInfo* answer) {
  const Outcome outcome = core_->query_auth_key(request->auth_key_id(), read_clocks(), *answer);
  return finish(core_->faults(), context, status_of(outcome));
}

grpc::ServerUnaryReactor* UnaryService::session_setAuthKey(
    grpc::CallbackServerContext* context, const session::TL_session_setAuthKey* request,
    ::mtproto::Bool* answer) {
  auto* reactor = context->DefaultReactor();
  const int64_t delay_ms = core_->faults().delay_ms;
  core_->set_auth_key(*request, read_clocks(), [reactor, answer, delay_ms](bool stored) {
    fill(*answer, stored);
    run_after_ms(delay_ms, [reactor] { reactor->Finish(grpc::Status::OK); });
  });
  return reactor;
}

grpc::ServerUnaryReactor* UnaryService::session_createSession(
    grpc::CallbackServerContext* context, const session::TL_session_createSession* /*request*/,
    ::mtproto::Bool* answer) {
  if (!messages_) return finish_unimplemented(context);
  // The first message makes the session.
  fill(*answer, true);
  return finish(core_->faults(), context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* UnaryService::session_sendDataToSession(
    grpc::CallbackServerContext* context, const session::TL_session_sendDataToSession* request,
    ::mtproto::Bool* answer) {
  if (!messages_) return finish_unimplemented(context);
  const auto& data = request->data();
  PushRoute route;
  route.gateway = core_->gateway(data.server_id());
  Outbox& outbox = outbox_of_thread();
  const Outcome outcome = core_->take(data, route, read_clocks(), outbox);
  if (outcome.ok()) {
    fill(*answer, true);
    core_->deliver(data, route, outbox);
    if (core_->faults().never_ack) return new SilentReactor;
  }
  return finish(core_->faults(), context, status_of(outcome));
}

grpc::ServerUnaryReactor* UnaryService::session_sendHttpDataToSession(
    grpc::CallbackServerContext* context, const session::TL_session_sendHttpDataToSession* request,
    session::HttpSessionData* answer) {
  if (!messages_) return finish_unimplemented(context);
  const auto& data = request->client();
  Outbox& outbox = outbox_of_thread();
  const Outcome outcome = core_->take(data, PushRoute{}, read_clocks(), outbox);
  int64_t wait_ms = 0;
  if (outcome.ok() && outbox.payload_count() == 0) {
    wait_ms = outcome.http_wait_ms;
  } else if (outcome.ok()) {
    const ByteView payload = outbox.payload(0);
    answer->set_payload(payload.data(), payload.size());
    // A response holds one payload; what did not fit goes with the next request.
    if (outbox.payload_count() > 1) core_->push_failed(data.auth_key_id(), data.session_id());
  }
  return finish(core_->faults(), context, status_of(outcome), wait_ms);
}

grpc::ServerUnaryReactor* UnaryService::session_closeSession(
    grpc::CallbackServerContext* context, const session::TL_session_closeSession* request,
    ::mtproto::Bool* answer) {
  if (!messages_) return finish_unimplemented(context);
  core_->close(request->client(), Wire::kUnary);
  fill(*answer, true);
  return finish(core_->faults(), context, grpc::Status::OK);
}

}  // namespace ringway::shard
