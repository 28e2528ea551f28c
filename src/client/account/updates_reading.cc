#include "client/account/updates_reading.h"

#include <algorithm>
#include <optional>

#include "mtproto/query.h"

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

// The call inside its wrappers.
std::optional<tl::dynamic::Query> read_call(const Layer& layer, ByteView call) {
  mtproto::InflateBudget none;
  const auto query = mtproto::unwrap_query(call, false, none);
  if (!query.ok()) return std::nullopt;
  auto read = layer.read(query->constructor, query->arguments);
  if (!read.ok()) return std::nullopt;
  return *std::move(read);
}

// Of an InputPeer; nothing for channels and for nobody.
std::optional<Object> peer_of(const Object& input, int64_t self_id) {
  if (input.name == "inputPeerSelf") return peer("peerUser", "user_id", self_id);
  if (input.find("channel_id") != nullptr) return std::nullopt;
  if (input.find("user_id") != nullptr) return peer("peerUser", "user_id", input.number("user_id"));
  if (input.find("chat_id") != nullptr) return peer("peerChat", "chat_id", input.number("chat_id"));
  return std::nullopt;
}

// Into the header that newer layers have, and the number of older ones.
void add_reply(const Object& request, std::vector<tl::dynamic::Field>& fields) {
  const Object* reply = request.object("reply_to");
  const int64_t id = (reply != nullptr ? *reply : request).number("reply_to_msg_id");
  if (id == 0) return;
  fields.push_back({"reply_to_msg_id", id});
  Object header{"messageReplyHeader", {{"reply_to_msg_id", id}}, {}};
  if (reply != nullptr && reply->find("top_msg_id") != nullptr) {
    header.fields.push_back({"reply_to_top_id", reply->number("top_msg_id")});
  }
  fields.push_back({"reply_to", std::move(header)});
}

// The channel that a call is about; 0: none. Where there is a parent_peer, peer is only a topic of
// it, and of one's own messages when it is left out.
int64_t channel_in(const tl::dynamic::Query& query) {
  const auto& params = query.method->params;
  const bool has_parent = std::any_of(
      params.begin(), params.end(), [](const auto& param) { return param.name == "parent_peer"; });
  for (const std::string_view field : {"channel", has_parent ? "parent_peer" : "peer"}) {
    const Object* about = query.request.object(field);
    if (about != nullptr && about->find("channel_id") != nullptr) {
      return about->number("channel_id");
    }
  }
  return 0;
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

bool acts_for_another(ByteView call) {
  mtproto::InflateBudget none;
  const auto query = mtproto::unwrap_query(call, false, none);
  return query.ok() && query->business;
}

SentMessage expand_sent(const Layer& layer, const Object& sent, ByteView call, int64_t self_id) {
  const auto query = read_call(layer, call);
  if (!query) return {};
  const Object& request = query->request;
  const Object* to = request.object("peer");
  const auto to_peer = to == nullptr ? std::nullopt : peer_of(*to, self_id);
  // Long ago the text of a medium was a part of it.
  const bool has_text = request.find("message") != nullptr || sent.find("media") != nullptr;
  if (!to_peer || !has_text || query->method->name == "messages.sendInlineBotResult") return {};
  Object message{"message", {}, {}};
  for (const auto& field : sent.fields) {
    if (field.name != "pts" && field.name != "pts_count") message.fields.push_back(field);
  }
  message.fields.push_back({"message", request.text("message")});
  for (const std::string_view same :
       {"silent", "noforwards", "invert_media", "reply_markup", "effect"}) {
    if (const Value* value = request.find(same)) message.fields.push_back({same, *value});
  }
  add_reply(request, message.fields);
  const bool old = !layer.is_object("message", "peer_id");
  if (layer.is_object("message", "from_id")) {
    message.fields.push_back({"from_id", peer("peerUser", "user_id", self_id)});
  } else {
    message.fields.push_back({"from_id", self_id});
  }
  message.fields.push_back(
      {old ? std::string_view("to_id") : std::string_view("peer_id"), *to_peer});
  return {write_update(layer, {"updateNewMessage",
                               {{"message", std::move(message)},
                                {"pts", sent.number("pts")},
                                {"pts_count", sent.number("pts_count")}},
                               {}}),
          to_peer->number("user_id"), to_peer->number("chat_id")};
}

Affected read_affected(const Layer& layer, const Object& result, ByteView call) {
  Affected affected;
  const auto query = read_call(layer, call);
  if (!query || int_of(result, "pts") <= 0) return affected;
  UpdateOrder& order = affected.order;
  order.pts = int_of(result, "pts");
  order.count = int_of(result, "pts_count");
  order.channel_id = channel_in(*query);
  order.box = order.channel_id != 0 ? UpdateOrder::Box::kChannel : UpdateOrder::Box::kCommon;
  // Which ones were deleted the call says, or the result.
  const bool deletes = query->method->name == "messages.deleteMessages" ||
                       query->method->name == "channels.deleteMessages";
  const Value* ids = deletes ? query->request.find("id") : result.find("messages");
  if (ids == nullptr || order.count <= 0) return affected;
  const bool in_channel = order.channel_id != 0;
  affected.update =
      write_update(layer, {in_channel ? std::string_view("updateDeleteChannelMessages")
                                      : std::string_view("updateDeleteMessages"),
                           {{"channel_id", order.channel_id},
                            {"messages", *ids},
                            {"pts", order.pts},
                            {"pts_count", order.count}},
                           {}});
  return affected;
}

}  // namespace ringway::client
