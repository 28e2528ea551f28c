// The difference of the account: asked for, applied, repeated.
#include <algorithm>

#include "client/account/updates.h"
#include "client/account/updates_limits.h"

namespace ringway::client {
namespace {

using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

Object state_request() { return {"updates.getState", {}, {}}; }

Object difference_request(const UpdatesState& state) {
  return {
      "updates.getDifference", {{"pts", state.pts}, {"date", state.date}, {"qts", state.qts}}, {}};
}

}  // namespace

bool UpdatesEngine::supports(const tl::dynamic::Layer& layer) {
  Bytes unused;
  ByteAppender out(unused);
  return layer.write_call(state_request(), out) && layer.write_call(difference_request({}), out) &&
         layer.write_call(channel_request({}, {}, kUpdatesChannelLimit), out);
}

uint64_t UpdatesEngine::call(const Object& request, UpdatesOutput& out) {
  UpdatesCall made;
  made.id = next_call_++;
  ByteAppender appender(made.tl);
  const bool written = options_.layer->write_call(request, appender);
  RW_ASSERT(written);
  out.calls.push_back(std::move(made));
  return out.calls.back().id;
}

void UpdatesEngine::retry_later(Question& question, Now now) {
  question.retry_delay_ns = question.retry_delay_ns == 0
                                ? kUpdatesRetryFirstNs
                                : std::min(2 * question.retry_delay_ns, kUpdatesRetryMaxNs);
  question.retry_at_ns = now.mono_ns + question.retry_delay_ns;
}

void UpdatesEngine::ask(Now now, UpdatesOutput& out) {
  // What is missing comes with the answer; until then nobody waits for it.
  common_.deadline_ns = INT64_MAX;
  secret_.deadline_ns = INT64_MAX;
  containers_deadline_ns_ = INT64_MAX;
  silence_ns_ = now.mono_ns + kUpdatesSilenceNs;
  if (question_.call != 0) {
    question_.again = true;
    return;
  }
  if (question_.retry_at_ns != INT64_MAX && question_.retry_at_ns > now.mono_ns) return;
  question_.retry_at_ns = INT64_MAX;
  asks_state_ = !state_.known;
  if (asks_state_) {
    question_.call = call(state_request(), out);
    return;
  }
  ++counts_.differences;
  question_.call = call(difference_request(state_), out);
}

void UpdatesEngine::on_answer(uint64_t call, ByteView tl, Now now, UpdatesOutput& out) {
  const auto object = options_.layer->read_object(tl);
  if (call == question_.call && call != 0) {
    question_.call = 0;
    const bool readable = object.ok() && object->name.starts_with(
                                             asks_state_ ? "updates.state" : "updates.difference");
    if (!readable) {
      ++counts_.unreadable;
      give_up_difference(now, out);
    } else if (asks_state_) {
      on_state(*object, now, out);
    } else {
      on_difference(*object, tl, now, out);
    }
    return;
  }
  const auto found = channel_calls_.find(call);
  if (found == channel_calls_.end()) return;  // of a channel that was forgotten
  const int64_t channel_id = found->second;
  channel_calls_.erase(found);
  channels_[channel_id].question.call = 0;
  if (object.ok() && object->name.starts_with("updates.channelDifference")) {
    on_channel_difference(channel_id, *object, now, out);
  } else {
    ++counts_.unreadable;
    skip_channel_gap(channel_id, now, out);
  }
  begin_waiting_channels(now, out);
}

void UpdatesEngine::on_failure(uint64_t call, int32_t code, std::string_view text, Now now,
                               UpdatesOutput& out) {
  ++counts_.failures;
  if (call == question_.call && call != 0) {
    question_.call = 0;
    const bool pointless = code == 400 && (text == "PERSISTENT_TIMESTAMP_INVALID" ||
                                           text == "PERSISTENT_TIMESTAMP_EMPTY");
    if (pointless && !asks_state_) {
      give_up_difference(now, out);
    } else {
      retry_later(question_, now);
    }
    return;
  }
  const auto found = channel_calls_.find(call);
  if (found == channel_calls_.end()) return;
  const int64_t channel_id = found->second;
  channel_calls_.erase(found);
  channels_[channel_id].question.call = 0;
  on_channel_failure(channel_id, text, now, out);
  begin_waiting_channels(now, out);
}

// The way from where we are is lost: take the state as it is now, and say so.
void UpdatesEngine::give_up_difference(Now now, UpdatesOutput& out) {
  if (asks_state_) {
    retry_later(question_, now);
    return;
  }
  state_.known = false;
  gap_to_tell_ = true;
  ask(now, out);
}

void UpdatesEngine::set_state(const Object& state) {
  state_.known = true;
  state_.pts = static_cast<int32_t>(state.number("pts"));
  state_.qts = static_cast<int32_t>(state.number("qts"));
  state_.date = static_cast<int32_t>(state.number("date"));
  state_.seq = static_cast<int32_t>(state.number("seq"));
}

void UpdatesEngine::on_state(const Object& state, Now now, UpdatesOutput& out) {
  set_state(state);
  if (gap_to_tell_) tell_gap(out);
  finish(now, out);
}

void UpdatesEngine::tell_gap(UpdatesOutput& out) {
  gap_to_tell_ = false;
  ++counts_.lost;
  UpdateEvent event;
  event.kind = UpdateEvent::Kind::kGap;
  event.pts = state_.pts;
  out.events.push_back(std::move(event));
}

void UpdatesEngine::on_difference(const Object& difference, ByteView tl, Now now,
                                  UpdatesOutput& out) {
  if (difference.name == "updates.differenceEmpty") {
    state_.date = static_cast<int32_t>(difference.number("date"));
    state_.seq = static_cast<int32_t>(difference.number("seq"));
    finish(now, out);
    return;
  }
  const int32_t pts = state_.pts;
  const int32_t qts = state_.qts;
  if (difference.name == "updates.differenceTooLong") {
    state_.pts = static_cast<int32_t>(difference.number("pts"));
    tell_gap(out);
    ask_on(state_.pts != pts, now, out);
    return;
  }
  const bool is_slice = difference.name == "updates.differenceSlice";
  const Object* state = difference.object(is_slice ? "intermediate_state" : "state");
  RW_ASSERT(state != nullptr);  // the schema has it
  const Source source = source_of(difference, tl);
  set_state(*state);
  deliver_messages(difference, state_.pts, source, out);
  if (const List* secret = difference.list("new_encrypted_messages")) {
    for (const Value& value : *secret) {
      deliver({0, make_new_encrypted(*options_.layer, std::get<Object>(value.data), state_.qts),
               source},
              out);
    }
  }
  if (const List* others = difference.list("other_updates")) {
    for (const Value& value : *others) {
      apply_from_difference(std::get<Object>(value.data), 0, source, now, out);
    }
  }
  if (is_slice) {
    ask_on(state_.pts != pts || state_.qts != qts, now, out);
  } else {
    finish(now, out);
  }
}

// A server that does not get us on is not asked without end.
void UpdatesEngine::ask_on(bool progress, Now now, UpdatesOutput& out) {
  if (progress) {
    question_.retry_delay_ns = 0;
    ask(now, out);
  } else {
    retry_later(question_, now);
  }
}

void UpdatesEngine::deliver_messages(const Object& difference, int32_t pts, const Source& source,
                                     UpdatesOutput& out) {
  const List* messages = difference.list("new_messages");
  if (messages == nullptr) return;
  for (const Value& value : *messages) {
    const auto& message = std::get<Object>(value.data);
    deliver({0, make_new_message(*options_.layer, message, pts), source}, out);
  }
}

// What belongs to the box of the difference was put in order by the server; the rest goes its way.
void UpdatesEngine::apply_from_difference(const Object& update, int64_t channel_id,
                                          const Source& source, Now now, UpdatesOutput& out) {
  if (update.name == "updatePtsChanged") return;
  const UpdateOrder order = order_of(update);
  const bool own =
      order.box == UpdateOrder::Box::kNone ||
      (channel_id != 0 ? order.channel_id == channel_id : order.box != UpdateOrder::Box::kChannel);
  if (own && update.name != "updateChannelTooLong") {
    deliver({0, Bytes(update.bytes.begin(), update.bytes.end()), source}, out);
  } else if (update.name != "updateChannelTooLong" || update.number("channel_id") != channel_id) {
    apply(update, source, now, out);
  }
}

// All is applied: now what was held, then what came in the meantime.
void UpdatesEngine::finish(Now now, UpdatesOutput& out) {
  question_.retry_delay_ns = 0;
  silence_ns_ = now.mono_ns + kUpdatesSilenceNs;
  if (question_.again) {
    question_.again = false;
    ask(now, out);
    return;
  }
  settle_after_answer(common_, state_.pts, out);
  if (!common_.held.empty()) common_.deadline_ns = now.mono_ns + kUpdatesHoldNs;
  settle_after_answer(secret_, state_.qts, out);
  if (!secret_.held.empty()) secret_.deadline_ns = now.mono_ns + kUpdatesHoldNs;
  settle_containers(now, out);
  if (!containers_.empty() && !question_.busy()) {
    if (containers_stuck_at_ == state_.seq) {
      state_.seq = containers_.begin()->first - 1;
      settle_containers(now, out);
    }
    containers_stuck_at_ = containers_.empty() ? -1 : state_.seq;
    if (!containers_.empty()) containers_deadline_ns_ = now.mono_ns + kUpdatesHoldNs;
  }
  finishing_ = true;
  while (!postponed_.empty() && !question_.busy()) {
    const Postponed next = std::move(postponed_.front());
    postponed_.pop_front();
    --held_count_;
    held_bytes_ -= next.tl.size() + next.call.size();
    take(next.tl, next.call, now, out);
  }
  finishing_ = false;
}

}  // namespace ringway::client
