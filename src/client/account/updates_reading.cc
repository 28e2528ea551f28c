#include "client/account/updates_reading.h"

#include <algorithm>

namespace ringway::client {
namespace {

using tl::dynamic::Layer;
using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

int32_t int_of(const Object& object, std::string_view field) {
  return static_cast<int32_t>(object.number(field));
}

Bytes write_update(const Layer& layer, const Object& update) {
  Bytes tl;
  ByteAppender out(tl);
  if (!layer.write("Update", update, out)) return {};
  return tl;
}

Object peer(std::string_view name, std::string_view field, int64_t id) {
  return {name, {{field, id}}, {}};
}

}  // namespace

int64_t channel_of(const Object& object) {
  if (object.find("channel_id") != nullptr) return object.number("channel_id");
  // A message says whom it is for.
  for (const std::string_view field : {"peer_id", "to_id"}) {
    const Object* to = object.object(field);
    if (to != nullptr && to->name == "peerChannel") return to->number("channel_id");
  }
  const Object* message = object.object("message");
  return message == nullptr ? 0 : channel_of(*message);
}

UpdateOrder order_of(const Object& update) {
  UpdateOrder order;
  if (int_of(update, "pts") != 0 && update.find("pts_count") != nullptr) {
    order.pts = int_of(update, "pts");
    order.count = int_of(update, "pts_count");
    // A message to a channel in an update of another kind (a scheduled one, say) has no pts.
    const bool is_channels = update.find("channel_id") != nullptr ||
                             update.name == "updateNewChannelMessage" ||
                             update.name == "updateEditChannelMessage";
    order.channel_id = is_channels ? channel_of(update) : 0;
    order.box = order.channel_id != 0 ? UpdateOrder::Box::kChannel : UpdateOrder::Box::kCommon;
  } else if (int_of(update, "qts") != 0) {
    order.pts = int_of(update, "qts");
    order.count = 1;
    order.box = UpdateOrder::Box::kSecret;
  }
  return order;
}

std::vector<Bytes> objects_of(const Object& from, std::string_view field) {
  std::vector<Bytes> objects;
  const List* list = from.list(field);
  if (list == nullptr) return objects;
  objects.reserve(list->size());
  for (const Value& value : *list) {
    const Object* object = std::get_if<Object>(&value.data);
    if (object != nullptr) objects.emplace_back(object->bytes.begin(), object->bytes.end());
  }
  return objects;
}

Bytes make_new_message(const Layer& layer, const Object& message, int32_t pts) {
  const auto name = channel_of(message) != 0 ? std::string_view("updateNewChannelMessage")
                                             : std::string_view("updateNewMessage");
  return write_update(layer, {name, {{"message", message}, {"pts", pts}, {"pts_count", 0}}, {}});
}

Bytes make_new_encrypted(const Layer& layer, const Object& message, int32_t qts) {
  return write_update(layer,
                      {"updateNewEncryptedMessage", {{"message", message}, {"qts", qts}}, {}});
}

Bytes expand_short(const Layer& layer, const Object& brief, int64_t self_id) {
  Object message{"message", {}, {}};
  constexpr std::string_view kOthers[] = {"user_id", "from_id", "chat_id", "pts", "pts_count"};
  for (const auto& field : brief.fields) {
    if (std::find(std::begin(kOthers), std::end(kOthers), field.name) == std::end(kOthers)) {
      message.fields.push_back(field);
    }
  }
  const bool out = brief.find("out") != nullptr;
  const bool in_chat = brief.find("chat_id") != nullptr;
  const int64_t other = brief.number("user_id");
  const int64_t sender = in_chat ? brief.number("from_id") : out ? self_id : other;
  if (layer.is_object("message", "from_id")) {
    message.fields.push_back({"from_id", peer("peerUser", "user_id", sender)});
  } else {
    message.fields.push_back({"from_id", sender});
  }
  // Whom it is for was, long ago, the other side's view of it.
  const bool old = !layer.is_object("message", "peer_id");
  const Object to = in_chat ? peer("peerChat", "chat_id", brief.number("chat_id"))
                            : peer("peerUser", "user_id", old && !out ? self_id : other);
  message.fields.push_back({old ? std::string_view("to_id") : std::string_view("peer_id"), to});
  return write_update(layer, {"updateNewMessage",
                              {{"message", std::move(message)},
                               {"pts", brief.number("pts")},
                               {"pts_count", brief.number("pts_count")}},
                              {}});
}

}  // namespace ringway::client
