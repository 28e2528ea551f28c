#include "proxy/json_text.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::proxy {
namespace {

struct Bench {
  Bench() {
    auto parsed = tl::parse_schema(*tl::embedded_schema(tl::kCompatLayer));
    auto made = tl::Contract::make(std::move(parsed.schema),
                                   tl::options_of_layer(tl::kCompatLayer, tl::Mode::kExtended));
    contract = std::move(made.contract);
    layout = std::make_unique<tl::Layout>(*contract);
    text = std::make_unique<JsonText>(*layout);
  }
  // The call in hexadecimal, or the problem.
  std::string call(std::string_view method, std::string_view json) {
    std::string problem;
    const auto index = text->method(method, problem);
    if (!index.ok()) return problem;
    Bytes bytes;
    const auto answered = text->to_call(*index, json, bytes, problem);
    return answered.ok() ? to_hex(bytes) : problem;
  }
  std::string answer(std::string_view method, std::string_view hex) {
    std::string problem;
    const uint32_t index = *text->method(method, problem);
    const auto json = text->answer(index, index, *from_hex(hex), problem);
    return json.ok() ? *json : problem;
  }

  std::unique_ptr<const tl::Contract> contract;
  std::unique_ptr<const tl::Layout> layout;
  std::unique_ptr<JsonText> text;
};

TEST(JsonText, MakesCalls) {
  Bench bench;
  EXPECT_EQ(bench.call("messages.sendMessage",
                       R"({"Silent": true, "ReplyToMsgId": 7, "Message": "hi", "RandomId": 5,
                           "Peer": {"InputPeerSelf": {}}})"),
            "7a4288fa21000000c97ea07d07000000026869000500000000000000");
  EXPECT_EQ(bench.call("HelpGetConfig", ""), "6b18f9c4");
  EXPECT_EQ(bench.call("invokeWithLayer",
                       R"({"Layer": 71, "Query": {"@type":
                           "type.googleapis.com/mtproto.ReqHelpGetConfig"}})"),
            "0d0d9bda470000006b18f9c4");
}

TEST(JsonText, SaysWhatIsWrong) {
  Bench bench;
  EXPECT_EQ(bench.call("help.getConfik", "{}"), "no method \"help.getConfik\" in this layer");
  EXPECT_EQ(bench.call("help.getconf", "{}"),
            "no method \"help.getconf\" in this layer; there are help.getConfig");
  EXPECT_NE(bench.call("messages.sendMessage", R"({"Massage": "hi"})").find("Massage"),
            std::string::npos);
  EXPECT_NE(bench.call("messages.sendMessage", R"({"Message": )"), "");
  EXPECT_EQ(bench.call("messages.sendMessage", R"({"Message": "hi"})"),
            "messages.sendMessage: Peer: is missing");
}

TEST(JsonText, ShowsAnswersAndObjects) {
  Bench bench;
  EXPECT_EQ(bench.answer("messages.receivedMessages", "15c4b51c00000000"), "{}\n");
  EXPECT_EQ(bench.answer("account.updateStatus", "b5757299"), "{\n \"BoolTrue\": {}\n}\n");
  std::string problem;
  // updateShort(updateUserTyping(9, sendMessageTypingAction), date 1500000000)
  EXPECT_EQ(*bench.text->object(*from_hex("c1ded4782769485c090000004e74bf16002f6859"), problem),
            R"(updateShort {
 "Update": {
  "UpdateUserTyping": {
   "UserId": 9,
   "Action": {
    "SendMessageTypingAction": {}
   }
  }
 },
 "Date": 1500000000
}
)");
  EXPECT_FALSE(bench.text->object(*from_hex("01020304"), problem).ok());
  EXPECT_NE(problem, "");
}

}  // namespace
}  // namespace ringway::proxy
