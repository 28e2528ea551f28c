// Calls and answers whose bytes are known, both ways, and what becomes of Any.
#include "base/hex.h"
#include "schema_files.h"
#include "tl/layout.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::tl {
namespace {

Bytes hex(const std::string& text) { return *from_hex(text); }

class KnownAnswers : public testing::Test {
 protected:
  explicit KnownAnswers(int layer = 71, Mode mode = Mode::kCompat)
      : contract_(load_layer(layer, mode)),
        layout_(*contract_),
        to_proto_(layout_),
        to_tl_(layout_) {}

  uint32_t type(const std::string& name) {
    const auto& types = contract_->schema().types;
    for (uint32_t i = 0; i < types.size(); ++i) {
      if (types[i].name == name) return i;
    }
    ADD_FAILURE() << name;
    return 0;
  }
  uint32_t method(const std::string& name) {
    const Schema& schema = contract_->schema();
    for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
      if (schema.combinators[i].name == name) return i;
    }
    ADD_FAILURE() << name;
    return 0;
  }

  void expect_object(const std::string& name, const std::string& tl, const std::string& proto) {
    Output out;
    EXPECT_TRUE(to_proto_.object(type(name), hex(tl), out).ok()) << name;
    EXPECT_EQ(to_hex(out.bytes()), proto) << name;
    out.clear();
    EXPECT_TRUE(to_tl_.object(type(name), hex(proto), out).ok()) << name;
    EXPECT_EQ(to_hex(out.bytes()), tl) << name;
  }
  std::string request(uint32_t method, const std::string& proto, uint32_t expect_answered) {
    Output out;
    const auto answered = to_tl_.request(method, hex(proto), out);
    EXPECT_TRUE(answered.ok()) << describe(*contract_, to_tl_.problem());
    if (answered.ok()) {
      EXPECT_EQ(*answered, expect_answered);
    }
    return to_hex(out.bytes());
  }

  std::unique_ptr<const Contract> contract_;
  Layout layout_;
  ToProto to_proto_;
  ToTl to_tl_;
};

class KnownAnswers228 : public KnownAnswers {
 protected:
  KnownAnswers228() : KnownAnswers(228, Mode::kExtended) {}
};

TEST_F(KnownAnswers, Objects) {
  expect_object("InputPeer", "c97ea07d", "1200");
  expect_object("InputPeer", "f8aead20d2029649feffffffffffffff",
                "2a1108d285d8cc0410feffffffffffffffff01");
  expect_object("Bool", "b5757299", "1200");
  expect_object("Updates", "c1ded4782769485c090000004e74bf16002f6859",
                "22100a082206080912020a001080dea0cb05");
  expect_object("DcOption", "ccc6d8051100000002000000033a3a31bb010000",
                "0a0c0811380242033a3a3148bb03");
}

TEST_F(KnownAnswers, VectorOfNumbers) {
  const std::string tl = "15c4b51c03000000010000002c010000ffffffff";
  const std::string proto = "0a0d01ac02ffffffffffffffffff01";
  const uint32_t method = this->method("contacts.getBlocked");
  // Any method of this answer will do; this one has another and must refuse the bytes.
  Output out;
  EXPECT_FALSE(to_proto_.answer(method, method, hex(tl), out).ok());
  const Schema& schema = contract_->schema();
  size_t tried = 0;
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    const Value& result = schema.combinators[i].result;
    if (!result.vector || result.kind != Kind::kInt) continue;
    ++tried;
    out.clear();
    EXPECT_TRUE(to_proto_.answer(i, i, hex(tl), out).ok());
    EXPECT_EQ(to_hex(out.bytes()), proto);
    out.clear();
    EXPECT_TRUE(to_tl_.answer(i, hex(proto), out).ok());
    EXPECT_EQ(to_hex(out.bytes()), tl);
    out.clear();
    EXPECT_TRUE(to_tl_.answer(i, {}, out).ok());
    EXPECT_EQ(to_hex(out.bytes()), "15c4b51c00000000");
  }
  EXPECT_GT(tried, 0u);
}

TEST_F(KnownAnswers, Requests) {
  const uint32_t send = method("messages.sendMessage");
  const std::string tl = "7a4288fa21000000c97ea07d07000000026869000500000000000000";
  const std::string proto = "0821320212003807420268694805";
  EXPECT_EQ(request(send, proto, send), tl);
  // The bit of ReplyToMsgId follows from the field; that of silent is the caller's.
  EXPECT_EQ(request(send, "0820" + proto.substr(4), send), tl);
  EXPECT_EQ(request(send, proto.substr(4), send), "7a4288fa01000000" + tl.substr(16));
  Output out;
  EXPECT_TRUE(to_proto_.combinator(hex(tl), out).ok());
  EXPECT_EQ(to_hex(out.bytes()), proto);
}

TEST_F(KnownAnswers, RequestInsideARequest) {
  const uint32_t wrapper = method("invokeWithLayer");
  const uint32_t inner = method("help.getConfig");
  const std::string tl = "0d0d9bda470000006b18f9c4";
  const std::string proto =
      "0847122e0a2c747970652e676f6f676c65617069732e636f6d2f6d7470726f746f2e52657148656c70476574436f"
      "6e666967";
  EXPECT_EQ(request(wrapper, proto, inner), tl);
  Output out;
  EXPECT_TRUE(to_proto_.combinator(hex(tl), out).ok());
  EXPECT_EQ(to_hex(out.bytes()), proto);
}

// What answers X is an Any of what the inner method answers.
TEST_F(KnownAnswers, AnswerOfARequestInsideARequest) {
  const uint32_t wrapper = method("invokeWithLayer");
  const uint32_t inner = method("account.updateStatus");  // = Bool
  Output out;
  ASSERT_TRUE(to_proto_.answer(wrapper, inner, hex("b5757299"), out).ok());
  const std::string url = "type.googleapis.com/mtproto.TypeBool";
  EXPECT_EQ(to_hex(out.bytes()), "0a24" + to_hex(as_bytes(url)) + "12021200");
}

TEST_F(KnownAnswers, ErrorsNameMethodAndField) {
  const uint32_t send = method("messages.sendMessage");
  Output out;
  // A peer whose AccessHash is a string, inside inputPeerUser.
  EXPECT_EQ(to_tl_.request(send, hex("320422021201"), out).error(), Error::kMalformed);
  EXPECT_EQ(to_tl_.request(send, hex("3205220312017842006800"), out).error(), Error::kMalformed);
  EXPECT_EQ(describe(*contract_, to_tl_.problem(), send),
            "messages.sendMessage: Peer.InputPeerUser.AccessHash: has another wire type than its "
            "field");
  EXPECT_EQ(out.size(), 0u);
}

// mtproto's int256 and modern words: 228 has a second flags word, and one behind other parameters.
TEST_F(KnownAnswers228, SecondWordAndLateWord) {
  const uint32_t wall = type("WallPaper");
  Output out;
  // wallPaperNoFile id 5, default set: Flags 2 is field 2, default field 3.
  ASSERT_TRUE(to_tl_.object(wall, hex("120408051801"), out).ok())
      << describe(*contract_, to_tl_.problem());
  EXPECT_EQ(to_hex(out.bytes()), "164180e0050000000000000002000000");
  out.clear();
  ASSERT_TRUE(to_proto_.object(wall, hex("164180e0050000000000000002000000"), out).ok());
  EXPECT_EQ(to_hex(out.bytes()), "1206080510021801");
}

}  // namespace
}  // namespace ringway::tl
