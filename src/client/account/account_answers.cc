// What servers say: results, errors and what they ask for, updates.
#include <utility>

#include "base/log.h"
#include "client/account/account_impl.h"
#include "client/account/limits.h"
#include "client/objects.h"

namespace ringway::client {

using End = CallOutcome::End;

void Account::Impl::on_event(Line& line, SessionEvent& event) {
  switch (event.kind) {
    case SessionEvent::Kind::kReply:
    case SessionEvent::Kind::kFailed:
      on_reply(line, event);
      break;
    case SessionEvent::Kind::kPush:
      on_push(line, event);
      break;
    case SessionEvent::Kind::kNewSession:
      // The first one of a session is the greeting that every session gets.
      on_introduction_lost(line);
      break;
    case SessionEvent::Kind::kRestarted:
      log_at(LogLevel::kWarning, "client",
             "DC {}: the server refuses our numbers (code {}): a new session begins",
             line.dc.number, event.bad_msg_code);
      on_introduction_lost(line);
      break;
    case SessionEvent::Kind::kResent:
      on_resent(line, event);
      break;
    case SessionEvent::Kind::kSettled:
      if (const auto known = line.settling.find(event.request); known != line.settling.end()) {
        settle(known->second);
        if (line.retired_ns != 0) watch_deadline(now_ns());
      }
      break;
    case SessionEvent::Kind::kSalt:
      salts_may_have_changed();
      break;
    case SessionEvent::Kind::kPong:
    case SessionEvent::Kind::kQuickAck:
    case SessionEvent::Kind::kService:
      break;
    case SessionEvent::Kind::kRefused:
      count_refusal(event.bad_msg_code);
      break;
    case SessionEvent::Kind::kClock:
      note_clock(line);
      break;
  }
}

// The session is another one at the server, which does not know any more who calls.
void Account::Impl::on_introduction_lost(Line& line) {
  if (std::exchange(line.initialized, false) && is_main(line) && state.user_id() != 0) {
    listener.on_gap();
  }
}

void Account::Impl::on_resent(Line& line, const SessionEvent& event) {
  ++counts.resends;
  const auto known = line.calls.find(event.request);
  if (known == line.calls.end()) return;
  // When its predecessor has left the session meanwhile, to sit out a wait say, the session cannot
  // keep their order: the call goes on waiting here. The server did nothing for it.
  const CallId id = known->second;
  Call& call = calls.at(id);
  const bool follows = may_follow(id, call, line);
  // A session that the server knows nothing of has to be told who calls. Calls with an order keep
  // their places, and are told to introduce themselves.
  const bool stranger = !line.initialized && !call.wrapped && call.order == 0 && line.link.is_up();
  if (follows && !stranger) return;
  const bool was_sent = line.link.drop(call.request) != Session::Dropped::kUnsent;
  line.calls.erase(known);
  call.line = nullptr;
  if (stranger && was_sent) call.may_have_run = true;
  if (follows) send(id, call, line);
}

void Account::Impl::on_reply(Line& line, SessionEvent& event) {
  const auto known = line.calls.find(event.request);
  if (event.request == 0 || known == line.calls.end()) return;  // of a call that is done
  const CallId id = known->second;
  line.calls.erase(known);
  if (line.retired_ns != 0 && line.calls.empty()) watch_deadline(now_ns());
  on_reply_to(line, id, calls.at(id), event);
  release_waits();
}

void Account::Impl::on_reply_to(Line& line, CallId id, Call& call, SessionEvent& event) {
  call.state = Call::State::kQueued;
  call.line = nullptr;
  if (event.kind == SessionEvent::Kind::kFailed) {
    finish(id, {.end = End::kUnavailable,
                .sent = true,
                .text = "the server refuses the message (code " +
                        std::to_string(event.bad_msg_code) + ")"});
    return;
  }
  if (const auto error = read_rpc_error(event.body)) {
    on_rpc_error(line, id, call, *error);
    return;
  }
  if (call.wrapped) line.initialized = true;
  on_result(line, id, call, event.body);
}

void Account::Impl::on_result(Line& line, CallId id, Call& call, ByteView result) {
  waits.answered(id);
  if (follow_login_token(id, call, result)) return;
  if (is_main(line)) {
    if (objects.logs_out(call.method)) {
      set_user(0);
    } else if (objects.may_sign_in(call.method)) {
      if (const int64_t user = objects.user_of(result); user != 0) set_user(user);
    }
  }
  if (objects.is_updates(constructor_of(result))) {
    listener.on_updates(result, call.tl);
  } else if (objects.is_affected(constructor_of(result))) {
    listener.on_affected(result, call.tl);
  } else {
    for (const ByteView updates : objects.updates_in(result)) listener.on_updates(updates, call.tl);
  }
  CallOutcome outcome;
  outcome.end = End::kResult;
  outcome.sent = true;
  outcome.result.assign(result.begin(), result.end());
  finish(id, std::move(outcome));
}

// A login token of another DC's: that DC is home, and answers for the one that was asked.
bool Account::Impl::follow_login_token(CallId id, Call& call, ByteView result) {
  if (!objects.may_sign_in(call.method) || state.user_id() != 0) return false;
  const auto token = objects.moved_login_token(result);
  if (!token || ++call.redirects > kCallRedirectsMax ||
      (dcs.size() >= kDcsMax && !dcs.contains(token->dc))) {
    return false;
  }
  ++counts.redirects;
  call_bytes += token->call.size();
  call_bytes -= call.tl.size();
  call.tl = token->call;
  call.method = ApiObjects::method_of(call.tl);
  move_home(token->dc);
  dispatch(id, call);
  return true;
}

void Account::Impl::on_rpc_error(Line& line, CallId id, Call& call, const RpcError& error) {
  const ErrorReading reading = read_error(error.code, error.message);
  // Whatever else it says, it was said by a server that has read the wrapping.
  if (call.wrapped && reading.meaning != ErrorMeaning::kNotInitialized) line.initialized = true;
  if (reading.meaning != ErrorMeaning::kWait) waits.answered(id);
  switch (reading.meaning) {
    case ErrorMeaning::kWait:
      on_wait(id, call, error, reading);
      return;
    case ErrorMeaning::kMoveHome:
    case ErrorMeaning::kElsewhere:
    case ErrorMeaning::kLostRedirect:
      on_redirect(id, call, error, reading);
      return;
    case ErrorMeaning::kSignInEnded:
      on_sign_in_ended(line, id, call, error);
      return;
    case ErrorMeaning::kNotInitialized:
      line.initialized = false;
      repeat(id, call, error);
      return;
    case ErrorMeaning::kNotBound:
      if (!line.link.on_temporary_key()) break;
      line.link.bind_again();
      repeat(id, call, error);
      return;
    case ErrorMeaning::kPredecessorFailed:
      if (call.order == 0) break;
      repeat(id, call, error);
      return;
    case ErrorMeaning::kForCaller:
      break;
  }
  finish(id, {.end = End::kRpcError, .sent = true, .code = error.code, .text = error.message});
}

// The server has said that it did nothing for the call: it goes out again.
void Account::Impl::repeat(CallId id, Call& call, const RpcError& error) {
  if (++call.repeats > kCallRepeatsMax) {
    finish(id, {.end = End::kRpcError, .sent = true, .code = error.code, .text = error.message});
    return;
  }
  dispatch(id, call);
}

Waits::Subject Account::Impl::subject_of(CallId id, const Call& call, std::string& peer) const {
  if (waits.peer_matters(call.method)) peer = objects.peer_of(call.tl);
  return {.call = id, .method = call.method, .peer = peer, .deadline_ns = call.deadline_ns};
}

void Account::Impl::on_wait(CallId id, Call& call, const RpcError& error,
                            const ErrorReading& reading) {
  ++counts.waits;
  std::string peer;
  if (reading.for_peer) peer = objects.peer_of(call.tl);
  const Waits::Subject subject{
      .call = id, .method = call.method, .peer = peer, .deadline_ns = call.deadline_ns};
  const Waits::Verdict verdict = waits.asked(subject, reading, now_ns());
  if (verdict.kind == Waits::Verdict::Kind::kHold) {
    hold(id, call);
  } else {
    finish(id, {.end = End::kRpcError,
                .sent = true,
                .code = error.code,
                .text = error.message,
                .retry_after_seconds = reading.wait_seconds});
  }
}

void Account::Impl::on_redirect(CallId id, Call& call, const RpcError& error,
                                const ErrorReading& reading) {
  ++counts.redirects;
  if (reading.meaning == ErrorMeaning::kLostRedirect || ++call.redirects > kCallRedirectsMax) {
    finish(id, {.end = End::kUnavailable,
                .sent = true,
                .code = error.code,
                .text = "the servers send the call round in circles: " + error.message});
    return;
  }
  if (dcs.size() >= kDcsMax && !dcs.contains(reading.dc)) {
    finish(id, {.end = End::kUnavailable, .sent = true, .text = "too many DCs: " + error.message});
    return;
  }
  if (reading.meaning == ErrorMeaning::kMoveHome && call.internal == nullptr) {
    move_home(reading.dc);
    // Until the sign-in has been taken there it is a DC among others.
    call.dc = moving_to == 0 ? 0 : reading.dc;
  } else {
    call.dc = reading.dc;
  }
  dispatch(id, call);
}

void Account::Impl::on_sign_in_ended(Line& line, CallId id, Call& call, const RpcError& error) {
  // A DC that is not home may just have forgotten whom it was told of.
  if (!is_main(line)) {
    line.dc.import = Dc::Import::kNone;
    if (const auto key = state.keys.find(line.dc.number); key != state.keys.end()) {
      key->second.user_id = 0;
    }
    if (state.user_id() != 0 && call.internal == nullptr) {
      repeat(id, call, error);
      return;
    }
  } else if (state.user_id() != 0) {
    finish(id, {.end = End::kSignedOut, .sent = true, .code = error.code, .text = error.message});
    sign_out(error.code, error.message);
    return;
  }
  finish(id, {.end = End::kRpcError, .sent = true, .code = error.code, .text = error.message});
}

void Account::Impl::on_push(Line& line, const SessionEvent& event) {
  // Other DCs know of nothing that the main one does not tell.
  if (!is_main(line)) return;
  if (objects.is_updates(constructor_of(event.body))) {
    listener.on_updates(event.body, {});
    return;
  }
  // Of a newer layer, perhaps: what it meant has to be asked for.
  log_at(LogLevel::kDebug, "client", "a push that is no Updates of this layer: {:08x}",
         constructor_of(event.body));
  if (state.user_id() != 0) listener.on_gap();
}

}  // namespace ringway::client
