#include "shard/unary_wire.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

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
                                 const grpc::Status& status) {
  auto* reactor = context->DefaultReactor();
  const int64_t delay_ms = faults.delay_ms;
  if (delay_ms == 0) {
    reactor->Finish(status);
  } else {
    run_after_ms(delay_ms, [reactor, status] { reactor->Finish(status); });
  }
  return reactor;
}

// A call of HTTP: answered when there is something to say, or when it has been held for long
// enough. Keeps itself alive until gRPC is done with it.
class HttpCall final : public grpc::ServerUnaryReactor,
                       public Poll,
                       public std::enable_shared_from_this<HttpCall> {
 public:
  HttpCall(std::shared_ptr<ShardCore> core, const grpc::CallbackServerContext& context,
           const session::SessionClientData& data, session::HttpSessionData* answer)
      : core_(std::move(core)),
        context_(context),
        auth_key_id_(data.auth_key_id()),
        session_id_(data.session_id()),
        answer_(answer) {}

  void begin() { self_ = shared_from_this(); }

  // Nothing to say yet.
  void hold(const HttpWait& wait) {
    wait_ = wait;
    Outbox& outbox = outbox_of_thread();
    const std::shared_ptr<HttpCall> self = shared_from_this();
    if (core_->hold_poll(auth_key_id_, session_id_, self, read_clocks(), outbox)) {
      finish_with(outbox);
      return;
    }
    // This time does not keep the call.
    run_after_ms(wait.wait_max, [weak = weak_from_this()] {
      if (const auto call = weak.lock()) call->finish_empty(grpc::Status::OK);
    });
  }

  // Under the lock of the session, which finish_gathered() takes: so not in place.
  bool wake() override {
    if (finished_.load(std::memory_order_acquire)) return false;
    const int64_t gather_ms = std::max<int64_t>(std::min(wait_.delay_max, wait_.after), 1);
    // Should the call end before, somebody else has to be woken: so this keeps it.
    run_after_ms(gather_ms, [self = shared_from_this()] { self->finish_gathered(); });
    return true;
  }

  void give_up() override { finish_empty(grpc::Status::OK); }

  // With what the session has said, perhaps later; the first payload, for a response holds one.
  void finish_with(const Outbox& outbox, int64_t delay_ms = 0) {
    if (finished_.exchange(true, std::memory_order_acq_rel)) {
      core_->push_failed(auth_key_id_, session_id_);
      return;
    }
    const ByteView payload = outbox.payload(0);
    answer_->set_payload(payload.data(), payload.size());
    given_ = true;
    run_after_ms(delay_ms, [self = shared_from_this()] { self->Finish(grpc::Status::OK); });
  }
  void finish_empty(const grpc::Status& status) {
    if (!finished_.exchange(true, std::memory_order_acq_rel)) Finish(status);
  }

  void OnCancel() override { finish_empty({grpc::StatusCode::CANCELLED, ""}); }
  // Who gave the call up while it was answered has not got the answer.
  void OnDone() override {
    const std::shared_ptr<HttpCall> last = std::move(self_);
    if (given_ && context_.IsCancelled()) core_->push_failed(auth_key_id_, session_id_);
  }

 private:
  void finish_gathered() {
    if (finished_.load(std::memory_order_acquire)) {
      // It ended between its wake and now: another one, or a later one, has to bring it.
      core_->push_failed(auth_key_id_, session_id_);
      return;
    }
    Outbox& outbox = outbox_of_thread();
    if (core_->collect(auth_key_id_, session_id_, read_clocks(), outbox)) {
      finish_with(outbox);
    } else {
      finish_empty(grpc::Status::OK);
    }
  }

  const std::shared_ptr<ShardCore> core_;
  const grpc::CallbackServerContext& context_;  // lives until OnDone() returns
  const int64_t auth_key_id_;
  const int64_t session_id_;
  session::HttpSessionData* const answer_;
  HttpWait wait_;
  std::atomic<bool> finished_{false};
  bool given_ = false;  // a payload; before Finish()
  std::shared_ptr<HttpCall> self_;
};

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
  const auto& data = request->client();
  Outbox& outbox = outbox_of_thread();
  const Outcome outcome = core_->take(data, PushRoute{}, read_clocks(), outbox);
  auto call = std::make_shared<HttpCall>(core_, *context, data, answer);
  call->begin();
  const int64_t delay_ms = core_->faults().delay_ms;
  if (!outcome.ok()) {
    run_after_ms(delay_ms, [call, outcome] { call->finish_empty(status_of(outcome)); });
  } else if (outbox.payload_count() > 0) {
    // What did not fit goes with the next request.
    if (outbox.payload_count() > 1) core_->push_failed(data.auth_key_id(), data.session_id());
    call->finish_with(outbox, delay_ms);
  } else if (outcome.http_wait.wait_max > 0) {
    call->hold(outcome.http_wait);
  } else {
    run_after_ms(delay_ms, [call] { call->finish_empty(grpc::Status::OK); });
  }
  return call.get();
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
