// What cannot be transcoded, and what the caller is told about it.
#include <algorithm>

#include "base/hex.h"
#include "base/limits.h"
#include "schema_files.h"
#include "tl/layout.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::tl {
namespace {

// A small schema with one of everything that can go wrong.
constexpr char kSchema[] =
    "boolFalse#bc799737 = Bool;\n"
    "boolTrue#997275b5 = Bool;\n"
    "leaf#1 number:int = Leaf;\n"
    "many#2 a:Leaf b:Leaf = Choice;\n"
    "none#3 = Choice;\n"
    "deep#4 inner:Nest = Nest;\n"
    "bottom#5 = Nest;\n"
    "opt#6 flags:# on:flags.0?true text:flags.1?string count:flags.1?int leaf:flags.2?Leaf "
    "list:flags.3?Vector<int> key:flags.4?int128 = Opt;\n"
    "all#7 i:int l:long d:double s:string b:bytes k:int256 v:Vector<string> o:Vector<Leaf> "
    "c:Choice flag:Bool = All;\n"
    "bag#8 words:Vector<long> = Bag;\n"
    "---functions---\n"
    "ask#11 choice:Choice nest:Nest = Bool;\n"
    "askMany#12 leaves:Vector<Choice> = Vector<Leaf>;\n"
    "wrap#13 {X:Type} id:int query:!X = X;\n";

std::string field(uint32_t number, const std::string& content) {
  std::string out;
  uint8_t raw[kVarintBytesMax];
  uint8_t* end = put_varint(raw, number << 3 | kLengthDelimited);
  out.append(raw, end);
  end = put_varint(raw, content.size());
  out.append(raw, end);
  return out + content;
}

class Refusals : public testing::Test {
 protected:
  explicit Refusals(Mode mode = Mode::kExtended)
      : contract_(load_contract(kSchema, {mode, "test", "proxy", ""})),
        layout_(*contract_),
        to_proto_(layout_),
        to_tl_(layout_) {}

  uint32_t index(const std::string& name) {
    const auto& all = contract_->schema().combinators;
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Combinator& one) { return one.name == name; });
    EXPECT_NE(found, all.end()) << name;
    return static_cast<uint32_t>(found - all.begin());
  }
  // What is said about protobuf bytes of this constructor or method.
  std::string to_tl(const std::string& name, const std::string& proto) {
    Output out;
    const auto result = to_tl_.combinator(index(name), as_bytes(proto), out);
    if (result.ok()) return "tl " + to_hex(out.bytes());
    EXPECT_EQ(out.size(), 0u);
    return describe(*contract_, to_tl_.problem());
  }
  std::string to_proto(const std::string& tl) {
    Output out;
    const auto result = to_proto_.combinator(*from_hex(tl), out);
    if (result.ok()) return "proto " + to_hex(out.bytes());
    EXPECT_EQ(out.size(), 0u);
    return describe(*contract_, to_proto_.problem());
  }

  std::unique_ptr<const Contract> contract_;
  Layout layout_;
  ToProto to_proto_;
  ToTl to_tl_;
};

class RefusalsCompat : public Refusals {
 protected:
  RefusalsCompat() : Refusals(Mode::kCompat) {}
};

const std::string kLeaf = field(1, std::string("\x08\x07", 2));  // Leaf{Value{Number: 7}}
const std::string kNone = field(2, "");                          // Choice{None{}}

TEST_F(Refusals, PathsOfProtobuf) {
  const std::string bottom = field(2, field(2, ""));
  EXPECT_EQ(to_tl("ask", field(1, "") + bottom), "Choice: no value is set");
  EXPECT_EQ(to_tl("ask", bottom), "Choice: is missing");
  EXPECT_EQ(to_tl("ask", field(1, field(1, field(1, kLeaf) + field(2, ""))) + bottom),
            "Choice.Many.B: no value is set");
  EXPECT_EQ(
      to_tl("ask", field(1, field(1, field(1, kLeaf) + field(2, field(1, "\x0a\x01x")))) + bottom),
      "Choice.Many.B.Value.Number: has another wire type than its field");
  EXPECT_EQ(to_tl("ask", field(1, kNone) + bottom + field(3, "")), "unknown field 3");
  EXPECT_EQ(to_tl("ask", field(1, field(3, "")) + bottom), "Choice: unknown field 3");
  EXPECT_EQ(to_tl("ask", field(1, field(2, field(1, ""))) + bottom),
            "Choice.None: unknown field 1");
  EXPECT_EQ(to_tl("askMany", field(1, kNone) + field(1, "")), "Leaves[1]: no value is set");
  EXPECT_EQ(to_tl("ask", "\x0a\x05"), "not a protobuf message");
  EXPECT_EQ(to_tl("ask", std::string("\x00\x00", 2)), "not a protobuf message");
  EXPECT_EQ(to_tl("ask", "\x0b\x0c"), "not a protobuf message");  // a group
  EXPECT_EQ(to_tl("ask", "\x08\x01"), "Choice: has another wire type than its field");
}

TEST_F(Refusals, QueriesThatAreNone) {
  const std::string url = "type.googleapis.com/test.ReqAsk";
  const std::string id("\x08\x01", 2);
  const std::string ask = field(1, field(2, "")) + field(2, field(2, ""));
  EXPECT_EQ(to_tl("wrap", id + field(2, field(1, url) + field(2, ask))),
            "tl 130000000100000011000000"
            "0300000005000000");
  EXPECT_EQ(to_tl("wrap", id + field(2, field(2, ask) + field(1, "x/y") + field(1, url))),
            "tl 130000000100000011000000"
            "0300000005000000");
  EXPECT_EQ(to_tl("wrap", id), "Query: is missing");
  for (const std::string other :
       {"", "type.googleapis.com/mtproto.ReqAsk", "type.googleapis.com/test.PredLeaf",
        "type.googleapis.com/test.ReqOther", "test.ReqAsk"}) {
    EXPECT_EQ(to_tl("wrap", id + field(2, field(1, other) + field(2, ask))),
              "Query: must be a request of package test")
        << other;
  }
  EXPECT_EQ(to_tl("wrap", id + field(2, field(1, url) + field(2, field(1, "")))),
            "Query.Ask.Choice: no value is set");
  EXPECT_EQ(to_tl("wrap", id + field(2, field(1, url) + field(3, ""))), "Query: unknown field 3");
}

TEST_F(Refusals, BitsAndFields) {
  const auto flags = [](uint8_t word) { return std::string("\x08") + static_cast<char>(word); };
  EXPECT_EQ(to_tl("opt", ""), "tl 0600000000000000");
  // A bit without its field: a number and a text are zero, a message is an error.
  EXPECT_EQ(to_tl("opt", flags(2)), "tl 06000000020000000000000000000000");
  EXPECT_EQ(to_tl("opt", flags(4)), "Leaf: is missing");
  EXPECT_EQ(to_tl("opt", flags(8)), "tl 060000000800000015c4b51c00000000");
  EXPECT_EQ(to_tl("opt", flags(16)), "tl 0600000010000000" + std::string(32, '0'));
  // A field without its bit sets it, for all that share it.
  EXPECT_EQ(to_tl("opt", "\x20\x05"), "tl 06000000020000000000000005000000");
  EXPECT_EQ(to_tl("opt", field(3, "")), "tl 06000000020000000000000000000000");
  EXPECT_EQ(to_tl("opt", "\x10\x01"), "tl 0600000001000000");
  EXPECT_EQ(to_tl("opt", std::string("\x10\x00", 2)), "tl 0600000000000000");
  EXPECT_EQ(to_tl("opt", flags(1) + std::string("\x10\x00", 2)), "tl 0600000001000000");
  EXPECT_EQ(to_tl("opt", field(5, kLeaf)), "tl 06000000040000000100000007000000");
  EXPECT_EQ(to_tl("opt", field(6, "")), "tl 0600000000000000");
  EXPECT_EQ(to_tl("opt", field(6, "\x03")), "tl 060000000800000015c4b51c0100000003000000");
  EXPECT_EQ(to_tl("opt", field(7, "")), "Key: must be 16 bytes");
  EXPECT_EQ(to_tl("opt", field(7, "123456789012345")), "Key: must be 16 bytes");
}

TEST_F(RefusalsCompat, BitsAndFields) {
  // Without presence, zero is as good as nothing.
  EXPECT_EQ(to_tl("opt", field(3, "")), "tl 0600000000000000");
  EXPECT_EQ(to_tl("opt", std::string("\x20\x00", 2)), "tl 0600000000000000");
  EXPECT_EQ(to_tl("opt", "\x20\x05"), "tl 06000000020000000000000005000000");
  EXPECT_EQ(to_tl("opt", field(7, "")), "tl 0600000000000000");
  EXPECT_EQ(to_tl("opt", "\x10\x01"), "unknown field 2");
  EXPECT_EQ(to_proto("0600000001000000"), "proto 0801");
  EXPECT_EQ(to_proto("06000000020000000000000000000000"), "proto 0802");
}

TEST_F(Refusals, TextsAndTheirSizes) {
  const std::string rest = field(9, kNone) + field(10, field(1, ""));
  EXPECT_EQ(to_tl("all", field(4, "a\xff") + rest), "S: is not UTF-8");
  EXPECT_EQ(to_tl("all", field(7, "ok") + field(7, "\x80") + rest), "V[1]: is not UTF-8");
  EXPECT_EQ(to_tl("all", field(6, "short") + rest), "K: must be 32 bytes");
  EXPECT_EQ(to_tl("all", field(5, std::string(kTlStringBytesMax + 1, 'x')) + rest),
            "B: longer than 16777215 bytes");
  EXPECT_TRUE(to_tl("all", field(5, std::string(kTlStringBytesMax, 'x')) + rest)
                  .ends_with("the message becomes too large"));
  // What is missing is zero.
  EXPECT_EQ(to_tl("all", rest), "tl 07000000" + std::string(2 * (4 + 8 + 8 + 4 + 4 + 32), '0') +
                                    "15c4b51c0000000015c4b51c0000000003000000379779bc");
}

TEST_F(Refusals, NestingIsBounded) {
  const auto nested = [](size_t objects) {
    std::string proto = field(2, "");
    for (size_t i = 1; i < objects; ++i) proto = field(1, field(1, proto));
    return proto;
  };
  const auto tl = [](size_t objects) {
    std::string out;
    for (size_t i = 1; i < objects; ++i) out += "04000000";
    return out + "05000000";
  };
  const uint32_t nest = contract_->schema().combinators[index("deep")].result.type;
  Output out;
  EXPECT_TRUE(to_tl_.object(nest, as_bytes(nested(kTranscodeDepthMax)), out).ok());
  EXPECT_EQ(to_hex(out.bytes()), tl(kTranscodeDepthMax));
  EXPECT_TRUE(to_proto_.object(nest, *from_hex(tl(kTranscodeDepthMax)), out).ok());
  EXPECT_FALSE(to_tl_.object(nest, as_bytes(nested(kTranscodeDepthMax + 1)), out).ok());
  EXPECT_EQ(to_tl_.problem().fault, Fault::kTooDeep);
  EXPECT_FALSE(to_proto_.object(nest, *from_hex(tl(kTranscodeDepthMax + 1)), out).ok());
  EXPECT_EQ(to_proto_.problem().fault, Fault::kTooDeep);
  EXPECT_FALSE(to_tl_.object(nest, as_bytes(nested(5000)), out).ok());
  EXPECT_FALSE(to_proto_.object(nest, *from_hex(tl(5000)), out).ok());
  const std::string where = describe(*contract_, to_proto_.problem());
  EXPECT_TRUE(where.starts_with("Deep.Inner.Deep.Inner.")) << where;
}

// Each level out of order: were each level to be read twice, this would never end.
TEST_F(Refusals, DisorderAtEveryLevelCostsNoMore) {
  std::string proto = field(2, "");
  for (size_t i = 1; i < kTranscodeDepthMax; ++i) {
    // The member twice, the second time with what counts; merged by protobuf's rules.
    proto = field(1, "") + field(1, field(1, proto));
  }
  const uint32_t nest = contract_->schema().combinators[index("deep")].result.type;
  Output out;
  ASSERT_TRUE(to_tl_.object(nest, as_bytes(proto), out).ok());
  EXPECT_EQ(out.size(), kTranscodeDepthMax * 4);
  EXPECT_EQ(to_tl_.sorted_messages(), 1u);
}

TEST_F(Refusals, PathsOfTl) {
  EXPECT_EQ(to_proto(""), "ends in the middle of a value");
  EXPECT_EQ(to_proto("99000000"), "unknown constructor 00000099");
  EXPECT_EQ(to_proto("110000000200000001000000070000000300"),
            "Choice.Many.B: ends in the middle of a value");
  EXPECT_EQ(to_proto("1100000001000000"), "Choice: constructor 00000001 is of another type");
  EXPECT_EQ(to_proto("1100000013000000"), "Choice: constructor 00000013 is of another type");
  EXPECT_EQ(to_proto("1100000003000000050000000a"), "bytes behind the end");
  EXPECT_EQ(to_proto("12000000aabbccdd00000000"), "Leaves: ddccbbaa stands where a vector must be");
  EXPECT_EQ(to_proto("1200000015c4b51cffffff7f"),
            "Leaves: a vector of 2147483647 elements does not fit the bytes");
  EXPECT_EQ(to_proto("0800000015c4b51c020000000100000000000000aabbccdd"),
            "Words: a vector of 2 elements does not fit the bytes");
  EXPECT_EQ(to_proto("1200000015c4b51c020000000300000099000000"),
            "Leaves[1]: unknown constructor 00000099");
  EXPECT_EQ(to_proto("0600000002000000ff000000"), "Text: a string begins with ff");
  EXPECT_EQ(to_proto("0600000002000000feffffff"), "Text: ends in the middle of a value");
  EXPECT_EQ(to_proto("13000000010000000100000000"),
            "Query: constructor 00000001 is of another type");
  EXPECT_EQ(to_proto("130000000100000011000000"
                     "99000000"),
            "Query.Ask.Choice: unknown constructor 00000099");
}

TEST_F(Refusals, TextThatIsNotUtf8IsRepairedAndCounted) {
  EXPECT_EQ(to_proto("060000000200000002"
                     "c328"
                     "0000000000"),
            "proto 08021a04efbfbd282000");
  EXPECT_EQ(to_proto_.repaired_strings(), 1u);
}

// An answer of another type than the method's is refused whole.
TEST_F(Refusals, AnswersOfAnotherType) {
  Output out;
  const uint32_t ask = index("ask");
  const uint32_t many = index("askMany");
  EXPECT_TRUE(to_proto_.answer(ask, ask, *from_hex("b5757299"), out).ok());
  for (const char* tl : {"03000000", "b575729900000000", "15c4b51c00000000", ""}) {
    EXPECT_FALSE(to_proto_.answer(ask, ask, *from_hex(tl), out).ok()) << tl;
  }
  out.clear();
  EXPECT_FALSE(to_proto_
                   .answer(many, many,
                           *from_hex("15c4b51c020000000100000007000000"
                                     "03000000"
                                     "00000000"),
                           out)
                   .ok());
  EXPECT_EQ(describe(*contract_, to_proto_.problem()),
            "Leaf[1]: constructor 00000003 is of another type");
  EXPECT_FALSE(to_tl_.answer(many, as_bytes(field(1, kLeaf) + field(1, "")), out).ok());
  EXPECT_EQ(describe(*contract_, to_tl_.problem()), "Leaf[1]: no value is set");
}

TEST_F(Refusals, OutputIsBounded) {
  Output small(100);
  const std::string tl = "0800000015c4b51c0a000000" + std::string(160, 'f');
  EXPECT_EQ(to_proto_.combinator(*from_hex(tl), small).error(), Error::kTooLarge);
  EXPECT_EQ(small.size(), 0u);
  std::string numbers(40, '\x01');
  EXPECT_EQ(to_tl_.combinator(index("bag"), as_bytes(field(1, numbers)), small).error(),
            Error::kTooLarge);
  EXPECT_EQ(small.size(), 0u);
}

TEST_F(Refusals, TooManyFieldsOutOfOrder) {
  std::string numbers;
  for (size_t i = 0; i <= kIndexedFieldsMax; ++i) numbers += std::string("\x08\x01", 2);
  EXPECT_TRUE(to_tl("bag", numbers).starts_with("tl "));
  EXPECT_EQ(to_tl("bag", numbers + "\x0f"), "more than 1048576 fields, and not in order");
}

}  // namespace
}  // namespace ringway::tl
