// Calls from start to end; see the states in account_impl.h.
#include <algorithm>
#include <utility>

#include "client/account/account_impl.h"
#include "client/account/limits.h"
#include "client/objects.h"

namespace ringway::client {

using End = CallOutcome::End;

CallId Account::Impl::add(Call call) {
  const CallId id = next_call++;
  const auto refuse = [&](CallOutcome outcome) {
    tell({id, call.sink, std::move(call.internal), News::About::kEnd, std::move(outcome)});
    return id;
  };
  if (signed_out) return refuse(sign_out_outcome);
  if (calls.size() >= kAccountCallsMax || call_bytes + call.tl.size() > kAccountCallBytesMax) {
    return refuse({.end = End::kFull, .text = "too many calls at once"});
  }
  if (call.tl.empty() || call.tl.size() % 4 != 0) {
    return refuse({.end = End::kUnavailable, .text = "a call is whole words of TL"});
  }
  if (call.internal) {
    ++internal_calls;
  } else {
    ++counts.calls;
  }
  call_bytes += call.tl.size();
  call.method = ApiObjects::method_of(call.tl);
  deadlines.emplace(call.deadline_ns, id);
  watch_deadline(call.deadline_ns);
  if (call.order != 0) call.predecessor = std::exchange(last_of_order[call.order], id);
  calls.emplace(id, std::move(call));
  route(id);
  return id;
}

CallId Account::Impl::start_internal(Bytes tl, int32_t dc, bool first, InternalDone done) {
  Call call;
  call.tl = std::move(tl);
  call.internal = std::move(done);
  call.dc = dc;
  call.first = first;
  call.deadline_ns = now_ns() + options.call_timeout_ns;
  return add(std::move(call));
}

// Where a call goes that may go: to its DC, unless the server wants it to wait.
void Account::Impl::route(CallId id) {
  Call& call = calls.at(id);
  std::string peer;
  const Waits::Verdict verdict = waits.before(subject_of(id, call, peer), now_ns());
  switch (verdict.kind) {
    case Waits::Verdict::Kind::kGo:
      dispatch(id, call);
      return;
    case Waits::Verdict::Kind::kHold:
      hold(id, call);
      return;
    case Waits::Verdict::Kind::kRefuse:
      finish(id, {.end = End::kRpcError,
                  .sent = call.may_have_run,
                  .code = 420,
                  .text = verdict.text,
                  .retry_after_seconds = verdict.seconds});
      return;
  }
}

void Account::Impl::hold(CallId id, Call& call) {
  call.state = Call::State::kHeld;
  tell({id, call.sink, nullptr, News::About::kHeld, {}});
  if (const auto due_ns = waits.next_due_ns()) watch_deadline(*due_ns);
}

void Account::Impl::dispatch(CallId id, Call& call) {
  Dc& place = dc_of(call);
  place.busy_ns = now_ns();
  const bool up = place.line->link.is_up();
  if (up && (call.first || (!needs_import(place) && place.queue.empty()))) {
    send(id, call, *place.line);
    return;
  }
  if (call.first) {
    finish(id, {.end = End::kUnavailable, .text = place.line->link.problem()});
    return;
  }
  enqueue(id, call, place);
  place.line->link.start();
  if (up) flush_queue(place);
}

// What comes before it in its order is done, or is in the same session before it: then the server
// can be told of the order.
bool Account::Impl::may_follow(CallId id, Call& call, const Line& line) {
  const auto before = calls.find(call.predecessor);
  if (call.predecessor == 0 || before == calls.end()) return true;
  if (before->second.state == Call::State::kSent && before->second.line == &line) return true;
  call.state = Call::State::kBehind;
  before->second.followers.push_back(id);
  return false;
}

void Account::Impl::send(CallId id, Call& call, Line& line) {
  if (!may_follow(id, call, line)) return;
  RequestOptions request;
  const auto before = calls.find(call.predecessor);
  if (call.predecessor != 0 && before != calls.end()) {
    request.after_request = before->second.request;
  }
  call.wrapped = !line.initialized;
  const auto sent = call.wrapped ? line.link.send(objects.wrap(call.tl), request)
                                 : line.link.send(call.tl, request);
  if (!sent.ok()) {
    finish(id, {.end = End::kFull, .text = "the session has too many messages under way"});
    return;
  }
  call.state = Call::State::kSent;
  call.queued_at = nullptr;
  call.line = &line;
  call.request = *sent;
  call.mark = line.link.mark();
  line.calls.emplace(*sent, id);
  unblock(call);
}

Account::Impl::Withdrawn Account::Impl::withdraw(CallId id, Call& call) {
  Withdrawn withdrawn;
  withdrawn.sent = call.may_have_run;
  switch (call.state) {
    case Call::State::kSent: {
      const Session::Dropped dropped = call.line->link.drop(call.request);
      if (dropped != Session::Dropped::kUnsent) withdrawn.sent = true;
      if (dropped == Session::Dropped::kSent) {
        withdrawn.told_on = call.line;
        withdrawn.told_about = call.request;
      }
      call.line->calls.erase(call.request);
      break;
    }
    case Call::State::kQueued:
      if (call.queued_at != nullptr) std::erase(call.queued_at->queue, id);
      break;
    case Call::State::kBehind:
      if (const auto before = calls.find(call.predecessor); before != calls.end()) {
        std::erase(before->second.followers, id);
      }
      break;
    case Call::State::kHeld:
      break;
  }
  call.state = Call::State::kQueued;
  call.line = nullptr;
  return withdrawn;
}

void Account::Impl::cancel(CallId id) {
  if (calls.contains(id)) give_up(id, End::kCancelled);
}

void Account::Impl::give_up(CallId id, End why) {
  Call& call = calls.at(id);
  const Withdrawn withdrawn = withdraw(id, call);
  CallOutcome outcome;
  outcome.end = why;
  outcome.sent = withdrawn.sent;
  if (why == End::kDeadline) outcome.text = outcome.sent ? "no answer in time" : problem;
  outcome.settles =
      call.tell_settled && withdrawn.told_on != nullptr && settling.size() < kSettlingCallsMax;
  if (!outcome.settles) {
    finish(id, std::move(outcome));
    return;
  }
  const Settling given_up{call.sink, withdrawn.told_on, withdrawn.told_about,
                          now_ns() + kCallSettleNs};
  finish(id, std::move(outcome));
  settling.emplace(id, given_up);
  given_up.line->settling.emplace(given_up.request, id);
  deadlines.emplace(given_up.deadline_ns, id);
  watch_deadline(given_up.deadline_ns);
}

void Account::Impl::settle(CallId id) {
  Settling& given_up = settling.at(id);
  if (given_up.line == nullptr) return;
  given_up.line->settling.erase(given_up.request);
  given_up.line = nullptr;
  deadlines.erase({given_up.deadline_ns, id});
  tell({id, given_up.sink, nullptr, News::About::kSettled, {}});
}

void Account::Impl::forget(CallId id) {
  const auto found = settling.find(id);
  if (found == settling.end()) return;
  const Settling& given_up = found->second;
  if (given_up.line != nullptr) given_up.line->settling.erase(given_up.request);
  deadlines.erase({given_up.deadline_ns, id});
  settling.erase(found);
}

void Account::Impl::settle_all(Line& line) {
  while (!line.settling.empty()) settle(line.settling.begin()->second);
}

void Account::Impl::finish(CallId id, CallOutcome outcome) {
  const auto found = calls.find(id);
  RW_ASSERT(found != calls.end());
  Call& call = found->second;
  waits.gone(id);
  deadlines.erase({call.deadline_ns, id});
  call_bytes -= call.tl.size();
  if (call.internal) --internal_calls;
  if (call.order != 0) {
    const auto last = last_of_order.find(call.order);
    if (last != last_of_order.end() && last->second == id) last_of_order.erase(last);
  }
  tell({id, call.sink, std::move(call.internal), News::About::kEnd, std::move(outcome)});
  Call done = std::move(call);
  calls.erase(found);
  unblock(done);
  // A probe that is gone lets another one go.
  if (const auto due_ns = waits.next_due_ns()) watch_deadline(*due_ns);
}

// One after the other, however long the chain is.
void Account::Impl::unblock(Call& call) {
  if (call.followers.empty()) return;
  unblocked.insert(unblocked.end(), call.followers.begin(), call.followers.end());
  call.followers.clear();
  if (unblocking) return;
  unblocking = true;
  while (!unblocked.empty()) {
    const CallId id = unblocked.front();
    unblocked.pop_front();
    const auto found = calls.find(id);
    if (found == calls.end()) continue;
    if (signed_out) {
      finish(id, sign_out_outcome);
    } else {
      route(id);
    }
  }
  unblocking = false;
}

void Account::Impl::tell(News told) {
  news.push_back(std::move(told));
  if (delivery_wanted) return;
  delivery_wanted = true;
  loop.at_turn_end([this, here = std::weak_ptr(alive)] {
    if (!here.expired()) deliver();
  });
}

// Sinks may start and cancel calls meanwhile.
void Account::Impl::deliver() {
  delivery_wanted = false;
  const std::weak_ptr<int> here = alive;
  std::vector<News> batch = std::move(news);
  news.clear();
  for (News& told : batch) {
    if (told.sink == nullptr) {
      if (told.internal) told.internal(std::move(told.outcome));
    } else if (told.about == News::About::kEnd) {
      told.sink->on_call_done(told.call, std::move(told.outcome));
    } else if (told.about == News::About::kSettled) {
      if (settling.erase(told.call) != 0) told.sink->on_call_settled(told.call);
    } else {
      told.sink->on_call_held(told.call, told.about == News::About::kHeld);
    }
    if (here.expired()) return;
  }
}

void Account::Impl::release_waits() {
  for (const Waits::Release& release : waits.due(now_ns())) {
    const auto found = calls.find(release.call);
    if (found == calls.end()) continue;
    tell({release.call, found->second.sink, nullptr, News::About::kGoesOn, {}});
    if (release.verdict.kind == Waits::Verdict::Kind::kRefuse) {
      finish(release.call, {.end = End::kRpcError,
                            .code = 420,
                            .text = release.verdict.text,
                            .retry_after_seconds = release.verdict.seconds});
    } else {
      dispatch(release.call, found->second);
    }
  }
}

void Account::Impl::watch_deadline(int64_t deadline_ns) {
  if (timer != 0 && timer_ns <= deadline_ns) return;
  if (timer != 0) loop.cancel(timer);
  timer_ns = deadline_ns;
  timer = loop.at(deadline_ns, [this] {
    timer = 0;
    on_timer();
    arm();
  });
}

void Account::Impl::arm() {
  int64_t due_ns = now_ns() + kDcIdleNs / 10;
  if (!deadlines.empty()) due_ns = std::min(due_ns, deadlines.begin()->first);
  if (salts_untold) due_ns = std::min(due_ns, told_salts_ns + kStateSaltPeriodNs);
  if (const auto wait_ns = waits.next_due_ns()) due_ns = std::min(due_ns, *wait_ns);
  watch_deadline(due_ns);
}

void Account::Impl::on_timer() {
  while (!deadlines.empty() && deadlines.begin()->first <= now_ns()) {
    const CallId id = deadlines.begin()->second;
    if (calls.contains(id)) {
      give_up(id, End::kDeadline);
    } else {
      settle(id);
    }
  }
  release_waits();
  if (salts_untold && now_ns() - told_salts_ns >= kStateSaltPeriodNs) state_changed();
  close_idle();
}

}  // namespace ringway::client
