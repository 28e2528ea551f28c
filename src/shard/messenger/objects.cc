#include "shard/messenger/objects.h"

namespace ringway::shard::messenger {
namespace {

Object bare(std::string_view name) { return {name, {}}; }

// What only layer 71 has in a full user.
Object contact_link(const User& user, int64_t viewer) {
  return {"contacts.link",
          {{"my_link", bare("contactLinkContact")},
           {"foreign_link", bare("contactLinkContact")},
           {"user", user_object(user, viewer)}}};
}

}  // namespace

Object peer_object(int64_t user_id) { return {"peerUser", {{"user_id", user_id}}}; }

Object user_object(const User& user, int64_t viewer) {
  Object object{"user",
                {{"self", user.id == viewer},
                 {"contact", user.id != viewer},
                 {"mutual_contact", user.id != viewer},
                 {"id", user.id},
                 {"access_hash", user.access_hash},
                 {"first_name", user.first_name},
                 {"phone", user.phone}}};
  if (!user.last_name.empty()) object.fields.push_back({"last_name", user.last_name});
  if (!user.username.empty()) object.fields.push_back({"username", user.username});
  return object;
}

Object message_object(const Layer& layer, const Message& message, int64_t owner) {
  const int64_t from = message.out ? owner : message.peer;
  const int64_t to = message.out ? message.peer : owner;
  const Value sender = layer.is_object("message", "from_id") ? Value(peer_object(from)) : from;
  return {"message",
          {{"out", message.out},
           {"id", message.id},
           {"from_id", sender},
           {"to_id", peer_object(to)},
           {"peer_id", peer_object(message.peer)},
           {"date", message.date},
           {"message", message.text}}};
}

Object new_message_update(const Layer& layer, const Message& message, int64_t owner) {
  return {
      "updateNewMessage",
      {{"message", message_object(layer, message, owner)}, {"pts", message.pts}, {"pts_count", 1}}};
}

Object updates_object(List updates, List users, int64_t date) {
  return {"updates",
          {{"updates", std::move(updates)}, {"users", std::move(users)}, {"date", date}}};
}

Object state_object(int32_t pts, int64_t date) {
  return {"updates.state", {{"pts", pts}, {"date", date}}};
}

Object dialog_object(const Message& top) {
  return {"dialog",
          {{"peer", peer_object(top.peer)},
           {"top_message", top.id},
           {"read_inbox_max_id", top.id},
           {"read_outbox_max_id", top.id},
           {"notify_settings", bare("peerNotifySettings")}}};
}

Object full_user_object(const Layer& layer, const User& user, int64_t viewer) {
  Object full{"userFull",
              {{"id", user.id},
               {"user", user_object(user, viewer)},
               {"link", contact_link(user, viewer)},
               {"settings", bare("peerSettings")},
               {"notify_settings", bare("peerNotifySettings")}}};
  if (!layer.has("users.userFull")) return full;
  return {"users.userFull",
          {{"full_user", std::move(full)}, {"users", List{user_object(user, viewer)}}}};
}

}  // namespace ringway::shard::messenger
