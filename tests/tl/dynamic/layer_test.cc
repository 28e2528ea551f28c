// Reading and writing by names, against bytes that are known from elsewhere.
#include "tl/dynamic/layer.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/limits.h"

namespace ringway::tl::dynamic {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

std::string written(int layer, std::string_view type, const Object& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  return Layers::nearest(layer).write(type, object, out) ? to_hex(bytes) : "refused";
}

TEST(Layer, NearestIsAtOrBelow) {
  EXPECT_EQ(Layers::nearest(0).number(), 71);
  EXPECT_EQ(Layers::nearest(71).number(), 71);
  EXPECT_EQ(Layers::nearest(143).number(), 71);
  EXPECT_EQ(Layers::nearest(144).number(), 144);
  EXPECT_EQ(Layers::nearest(227).number(), 144);
  EXPECT_EQ(Layers::nearest(1000).number(), 228);
}

TEST(Layer, ReadsFieldsFlagsAndObjects) {
  // messages.sendMessage of layer 71, silent, as a reply, to oneself.
  const auto query =
      Layers::nearest(71).read(0xfa88427a, hex("21000000c97ea07d07000000026869000500000000000000"));
  ASSERT_TRUE(query.ok());
  const Object& request = query->request;
  EXPECT_EQ(request.name, "messages.sendMessage");
  EXPECT_EQ(request.object("peer")->name, "inputPeerSelf");
  EXPECT_EQ(request.text("message"), "hi");
  EXPECT_EQ(request.number("random_id"), 5);
  EXPECT_EQ(request.number("reply_to_msg_id"), 7);
  EXPECT_TRUE(std::get<bool>(request.find("silent")->data));
  EXPECT_EQ(request.find("background"), nullptr);
  EXPECT_EQ(request.find("entities"), nullptr);
}

TEST(Layer, AnswersAreReadAsDeepAsServersMakeThem) {
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "c4ab2467";  // textBold
    return hex(text + "4f823ddc");                       // textEmpty
  };
  const Layer& layer = Layers::nearest(228);
  const auto deep = layer.read_object(nested(40));
  ASSERT_TRUE(deep.ok()) << to_string(deep.error());
  EXPECT_EQ(deep->object("text")->name, "textBold");
  EXPECT_EQ(layer.read_object(nested(70)).error(), Error::kTooLarge);
}

TEST(Layer, RefusesWhatIsNotOfTheLayer) {
  const Layer& layer = Layers::nearest(71);
  const Bytes good = hex("21000000c97ea07d07000000026869000500000000000000");
  EXPECT_EQ(layer.read(0x0d9d75a4, good).error(), Error::kNotFound) << "of another layer";
  EXPECT_EQ(layer.read(0x7da07ec9, {}).error(), Error::kNotFound) << "a constructor";
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_FALSE(layer.read(0xfa88427a, ByteView(good).first(bytes)).ok()) << bytes;
  }
  Bytes longer = good;
  longer.resize(longer.size() + 4);
  EXPECT_EQ(layer.read(0xfa88427a, longer).error(), Error::kTrailing);
  Bytes other = good;
  other[4] ^= 1;  // no constructor of InputPeer
  EXPECT_EQ(layer.read(0xfa88427a, other).error(), Error::kMalformed);
}

TEST(Layer, BoundsVectorsOfQueries) {
  // users.getUsers with more elements than there are bytes, and with more than are taken.
  const Layer& layer = Layers::nearest(144);
  EXPECT_EQ(layer.read(0x0d91a548, hex("15c4b51cffffff7f")).error(), Error::kTruncated);
  Bytes many = hex("15c4b51c");
  ByteAppender out(many);
  out.u32(kTlQueryValuesMax + 1);
  for (size_t i = 0; i <= kTlQueryValuesMax; ++i) out.u32(0xf7c1b13f);  // inputUserSelf
  EXPECT_EQ(layer.read(0x0d91a548, many).error(), Error::kTooLarge);
}

TEST(Layer, WritesKnownBytes) {
  const Object option{
      "dcOption",
      {{"ipv6", true}, {"static", true}, {"id", 2}, {"ip_address", "::1"}, {"port", 443}}};
  EXPECT_EQ(written(71, "DcOption", option), "ccc6d8051100000002000000033a3a31bb010000");
  const Object update{
      "updateShort",
      {{"update", Object{"updateUserTyping",
                         {{"user_id", 9}, {"action", Object{"sendMessageTypingAction", {}}}}}},
       {"date", 1'500'000'000}}};
  EXPECT_EQ(written(71, "Updates", update), "c1ded4782769485c090000004e74bf16002f6859");
}

TEST(Layer, LeavesOutWhatTheLayerDoesNotHave) {
  const Object state{"updates.state", {{"pts", 1}, {"of_no_layer", "x"}}};
  EXPECT_EQ(written(71, "updates.State", state), "3e2a6ca501000000" + std::string(32, '0'));
}

TEST(Layer, RefusesToWriteWhatCannotBe) {
  EXPECT_EQ(written(71, "Updates", {"noSuchThing", {}}), "refused");
  EXPECT_EQ(written(71, "Updates", {"user", {}}), "refused") << "of another type";
  EXPECT_EQ(written(71, "Updates", {"updateShort", {}}), "refused") << "an object is missing";
  EXPECT_EQ(written(71, "Peer", {"peerUser", {{"user_id", int64_t{1} << 40}}}), "refused");
  EXPECT_EQ(written(71, "Peer", {"peerUser", {{"user_id", "text"}}}), "refused");
}

TEST(Layer, CallsAndAnswersGoBothWays) {
  const Layer& layer = Layers::nearest(71);
  Bytes bytes;
  ByteAppender out(bytes);
  ASSERT_TRUE(layer.write_call({"messages.sendMessage",
                                {{"peer", Object{"inputPeerSelf", {}}},
                                 {"silent", true},
                                 {"reply_to_msg_id", 7},
                                 {"message", "hi"},
                                 {"random_id", 5}}},
                               out));
  EXPECT_EQ(to_hex(bytes), "7a4288fa21000000c97ea07d07000000026869000500000000000000");
  EXPECT_FALSE(layer.write_call({"messages.noSuchMethod", {}}, out));
  EXPECT_FALSE(layer.write_call({"inputPeerSelf", {}}, out)) << "a constructor";
  EXPECT_EQ(layer.method("inputPeerSelf"), nullptr);

  const auto ids =
      layer.read_answer(*layer.method("messages.receivedMessages"), hex("15c4b51c00000000"));
  ASSERT_TRUE(ids.ok());
  EXPECT_TRUE(std::get<List>(ids->data).empty());
  EXPECT_EQ(layer.read_answer(*layer.method("messages.receivedMessages"), hex("b5757299")).error(),
            Error::kMalformed);
}

TEST(Layer, ObjectsKnowWhereTheyStood) {
  // updateShort(updateUserTyping(9, sendMessageTypingAction), date 1500000000)
  const Bytes tl = hex("c1ded4782769485c090000004e74bf16002f6859");
  const auto update = Layers::nearest(71).read_object(tl);
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->name, "updateShort");
  EXPECT_EQ(update->number("date"), 1500000000);
  EXPECT_EQ(to_hex(update->bytes), to_hex(tl));
  const Object* inner = update->object("update");
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->name, "updateUserTyping");
  EXPECT_EQ(to_hex(inner->bytes), "2769485c090000004e74bf16");
  EXPECT_EQ(to_hex(inner->object("action")->bytes), "4e74bf16");
  EXPECT_EQ(Layers::nearest(71).read_object(hex("c97ea07d00000000")).error(), Error::kTrailing);
  EXPECT_EQ(Layers::nearest(71).read_object(hex("4288fa21")).error(), Error::kNotFound)
      << "a method";
}

}  // namespace
}  // namespace ringway::tl::dynamic
