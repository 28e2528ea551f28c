// What comes in, and the boxes that keep it in order; differences are in updates_difference.cc and
// updates_channel.cc.
#include "client/account/updates.h"

#include <algorithm>
#include <utility>

#include "client/account/updates_limits.h"

namespace ringway::client {
namespace {

using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

template <typename Visit>
void for_each_object(const Object& from, std::string_view field, Visit visit) {
  const List* list = from.list(field);
  if (list == nullptr) return;
  for (const Value& value : *list) {
    if (const Object* object = std::get_if<Object>(&value.data)) visit(*object);
  }
}

void remember(std::unordered_set<int64_t>& known, int64_t id) {
  // Forgetting costs a difference now and then, and nothing else.
  if (known.size() >= kUpdatesPeersMax) known.clear();
  known.insert(id);
}

}  // namespace

UpdatesEngine::UpdatesEngine(UpdatesOptions options, UpdatesState state)
    : options_(std::move(options)), state_(std::move(state)) {
  known_users_.insert(options_.self_id);
}

void UpdatesEngine::on_updates(ByteView tl, ByteView call, Now now, UpdatesOutput& out) {
  silence_ns_ = now.mono_ns + kUpdatesSilenceNs;
  if (state_.known && !question_.busy()) {
    take(tl, call, now, out);
    return;
  }
  postpone(tl, call);
  if (!question_.busy()) ask(now, out);
}

// What comes while the difference is on the way is looked at when that is applied.
void UpdatesEngine::postpone(ByteView tl, ByteView call) {
  const size_t bytes = tl.size() + call.size();
  if (held_count_ >= kUpdatesHeldMax || held_bytes_ + bytes > kUpdatesHeldBytesMax) {
    question_.again = true;  // the server has it still
    return;
  }
  ++held_count_;
  held_bytes_ += bytes;
  postponed_.push_back({Bytes(tl.begin(), tl.end()), Bytes(call.begin(), call.end())});
}

void UpdatesEngine::take(ByteView tl, ByteView call, Now now, UpdatesOutput& out) {
  const auto object = options_.layer->read_object(tl);
  if (!object.ok()) {
    ++counts_.unreadable;
    ask(now, out);
    return;
  }
  const std::string_view name = object->name;
  if (name == "updates" || name == "updatesCombined") {
    take_container(*object, tl, now, out);
  } else if (name == "updateShort") {
    if (const Object* update = object->object("update")) {
      apply(*update, source_of(*object, tl), now, out);
    }
  } else if (name == "updateShortMessage" || name == "updateShortChatMessage") {
    take_short_message(*object, tl, now, out);
  } else if (name == "updatesTooLong") {
    ask(now, out);
  } else if (name == "updateShortSentMessage" || object->find("pts_count") != nullptr) {
    // The pts of a call for another account are that one's.
    if (acts_for_another(call)) return;
    if (name == "updateShortSentMessage") {
      take_sent_message(*object, tl, call, now, out);
    } else {
      take_affected(*object, call, now, out);
    }
  } else {
    ++counts_.unreadable;  // not of type Updates
  }
}

void UpdatesEngine::take_container(const Object& object, ByteView tl, Now now, UpdatesOutput& out) {
  const auto seq = static_cast<int32_t>(object.number("seq"));
  const auto seq_start =
      object.find("seq_start") == nullptr ? seq : static_cast<int32_t>(object.number("seq_start"));
  if (seq_start == 0) {
    apply_all(object, source_of(object, tl), now, out);
    return;
  }
  if (seq <= state_.seq) {
    ++counts_.duplicates;
    return;
  }
  if (seq_start <= state_.seq) {
    ask(now, out);  // a part of it is known, but not which
    return;
  }
  if (int64_t{seq_start} > int64_t{state_.seq} + 1) {
    hold_container(seq_start, tl, now);
    return;
  }
  apply_all(object, source_of(object, tl), now, out);
  state_.seq = seq;
  state_.date = static_cast<int32_t>(object.number("date"));
  settle_containers(now, out);
}

void UpdatesEngine::hold_container(int32_t seq_start, ByteView tl, Now now) {
  if (containers_deadline_ns_ == INT64_MAX) containers_deadline_ns_ = now.mono_ns + kUpdatesHoldNs;
  if (held_count_ >= kUpdatesHeldMax || held_bytes_ + tl.size() > kUpdatesHeldBytesMax) return;
  if (!containers_.emplace(seq_start, Bytes(tl.begin(), tl.end())).second) return;
  ++held_count_;
  held_bytes_ += tl.size();
}

// Takes the held containers whose turn has come.
void UpdatesEngine::settle_containers(Now now, UpdatesOutput& out) {
  while (!containers_.empty() && !question_.busy() &&
         int64_t{containers_.begin()->first} <= int64_t{state_.seq} + 1) {
    const Bytes tl = std::move(containers_.extract(containers_.begin()).mapped());
    --held_count_;
    held_bytes_ -= tl.size();
    const int32_t before = state_.seq;
    take(tl, {}, now, out);
    if (state_.seq != before) ++counts_.gaps_filled;
  }
  if (containers_.empty()) containers_deadline_ns_ = INT64_MAX;
}

void UpdatesEngine::apply_all(const Object& container, const Source& source, Now now,
                              UpdatesOutput& out) {
  bool empty = true;
  for_each_object(container, "updates", [&](const Object& update) {
    empty = false;
    apply(update, source, now, out);
  });
  if (empty) tell(source, out);  // it may tell of users and chats
}

void UpdatesEngine::take_short_message(const Object& object, ByteView tl, Now now,
                                       UpdatesOutput& out) {
  if (!finishing_ && !knows_peers(object)) {
    // The difference says who they are, and most likely has the message, too.
    postpone(tl, {});
    ask(now, out);
    return;
  }
  Item item;
  item.update = expand_short(*options_.layer, object, options_.self_id);
  item.source = source_of(object, tl);
  arrive(order_of(object), std::move(item), now, out);
}

void UpdatesEngine::take_sent_message(const Object& object, ByteView tl, ByteView call, Now now,
                                      UpdatesOutput& out) {
  const UpdateOrder order = order_of(object);
  if (order.box == UpdateOrder::Box::kCommon && int64_t{state_.pts} + order.count > order.pts) {
    ++counts_.duplicates;
    return;
  }
  SentMessage message = expand_sent(*options_.layer, object, call, options_.self_id);
  if (message.update.empty()) {
    // What was sent, and to whom, is not in the call: the difference has it.
    ask(now, out);
    return;
  }
  const bool known = (message.user_id == 0 || known_users_.contains(message.user_id)) &&
                     (message.chat_id == 0 || known_chats_.contains(message.chat_id));
  if (!finishing_ && !known) {
    postpone(tl, call);
    ask(now, out);
    return;
  }
  Item item;
  item.update = std::move(message.update);
  item.source = source_of(object, tl);
  arrive(order, std::move(item), now, out);
}

void UpdatesEngine::take_affected(const Object& object, ByteView call, Now now,
                                  UpdatesOutput& out) {
  Affected affected = read_affected(*options_.layer, object, call);
  Item item;
  item.affected = true;
  item.update = std::move(affected.update);
  if (!item.update.empty()) item.source = source_of(object, {});
  if (affected.order.box != UpdateOrder::Box::kNone) {
    arrive(affected.order, std::move(item), now, out);
  }
}

void UpdatesEngine::apply(const Object& update, const Source& source, Now now, UpdatesOutput& out) {
  if (update.name == "updateChannelTooLong") {
    const int64_t channel_id = update.number("channel_id");
    UpdatesState::Channel& channel = channel_state(channel_id);
    if (channel.access_hash != 0 && channel.pts != 0) {
      ask_channel(channel_id, now, out);
    } else {
      channel.pts = static_cast<int32_t>(update.number("pts"));
      tell_channel_gap(channel_id, out);
      if (channels_.contains(channel_id)) finish_channel(channel_id, now, out);
    }
    return;
  }
  if (update.name == "updatePtsChanged") {
    ask(now, out);
    return;
  }
  arrive(order_of(update), {0, Bytes(update.bytes.begin(), update.bytes.end()), source}, now, out);
}

void UpdatesEngine::arrive(const UpdateOrder& order, Item item, Now now, UpdatesOutput& out) {
  if (order.count < 0 || order.pts < 0) {
    ++counts_.unreadable;
    return;
  }
  item.count = order.count;
  switch (order.box) {
    case UpdateOrder::Box::kNone:
      deliver(std::move(item), out);
      return;
    case UpdateOrder::Box::kCommon:
      if (question_.busy()) return hold_for_answer(common_, order.pts, std::move(item));
      arrive_in(common_, state_.pts, order.pts, std::move(item), now.mono_ns + kUpdatesHoldNs, out);
      return;
    case UpdateOrder::Box::kSecret:
      if (question_.busy()) return hold_for_answer(secret_, order.pts, std::move(item));
      arrive_in(secret_, state_.qts, order.pts, std::move(item), now.mono_ns + kUpdatesHoldNs, out);
      return;
    case UpdateOrder::Box::kChannel:
      arrive_in_channel(order, std::move(item), now, out);
      return;
  }
}

void UpdatesEngine::arrive_in(Box& box, int32_t& local, int32_t pts, Item item, int64_t deadline_ns,
                              UpdatesOutput& out) {
  const int64_t after = int64_t{local} + item.count;
  if (after > pts) {
    ++counts_.duplicates;
  } else if (after < pts) {
    hold(box, pts, std::move(item), deadline_ns);
  } else {
    local = pts;
    deliver(std::move(item), out);
    settle(box, local, out);
  }
}

void UpdatesEngine::arrive_in_channel(const UpdateOrder& order, Item item, Now now,
                                      UpdatesOutput& out) {
  UpdatesState::Channel& state = channel_state(order.channel_id);
  if (state.pts == 0 && item.affected) {
    deliver(std::move(item), out);
    return;
  }
  // The first that is heard of a channel is where its order begins.
  if (state.pts == 0) state.pts = static_cast<int32_t>(std::max(0, order.pts - order.count));
  const auto found = channels_.find(order.channel_id);
  if (found != channels_.end() && found->second.question.busy()) {
    hold(found->second.box, order.pts, std::move(item), INT64_MAX);
    return;
  }
  if (found == channels_.end() && int64_t{state.pts} + item.count >= order.pts) {
    Box empty;
    arrive_in(empty, state.pts, order.pts, std::move(item), INT64_MAX, out);
    return;
  }
  Channel& channel = channels_[order.channel_id];
  arrive_in(channel.box, state.pts, order.pts, std::move(item), now.mono_ns + kUpdatesHoldNs, out);
  if (channel.box.held.empty() && !channel.question.busy()) channels_.erase(order.channel_id);
}

// The difference that was asked for may bring it, too.
void UpdatesEngine::hold_for_answer(Box& box, int32_t pts, Item item) {
  const size_t before = held_count_;
  hold(box, pts, std::move(item), INT64_MAX);
  if (held_count_ == before) question_.again = true;  // no room: the server has it still
}

void UpdatesEngine::hold(Box& box, int32_t pts, Item item, int64_t deadline_ns) {
  box.deadline_ns = std::min(box.deadline_ns, deadline_ns);
  // Beyond the bound the difference has to bring it.
  if (held_count_ >= kUpdatesHeldMax || held_bytes_ + item.update.size() > kUpdatesHeldBytesMax) {
    return;
  }
  ++held_count_;
  held_bytes_ += item.update.size();
  box.held.emplace(pts, std::move(item));
}

void UpdatesEngine::uncount(const Item& item) {
  --held_count_;
  held_bytes_ -= item.update.size();
}

void UpdatesEngine::settle(Box& box, int32_t& local, UpdatesOutput& out) {
  while (!box.held.empty()) {
    const auto first = box.held.begin();
    const int64_t after = int64_t{local} + first->second.count;
    if (after < first->first) return;
    uncount(first->second);
    if (after == first->first) {
      local = first->first;
      ++counts_.gaps_filled;
      deliver(std::move(first->second), out);
    } else {
      ++counts_.duplicates;
    }
    box.held.erase(first);
  }
  box.deadline_ns = INT64_MAX;
}

// When an answer did not get us on, what is held will never be reached by asking: it goes on there.
// What a call's result said is no reason to: the server does not know of it in this box.
void UpdatesEngine::settle_after_answer(Box& box, int32_t& local, UpdatesOutput& out) {
  settle(box, local, out);
  if (!box.held.empty() && box.stuck_at == local) {
    drop_affected(box);
    if (!box.held.empty()) local = box.held.begin()->first - box.held.begin()->second.count;
    settle(box, local, out);
  }
  box.stuck_at = box.held.empty() ? -1 : local;
}

// Those that everything else would wait for.
void UpdatesEngine::drop_affected(Box& box) {
  while (!box.held.empty() && box.held.begin()->second.affected) {
    uncount(box.held.begin()->second);
    box.held.erase(box.held.begin());
    ++counts_.unreadable;
  }
}

void UpdatesEngine::clear(Box& box) {
  for (const auto& [pts, item] : box.held) uncount(item);
  box.held.clear();
  box.deadline_ns = INT64_MAX;
}

void UpdatesEngine::tell(const Source& source, UpdatesOutput& out) {
  if (std::exchange(source->told, true)) return;
  UpdateEvent event;
  event.kind = UpdateEvent::Kind::kSource;
  event.source = source->source;
  out.events.push_back(std::move(event));
}

void UpdatesEngine::deliver(Item item, UpdatesOutput& out) {
  if (item.source == nullptr) return;
  tell(item.source, out);
  if (item.update.empty()) return;
  ++counts_.delivered;
  UpdateEvent event;
  event.update = std::move(item.update);
  event.source = item.source->source;
  out.events.push_back(std::move(event));
}

UpdatesEngine::Source UpdatesEngine::source_of(const Object& object, ByteView original) {
  auto source = std::make_shared<UpdateSource>();
  source->original.assign(original.begin(), original.end());
  source->users = objects_of(object, "users");
  source->chats = objects_of(object, "chats");
  learn_peers(object);
  return std::make_shared<Origin>(Origin{std::move(source), false});
}

// --- Users, chats and channels.

void UpdatesEngine::learn_peers(const Object& object) {
  for_each_object(object, "users", [&](const Object& user) {
    if (user.find("min") == nullptr) remember(known_users_, user.number("id"));
  });
  for_each_object(object, "chats", [&](const Object& chat) {
    remember(known_chats_, chat.number("id"));
    const int64_t access_hash = chat.number("access_hash");
    if (chat.find("min") != nullptr || access_hash == 0) return;
    if (chat.name == "channel" || chat.name == "channelForbidden") {
      channel_state(chat.number("id")).access_hash = access_hash;
    }
  });
}

bool UpdatesEngine::knows_peers(const Object& brief) const {
  for (const std::string_view field : {"user_id", "from_id", "via_bot_id"}) {
    if (brief.find(field) != nullptr && !known_users_.contains(brief.number(field))) return false;
  }
  return brief.find("chat_id") == nullptr || known_chats_.contains(brief.number("chat_id"));
}

UpdatesState::Channel& UpdatesEngine::channel_state(int64_t channel_id) {
  const auto found = state_.channels.find(channel_id);
  if (found == state_.channels.end() && state_.channels.size() >= kUpdatesChannelsMax) {
    forget_oldest_channel();
  }
  UpdatesState::Channel& channel = state_.channels[channel_id];
  channel.seen = next_seen_++;
  return channel;
}

void UpdatesEngine::forget_oldest_channel() {
  const auto oldest =
      std::min_element(state_.channels.begin(), state_.channels.end(),
                       [](const auto& a, const auto& b) { return a.second.seen < b.second.seen; });
  forget_channel(oldest->first);
}

// --- Time.

void UpdatesEngine::on_gap(Now now, UpdatesOutput& out) { ask(now, out); }

void UpdatesEngine::on_time(Now now, UpdatesOutput& out) {
  const int64_t common_ns = std::min({common_.deadline_ns, secret_.deadline_ns,
                                      containers_deadline_ns_, silence_ns_, question_.retry_at_ns});
  if (common_ns <= now.mono_ns) ask(now, out);
  std::vector<int64_t> due;
  for (const auto& [id, channel] : channels_) {
    if (std::min(channel.box.deadline_ns, channel.question.retry_at_ns) <= now.mono_ns) {
      due.push_back(id);
    }
  }
  for (const int64_t id : due) ask_channel(id, now, out);
}

int64_t UpdatesEngine::next_deadline_ns() const noexcept {
  int64_t deadline_ns = std::min({common_.deadline_ns, secret_.deadline_ns, containers_deadline_ns_,
                                  silence_ns_, question_.retry_at_ns});
  for (const auto& [id, channel] : channels_) {
    deadline_ns = std::min({deadline_ns, channel.box.deadline_ns, channel.question.retry_at_ns});
  }
  return deadline_ns;
}

}  // namespace ringway::client
