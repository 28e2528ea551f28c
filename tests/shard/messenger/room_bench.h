// A messenger's room, and its methods called by name at any layer: objects in, values out.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "shard/messenger/methods.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::shard::messenger {

inline constexpr int kLayers[] = {tl::kCompatLayer, tl::kMiddleLayer, tl::kModernLayer};
inline constexpr int64_t kStartSeconds = 1'700'000'000;
inline constexpr const char* kCode = "24680";

inline const tl::Schema& schema_of(int layer) {
  static std::unordered_map<int, std::unique_ptr<const tl::Schema>> schemas;
  auto& schema = schemas[layer];
  if (schema == nullptr) schema = tl::parse_schema(*tl::embedded_schema(layer)).schema;
  return *schema;
}

inline const tl::Combinator* method_of(int layer, std::string_view name) {
  const tl::Schema& schema = schema_of(layer);
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    if (schema.combinators[i].name == name) return &schema.combinators[i];
  }
  return nullptr;
}

class RoomBench {
 public:
  explicit RoomBench(std::unique_ptr<Store> store = make_memory_store())
      : room(std::move(store), kCode) {}

  // Every answer must be one that the layer can write.
  Answer call(std::string_view name, std::vector<Field> fields, int64_t key,
              int layer = tl::kMiddleLayer) {
    const tl::Combinator* method = method_of(layer, name);
    RW_ASSERT(method != nullptr);
    const Object request{name, std::move(fields)};
    const Caller caller{key, key, key * 10, layer, now};
    const Authorization* authorization = room.ledger.authorization(key);
    Call call{room,    Layers::nearest(layer),
              *method, request,
              caller,  authorization == nullptr ? 0 : authorization->user_id};
    Answer answer = find_method(name)->method(call);
    if (const Value* value = std::get_if<Value>(&answer)) {
      Bytes bytes;
      ByteAppender out(bytes);
      EXPECT_TRUE(call.layer.write_answer(*method, *value, out)) << name << " at layer " << layer;
    }
    return answer;
  }

  // The object that was answered; an empty one after an error, which fails the test.
  Object answered(std::string_view name, std::vector<Field> fields, int64_t key,
                  int layer = tl::kMiddleLayer) {
    Answer answer = call(name, std::move(fields), key, layer);
    if (const auto* error = std::get_if<RpcError>(&answer)) {
      ADD_FAILURE() << name << ": " << error->text;
      return {};
    }
    auto* object = std::get_if<Object>(&std::get<Value>(answer).data);
    RW_ASSERT(object != nullptr);
    return std::move(*object);
  }
  // "CODE TEXT" of the error, "" when there was none.
  std::string refused(std::string_view name, std::vector<Field> fields, int64_t key,
                      int layer = tl::kMiddleLayer) {
    const Answer answer = call(name, std::move(fields), key, layer);
    const auto* error = std::get_if<RpcError>(&answer);
    return error == nullptr ? "" : std::to_string(error->code) + " " + error->text;
  }

  std::string code_hash(const std::string& phone, int64_t key, int layer = tl::kMiddleLayer) {
    return std::string(
        answered("auth.sendCode", {{"phone_number", phone}}, key, layer).text("phone_code_hash"));
  }
  // Makes a user who is signed in with this key; the id.
  int64_t join(const std::string& phone, const std::string& name, int64_t key) {
    const std::string hash = code_hash(phone, key);
    answered("auth.signIn",
             {{"phone_number", phone}, {"phone_code_hash", hash}, {"phone_code", kCode}}, key);
    answered("auth.signUp",
             {{"phone_number", phone}, {"phone_code_hash", hash}, {"first_name", name}}, key);
    return room.ledger.authorization(key)->user_id;
  }
  [[nodiscard]] Object peer(int64_t user_id) const {
    return {"inputPeerUser",
            {{"user_id", user_id}, {"access_hash", room.ledger.user(user_id)->access_hash}}};
  }
  Object send(int64_t key, int64_t to, std::string text, int64_t random_id,
              int layer = tl::kMiddleLayer) {
    return answered("messages.sendMessage",
                    {{"peer", peer(to)}, {"message", std::move(text)}, {"random_id", random_id}},
                    key, layer);
  }

  Room room;
  int64_t now = kStartSeconds;
};

}  // namespace ringway::shard::messenger
