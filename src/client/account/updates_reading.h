// client/account/updates_reading: what in an object of type Update says where it belongs.
//
// Pure, by the names of fields, so that it holds for every layer.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "tl/dynamic/layer.h"

namespace ringway::client {

// The order that an update keeps with others.
struct UpdateOrder {
  enum class Box : uint8_t { kNone, kCommon, kSecret, kChannel };  // none, pts, qts, channel's pts
  Box box = Box::kNone;
  int64_t channel_id = 0;  // of kChannel
  int32_t pts = 0;         // after it; of kSecret the qts
  int32_t count = 0;
};
[[nodiscard]] UpdateOrder order_of(const tl::dynamic::Object& update);

// The channel that an update or a message is about; 0: none.
[[nodiscard]] int64_t channel_of(const tl::dynamic::Object& object);

// The objects in a field, as bytes.
[[nodiscard]] std::vector<Bytes> objects_of(const tl::dynamic::Object& from,
                                            std::string_view field);

// TL of an Update that holds this message: updateNewMessage, updateNewChannelMessage. Empty when
// the layer has no such thing.
[[nodiscard]] Bytes make_new_message(const tl::dynamic::Layer& layer,
                                     const tl::dynamic::Object& message, int32_t pts);
[[nodiscard]] Bytes make_new_encrypted(const tl::dynamic::Layer& layer,
                                       const tl::dynamic::Object& message, int32_t qts);
// The same of updateShortMessage and updateShortChatMessage, which have all that a message has.
[[nodiscard]] Bytes expand_short(const tl::dynamic::Layer& layer, const tl::dynamic::Object& brief,
                                 int64_t self_id);
// The same of updateShortSentMessage, which has what the server added to what `call` sends, and to
// whom it went.
struct SentMessage {
  Bytes update;  // empty when the call does not say what was sent, or it went to a channel
  int64_t user_id = 0;
  int64_t chat_id = 0;
};
[[nodiscard]] SentMessage expand_sent(const tl::dynamic::Layer& layer,
                                      const tl::dynamic::Object& sent, ByteView call,
                                      int64_t self_id);

// True of a call that a bot makes for another account: what it did is of that one's order.
[[nodiscard]] bool acts_for_another(ByteView call);

// What a call did of which its result tells only the place in the order.
struct Affected {
  UpdateOrder order;  // kNone when there is nothing to be put in order
  Bytes update;       // TL of an Update that says the same; empty where there is none
};
[[nodiscard]] Affected read_affected(const tl::dynamic::Layer& layer,
                                     const tl::dynamic::Object& result, ByteView call);

}  // namespace ringway::client
