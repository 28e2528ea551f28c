// The differences of channels. Each has its own pts, and several are asked for at a time.
#include <algorithm>

#include "client/account/updates.h"
#include "client/account/updates_limits.h"

namespace ringway::client {
namespace {

using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

// Nothing will come from it any more.
bool is_closed_to_us(std::string_view text) {
  return text == "CHANNEL_PRIVATE" || text == "CHANNEL_INVALID" ||
         text == "USER_BANNED_IN_CHANNEL" || text == "CHANNEL_PUBLIC_GROUP_NA";
}

}  // namespace

Object UpdatesEngine::channel_request(int64_t channel_id, const UpdatesState::Channel& state,
                                      int32_t limit) {
  return {"updates.getChannelDifference",
          {{"channel", Object{"inputChannel",
                              {{"channel_id", channel_id}, {"access_hash", state.access_hash}},
                              {}}},
           {"filter", Object{"channelMessagesFilterEmpty", {}, {}}},
           {"pts", state.pts},
           {"limit", limit}},
          {}};
}

void UpdatesEngine::ask_channel(int64_t channel_id, Now now, UpdatesOutput& out) {
  const UpdatesState::Channel& state = channel_state(channel_id);
  if (state.access_hash == 0 || state.pts == 0) {
    skip_channel_gap(channel_id, now, out);
    return;
  }
  Channel& channel = channels_[channel_id];
  channel.box.deadline_ns = INT64_MAX;
  if (channel.question.call != 0) {
    channel.question.again = true;
    return;
  }
  if (channel.question.retry_at_ns != INT64_MAX && channel.question.retry_at_ns > now.mono_ns) {
    return;
  }
  channel.question.retry_at_ns = INT64_MAX;
  if (channel_calls_.size() >= kUpdatesChannelCallsMax) {
    waiting_channels_.insert(channel_id);
    return;
  }
  ++counts_.channel_differences;
  channel.question.call =
      call(channel_request(channel_id, state,
                           options_.is_bot ? kUpdatesBotChannelLimit : kUpdatesChannelLimit),
           out);
  channel_calls_.emplace(channel.question.call, channel_id);
}

void UpdatesEngine::begin_waiting_channels(Now now, UpdatesOutput& out) {
  while (!waiting_channels_.empty() && channel_calls_.size() < kUpdatesChannelCallsMax) {
    const int64_t channel_id = *waiting_channels_.begin();
    waiting_channels_.erase(waiting_channels_.begin());
    ask_channel(channel_id, now, out);
  }
}

void UpdatesEngine::on_channel_difference(int64_t channel_id, const Object& difference, Now now,
                                          UpdatesOutput& out) {
  const Source source = source_of(difference, {});
  UpdatesState::Channel& state = channel_state(channel_id);
  const int32_t before = state.pts;
  const Object* dialog = difference.object("dialog");
  const auto pts = static_cast<int32_t>((dialog != nullptr ? *dialog : difference).number("pts"));
  if (difference.name == "updates.channelDifferenceTooLong") {
    state.pts = pts;
    tell_channel_gap(channel_id, out);
  } else {
    state.pts = pts;
    deliver_messages(difference, pts, source, out);
    if (const List* others = difference.list("other_updates")) {
      for (const Value& value : *others) {
        apply_from_difference(std::get<Object>(value.data), channel_id, source, now, out);
      }
    }
  }
  Question& question = channels_[channel_id].question;
  if (difference.find("final") != nullptr) {
    finish_channel(channel_id, now, out);
    return;
  }
  const int64_t timeout =
      std::clamp<int64_t>(difference.number("timeout"), 0, kUpdatesTimeoutMaxSeconds);
  if (pts == before) {
    retry_later(question, now);
  } else if (timeout > 0) {
    question.retry_at_ns = now.mono_ns + timeout * kNsPerSecond;
  } else {
    ask_channel(channel_id, now, out);
  }
}

void UpdatesEngine::on_channel_failure(int64_t channel_id, std::string_view text, Now now,
                                       UpdatesOutput& out) {
  if (is_closed_to_us(text)) {
    forget_channel(channel_id);
  } else if (text == "PERSISTENT_TIMESTAMP_INVALID" || text == "PERSISTENT_TIMESTAMP_EMPTY") {
    skip_channel_gap(channel_id, now, out);
  } else {
    retry_later(channels_[channel_id].question, now);
  }
}

void UpdatesEngine::tell_channel_gap(int64_t channel_id, UpdatesOutput& out) {
  ++counts_.lost;
  UpdateEvent event;
  event.kind = UpdateEvent::Kind::kGap;
  event.reason = UpdateEvent::GapReason::kChannelTooLong;
  event.channel_id = channel_id;
  event.pts = channel_state(channel_id).pts;
  out.events.push_back(std::move(event));
}

// There is no way to ask, or no readable answer: it goes on with the first update that is here.
void UpdatesEngine::skip_channel_gap(int64_t channel_id, Now now, UpdatesOutput& out) {
  const auto found = channels_.find(channel_id);
  UpdatesState::Channel& state = channel_state(channel_id);
  if (found == channels_.end() || found->second.box.held.empty()) {
    state.pts = 0;
  } else {
    const auto first = found->second.box.held.begin();
    state.pts = std::max(0, first->first - first->second.count);
  }
  tell_channel_gap(channel_id, out);
  if (found != channels_.end()) finish_channel(channel_id, now, out);
}

void UpdatesEngine::finish_channel(int64_t channel_id, Now now, UpdatesOutput& out) {
  Channel& channel = channels_[channel_id];
  channel.question.retry_delay_ns = 0;
  channel.question.retry_at_ns = INT64_MAX;
  settle_after_answer(channel.box, channel_state(channel_id).pts, out);
  if (channel.question.again) {
    channel.question.again = false;
    ask_channel(channel_id, now, out);
    return;
  }
  if (channel.box.held.empty()) {
    channels_.erase(channel_id);
  } else {
    channel.box.deadline_ns = now.mono_ns + kUpdatesHoldNs;
  }
}

void UpdatesEngine::forget_channel(int64_t channel_id) {
  state_.channels.erase(channel_id);
  waiting_channels_.erase(channel_id);
  const auto found = channels_.find(channel_id);
  if (found == channels_.end()) return;
  channel_calls_.erase(found->second.question.call);
  clear(found->second.box);
  channels_.erase(found);
}

}  // namespace ringway::client
