// Messages and dialogs; see methods.h.
#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/limits.h"
#include "shard/messenger/methods.h"
#include "shard/messenger/objects.h"

namespace ringway::shard::messenger {
namespace {

using Selection = std::vector<const Message*>;

size_t bounded(int64_t limit) {
  return static_cast<size_t>(
      std::clamp<int64_t>(limit, 0, static_cast<int64_t>(kMessengerAnswerMessagesMax)));
}

// Sends a message that `owner` now has to all of the owner's sessions but the caller's.
void publish(const Call& call, int64_t owner, const Message& message) {
  const Ledger& ledger = call.room.ledger;
  for (const Listener& listener : call.room.listeners.of(owner)) {
    const bool caller = listener.auth_key_id == call.caller.auth_key_id &&
                        listener.session_id == call.caller.session_id;
    if (caller) continue;
    const Layer& layer = Layers::nearest(listener.layer);
    List users = {user_object(*ledger.user(message.peer), owner)};
    if (message.peer != owner) users.emplace_back(user_object(*ledger.user(owner), owner));
    const Object updates = updates_object(List{new_message_update(layer, message, owner)},
                                          std::move(users), message.date);
    Push push{listener.auth_key_id, listener.session_id, {}};
    ByteAppender out(push.body);
    const bool written = layer.write("Updates", updates, out);
    RW_ASSERT(written);
    call.room.pushes.push_back(std::move(push));
  }
}

// The messages with `peer`, the newest first.
Selection messages_with(const Call& call, int64_t peer) {
  Selection selection;
  const auto& all = call.room.ledger.messages(call.user_id);
  for (auto message = all.rbegin(); message != all.rend(); ++message) {
    if (message->peer == peer) selection.push_back(&*message);
  }
  return selection;
}

// The newest message of each dialog, the newest first.
Selection top_messages(const Call& call) {
  Selection selection;
  std::set<int64_t> seen;
  const auto& all = call.room.ledger.messages(call.user_id);
  for (auto message = all.rbegin(); message != all.rend(); ++message) {
    if (seen.insert(message->peer).second) selection.push_back(&*message);
  }
  return selection;
}

// The part of a history that the request describes.
Selection page_of(const Selection& history, const Object& request) {
  const int64_t offset_id = request.number("offset_id");
  const int64_t offset_date = request.number("offset_date");
  int64_t first = 0;
  for (const Message* message : history) {
    const bool newer =
        offset_id > 0 ? message->id >= offset_id : offset_date > 0 && message->date >= offset_date;
    if (!newer) break;
    ++first;
  }
  first = std::max<int64_t>(first + request.number("add_offset"), 0);
  const int64_t max_id = request.number("max_id");
  const int64_t min_id = request.number("min_id");
  const size_t limit = bounded(request.number("limit"));
  Selection page;
  for (auto i = static_cast<size_t>(first); i < history.size() && page.size() < limit; ++i) {
    const int64_t id = history[i]->id;
    if ((max_id > 0 && id >= max_id) || (min_id > 0 && id <= min_id)) continue;
    page.push_back(history[i]);
  }
  return page;
}

}  // namespace

Answer send_message(Call& call) {
  const User* peer = user_of(call, call.request.object("peer"));
  if (peer == nullptr) return bad_request("PEER_ID_INVALID");
  const std::string_view text = call.request.text("message");
  const int64_t random_id = call.request.number("random_id");
  if (text.empty()) return bad_request("MESSAGE_EMPTY");
  if (character_count(text) > kMessengerTextCharactersMax) {
    return too_large(call, "MESSAGE_TOO_LONG");
  }
  if (random_id == 0) return bad_request("RANDOM_ID_EMPTY");
  const int64_t peer_id = peer->id;
  const auto sent = call.room.ledger.send(call.user_id, peer_id, std::string(text), random_id,
                                          static_cast<int32_t>(call.caller.unix_seconds));
  if (!sent.ok()) return store_error(sent.error());
  if (!sent->again) {
    publish(call, call.user_id, *sent->own);
    if (sent->other != nullptr) publish(call, peer_id, *sent->other);
  }
  List updates;
  updates.emplace_back(
      Object{"updateMessageID", {{"id", sent->own->id}, {"random_id", random_id}}});
  updates.emplace_back(new_message_update(call.layer, *sent->own, call.user_id));
  return updates_object(std::move(updates), users_of(call, {sent->own}), sent->own->date);
}

Answer get_dialogs(Call& call) {
  const Selection all = top_messages(call);
  const int64_t offset_id = call.request.number("offset_id");
  const size_t limit = bounded(call.request.number("limit"));
  Selection page;
  for (const Message* message : all) {
    if (page.size() == limit) break;
    if (offset_id > 0 && message->id >= offset_id) continue;
    page.push_back(message);
  }
  List dialogs;
  for (const Message* message : page) dialogs.emplace_back(dialog_object(*message));
  Object answer{"messages.dialogs",
                {{"dialogs", std::move(dialogs)},
                 {"messages", message_list(call, page)},
                 {"users", users_of(call, page)}}};
  if (page.size() == all.size()) return answer;
  answer.name = "messages.dialogsSlice";
  answer.fields.push_back({"count", all.size()});
  return answer;
}

Answer get_history(Call& call) {
  const User* peer = user_of(call, call.request.object("peer"));
  if (peer == nullptr) return bad_request("PEER_ID_INVALID");
  const Selection history = messages_with(call, peer->id);
  const Selection page = page_of(history, call.request);
  Object answer{"messages.messages",
                {{"messages", message_list(call, page)}, {"users", users_of(call, page)}}};
  if (page.size() == history.size()) return answer;
  answer.name = "messages.messagesSlice";
  answer.fields.push_back({"count", history.size()});
  return answer;
}

}  // namespace ringway::shard::messenger
