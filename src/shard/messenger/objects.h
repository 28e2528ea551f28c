// shard/messenger/objects: users, messages and updates as TL objects. Pure; any thread.
//
// They name the fields of all layers; those that a layer does not have are left out when it is
// written. Where a field changed its type, the layer decides.
#pragma once

#include "shard/messenger/records.h"
#include "tl/dynamic/layer.h"

namespace ringway::shard::messenger {

using tl::dynamic::Field;
using tl::dynamic::Layer;
using tl::dynamic::Layers;
using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Query;
using tl::dynamic::Value;

[[nodiscard]] Object peer_object(int64_t user_id);
[[nodiscard]] Object user_object(const User& user, int64_t viewer);
// A message in the box of `owner`.
[[nodiscard]] Object message_object(const Layer& layer, const Message& message, int64_t owner);
[[nodiscard]] Object new_message_update(const Layer& layer, const Message& message, int64_t owner);
// `updates`, of the type Updates.
[[nodiscard]] Object updates_object(List updates, List users, int64_t date);
[[nodiscard]] Object state_object(int32_t pts, int64_t date);
[[nodiscard]] Object dialog_object(const Message& top);
// Of the type that users.getFullUser answers.
[[nodiscard]] Object full_user_object(const Layer& layer, const User& user, int64_t viewer);

}  // namespace ringway::shard::messenger
