// For tests of an account's updates: objects of a layer, made by name, and an engine with a clock.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/account/updates.h"
#include "client/account/updates_limits.h"
#include "tl/dynamic/layer.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::client {

using tl::dynamic::Layer;
using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

inline std::shared_ptr<const Layer> layer_of(int number) {
  const auto text = tl::embedded_schema(number);
  EXPECT_TRUE(text.has_value());
  return std::make_shared<Layer>(number, tl::parse_schema(*text).schema);
}

inline constexpr int64_t kSelf = 77;
inline constexpr int64_t kChannel = 500;

class UpdatesBench {
 public:
  explicit UpdatesBench(int number = 228) : layer(layer_of(number)) {
    now.mono_ns = 1000 * kNsPerSecond;
    now.unix_ns = 1'700'000'000 * kNsPerSecond;
  }

  static UpdatesState at(int32_t pts, int32_t qts = 0, int32_t seq = 0) {
    UpdatesState state;
    state.known = true;
    state.pts = pts;
    state.qts = qts;
    state.date = 1;
    state.seq = seq;
    return state;
  }
  void begin(UpdatesState state) {
    engine.emplace(UpdatesOptions{layer, kSelf, false}, std::move(state));
  }

  Bytes write(std::string_view type, const Object& object) const {
    Bytes tl;
    ByteAppender appender(tl);
    EXPECT_TRUE(layer->write(type, object, appender)) << object.name;
    return tl;
  }

  Bytes call(const Object& request) const {
    Bytes tl;
    ByteAppender appender(tl);
    EXPECT_TRUE(layer->write_call(request, appender)) << request.name;
    return tl;
  }

  // --- Objects. Updates are told apart by one number.
  static Object deleted(int32_t id, int32_t pts, int32_t count = 1) {
    return {
        "updateDeleteMessages", {{"messages", List{id}}, {"pts", pts}, {"pts_count", count}}, {}};
  }
  static Object deleted_in(int64_t channel, int32_t id, int32_t pts) {
    return {"updateDeleteChannelMessages",
            {{"channel_id", channel}, {"messages", List{id}}, {"pts", pts}, {"pts_count", 1}},
            {}};
  }
  static Object stopped(int32_t id, int32_t qts) {
    return {
        "updateBotStopped", {{"user_id", id}, {"date", 1}, {"stopped", true}, {"qts", qts}}, {}};
  }
  static Object phone(int32_t id) {
    return {"updateUserPhone", {{"user_id", id}, {"phone", "1"}}, {}};
  }
  static Object user(int64_t id) { return {"user", {{"id", id}}, {}}; }
  static Object channel(int64_t id, int64_t access_hash) {
    return {"channel",
            {{"id", id},
             {"access_hash", access_hash},
             {"title", "c"},
             {"photo", Object{"chatPhotoEmpty", {}, {}}},
             {"date", 1}},
            {}};
  }
  Bytes updates(List list, int32_t seq = 0, List users = {}, List chats = {}) const {
    return write("Updates", {"updates",
                             {{"updates", std::move(list)},
                              {"users", std::move(users)},
                              {"chats", std::move(chats)},
                              {"date", 9},
                              {"seq", seq}},
                             {}});
  }
  Bytes combined(List list, int32_t seq_start, int32_t seq) const {
    return write("Updates", {"updatesCombined",
                             {{"updates", std::move(list)},
                              {"users", List{}},
                              {"chats", List{}},
                              {"date", 9},
                              {"seq_start", seq_start},
                              {"seq", seq}},
                             {}});
  }
  Bytes brief(const Object& update) const {
    return write("Updates", {"updateShort", {{"update", update}, {"date", 5}}, {}});
  }
  static Object state(int32_t pts, int32_t qts = 0, int32_t seq = 0) {
    return {"updates.state",
            {{"pts", pts}, {"qts", qts}, {"date", 3}, {"seq", seq}, {"unread_count", 0}},
            {}};
  }
  // `name` of updates.difference or updates.differenceSlice.
  Bytes difference(std::string_view name, List messages, List others, const Object& reached,
                   List users = {}) const {
    return write("updates.Difference",
                 {name,
                  {{"new_messages", std::move(messages)},
                   {"new_encrypted_messages", List{}},
                   {"other_updates", std::move(others)},
                   {"chats", List{}},
                   {"users", std::move(users)},
                   {name == "updates.difference" ? "state" : "intermediate_state", reached}},
                  {}});
  }
  Bytes difference_empty(int32_t seq = 0) const {
    return write("updates.Difference",
                 {"updates.differenceEmpty", {{"date", 4}, {"seq", seq}}, {}});
  }
  Bytes channel_difference(List others, int32_t pts, bool final, int32_t timeout = 0) const {
    return write("updates.ChannelDifference", {"updates.channelDifference",
                                               {{"final", final},
                                                {"pts", pts},
                                                {"timeout", timeout},
                                                {"new_messages", List{}},
                                                {"other_updates", std::move(others)},
                                                {"chats", List{}},
                                                {"users", List{}}},
                                               {}});
  }

  // --- The engine.
  void push(const Bytes& tl, const Bytes& call = {}) { engine->on_updates(tl, call, now, out); }
  void answer(const Bytes& tl) {
    ASSERT_FALSE(out.calls.empty());
    const uint64_t call = out.calls.front().id;
    out.calls.erase(out.calls.begin());
    engine->on_answer(call, tl, now, out);
  }
  void fail(int32_t code, std::string_view text) {
    ASSERT_FALSE(out.calls.empty());
    const uint64_t call = out.calls.front().id;
    out.calls.erase(out.calls.begin());
    engine->on_failure(call, code, text, now, out);
  }
  void pass(int64_t ns) {
    now.mono_ns += ns;
    now.unix_ns += ns;
    if (engine->next_deadline_ns() <= now.mono_ns) engine->on_time(now, out);
  }
  // The first call that waits, read; its name is empty when there is none.
  Object asked() const {
    if (out.calls.empty()) return {};
    const Bytes& tl = out.calls.front().tl;
    const auto query = layer->read(load_le<uint32_t>(tl.data()), ByteView(tl).subspan(4));
    EXPECT_TRUE(query.ok());
    Object request = query->request;
    request.name = query->method->name;
    return request;
  }

  // What was delivered since the last call, as "name:number" of each, "gap PTS" and
  // "gap CHANNEL PTS"; sources are left out.
  std::vector<std::string> told() {
    std::vector<std::string> texts;
    for (const UpdateEvent& event : out.events) {
      if (event.kind == UpdateEvent::Kind::kGap) {
        texts.push_back(event.reason == UpdateEvent::GapReason::kTooLong
                            ? "gap " + std::to_string(event.pts)
                            : "gap " + std::to_string(event.channel_id) + " " +
                                  std::to_string(event.pts));
      } else if (event.kind == UpdateEvent::Kind::kUpdate) {
        texts.push_back(text_of(event.update));
      }
    }
    out.events.clear();
    return texts;
  }
  std::string text_of(const Bytes& update) const {
    const auto object = layer->read_object(update);
    if (!object.ok()) return "unreadable";
    if (const Object* message = object->object("message")) {
      return "message:" + std::to_string(message->number("id"));
    }
    const List* messages = object->list("messages");
    if (messages == nullptr) return "user:" + std::to_string(object->number("user_id"));
    const std::string id = std::to_string(std::get<int64_t>(messages->front().data));
    const int64_t in = object->number("channel_id");
    return in == 0 ? id : std::to_string(in) + "/" + id;
  }

  std::shared_ptr<const Layer> layer;
  Now now;
  std::optional<UpdatesEngine> engine;
  UpdatesOutput out;
};

using Texts = std::vector<std::string>;

}  // namespace ringway::client
