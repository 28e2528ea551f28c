#include <algorithm>
#include <sstream>
#include <vector>

#include "base/hex.h"
#include "base/limits.h"
#include "crypto/sha.h"
#include "schema_files.h"
#include "tl/combinator_line.h"
#include "tl/embedded.h"

namespace ringway::tl {
namespace {

constexpr char kBool[] = "boolFalse#bc799737 = Bool;\nboolTrue#997275b5 = Bool;\n";

// The first error of a schema that begins with Bool, so that its own lines begin with the third.
SchemaProblem first_error(const std::string& text) {
  const ParsedSchema parsed = parse_schema(kBool + text);
  EXPECT_EQ(parsed.schema, nullptr);
  if (parsed.errors.empty()) return {};
  return parsed.errors.front();
}

void expect_error(const std::string& text, uint32_t line, const std::string& part) {
  const SchemaProblem error = first_error(text);
  EXPECT_EQ(error.line, line) << text;
  EXPECT_NE(error.text.find(part), std::string::npos) << text << " -> " << error.text;
}

TEST(Schema, CountsOfTheShippedLayers) {
  const std::tuple<const char*, size_t, size_t> expected[] = {
      {"layer71.tl", 585, 234}, {"layer144.tl", 1011, 448}, {"layer228.tl", 1643, 807}};
  for (const auto& [file, constructors, methods] : expected) {
    const ParsedSchema parsed = parse_schema(schema_text(file));
    ASSERT_NE(parsed.schema, nullptr) << file;
    EXPECT_EQ(parsed.schema->constructor_count, constructors) << file;
    EXPECT_EQ(parsed.schema->method_count(), methods) << file;
  }
}

TEST(Schema, ShippedTextsAreTheKnownOnes) {
  EXPECT_EQ(to_hex(crypto::sha256({as_bytes(schema_text("layer71.tl"))})),
            "8b72a3b237b241ddebf460ca3c7e06ec4f3ce43bb70bfdc27de8141511343030");
  EXPECT_EQ(to_hex(crypto::sha256({as_bytes(schema_text("layer228.tl"))})),
            "ecc166a282ffdbad51108797f9cff188663099bf556308af0766b73de11e38c2");
}

TEST(Schema, EmbeddedLayersAreTheFiles) {
  for (const int layer : {71, 144, 228}) {
    ASSERT_TRUE(embedded_schema(layer));
    EXPECT_EQ(*embedded_schema(layer), schema_text("layer" + std::to_string(layer) + ".tl"));
  }
  EXPECT_FALSE(embedded_schema(145));
}

TEST(Schema, EveryIdIsTheCrcOfItsLine) {
  for (const char* file : {"layer71.tl", "layer228.tl"}) {
    const ParsedSchema parsed = parse_schema(schema_text(file));
    for (const SchemaProblem& warning : parsed.warnings) {
      ADD_FAILURE() << file << ":" << warning.line << ": " << warning.text;
    }
  }
}

TEST(Schema, ServiceSchemaHasFourKnownIdsOfItsOwn) {
  std::istringstream lines(schema_text("mtproto.tl"));
  std::vector<std::string> different;
  size_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    CombinatorLine words;
    if (line.starts_with("---")) continue;
    EXPECT_EQ(split_combinator(line, words), "") << line;
    if (!words.id) continue;  // message and rsa_public_key
    ++compared;
    if (combinator_crc(words) != *words.id) different.emplace_back(words.name);
  }
  EXPECT_GT(compared, 50u);
  EXPECT_EQ(different, (std::vector<std::string>{"msg_container", "ipPortSecret", "accessPointRule",
                                                 "help.configSimple"}));
}

TEST(Schema, AWrongIdWarnsWithTheLine) {
  const ParsedSchema parsed = parse_schema(std::string(kBool) + "a#00000001 = A;\n");
  ASSERT_NE(parsed.schema, nullptr);
  ASSERT_EQ(parsed.warnings.size(), 1u);
  EXPECT_EQ(parsed.warnings[0].line, 3u);
  EXPECT_NE(parsed.warnings[0].text.find("00000001"), std::string::npos);
}

TEST(Schema, TheLayerIsThatOfTheComment) {
  const std::string text = kBool;
  EXPECT_FALSE(parse_schema(text).layer);
  EXPECT_EQ(parse_schema(text + "// LAYER 144\n").layer, 144);
  EXPECT_EQ(parse_schema("// LAYER 7\r\n" + text + "// layer 9\n").layer, 7);
  for (const char* other : {"// LAYER x\n", "// LAYER 1x\n", "// LAYER -1\n", "// LAYER \n"}) {
    EXPECT_FALSE(parse_schema(text + other).layer) << other;
  }
}

TEST(Schema, CrossReferences) {
  const auto schema = load_schema(
      "b#2 x:A = B;\n"
      "// a comment\n\n"
      "int ? = Int;\nvector#1cb5c415 {t:Type} # [ t ] = Vector t;\n"
      "a1#3 id:long flags:# t:flags.5?true v:flags.31?Vector<B> = A;\na2#4 = A;\n"
      "---functions---\n"
      "m#5 {X:Type} f:# f2:# z:f2.1?int256 query:!X = X;\nn#6 = Vector<int>;\n");
  ASSERT_NE(schema, nullptr);
  ASSERT_EQ(schema->types.size(), 2u);
  EXPECT_EQ(schema->types[0].name, "B");
  EXPECT_EQ(schema->types[1].constructors, (std::vector<uint32_t>{1, 2}));
  ASSERT_EQ(schema->combinators.size(), 5u);
  EXPECT_EQ(schema->combinators[0].params[0].value.type, 1u);  // defined after its use
  const Combinator& a1 = schema->combinators[1];
  EXPECT_EQ(a1.line, 6u);
  EXPECT_EQ(a1.number, 1u);
  EXPECT_EQ(schema->combinators[2].number, 2u);
  EXPECT_FALSE(a1.params[1].optional());
  EXPECT_EQ(a1.params[2].value.kind, Kind::kTrue);
  EXPECT_EQ(a1.params[2].bit, 5);
  EXPECT_EQ(a1.params[3].bit, 31);
  EXPECT_TRUE(a1.params[3].value.vector);
  const Combinator& m = schema->combinators[3];
  EXPECT_TRUE(schema->is_method(3));
  EXPECT_EQ(m.params[2].word, 1);
  EXPECT_EQ(m.params[3].value.kind, Kind::kQuery);
  EXPECT_EQ(m.result.kind, Kind::kQuery);
  EXPECT_TRUE(schema->combinators[4].result.vector);
  EXPECT_EQ(schema->combinators[4].result.kind, Kind::kInt);
}

TEST(Schema, RefusesWithTheLine) {
  expect_error("a#1 = A;\nb#1 = B;\n", 4, "taken by line 3");
  expect_error("a#bc799737 = A;\n", 3, "taken by line 1");
  expect_error("a#1 = A;\na#2 = A;\n", 4, "line 3 already");
  expect_error("a#1 x:Nowhere = A;\n", 3, "unknown type Nowhere");
  expect_error("a#1 x:Vector<Nowhere> = A;\n", 3, "unknown type Nowhere");
  expect_error("a#1 x:Vector<Vector<int>> = A;\n", 3, "Vector of Vector");
  expect_error("a#1 x:flags.1?int flags:# = A;\n", 3, "flags:# must stand before it");
  expect_error("a#1 flags:# x:flags2.1?int = A;\n", 3, "flags2:# must stand before it");
  expect_error("a#1 flags:# x:flags.32?int = A;\n", 3, "from 0 to 31");
  expect_error("a#1 flags:# x:flags.?int = A;\n", 3, "from 0 to 31");
  expect_error("a#1 x:true = A;\n", 3, "needs a bit");
  expect_error("a#1 flags:# x:flags.1?# = A;\n", 3, "may not be optional");
  expect_error("a#1 x:Vector<#> = A;\n", 3, "Vector can hold");
  expect_error("a#1 x:vector<A> = A;\n", 3, "bare types");
  expect_error("a#1 x:%A = A;\n", 3, "bare types");
  expect_error("a#1 x:int x:int = A;\n", 3, "two parameters");
  expect_error("a = A;\n", 3, "has no id");
  expect_error("a#1cb5c415 = A;\n", 3, "vector");
  expect_error("a#1 = a;\n", 3, "capital letter");
  expect_error("a#1 = A\n", 3, "';'");
  expect_error("a#1;\n", 3, "= Type");
  expect_error("a#123456789 = A;\n", 3, "hex digits");
  expect_error("a#1 {X:Type} x:!X = A;\n", 3, "type variables");
  expect_error("---functions---\nf#1 = Nowhere;\n", 4, "unknown type Nowhere");
  expect_error("---functions---\nf#1 {X:Type} = X;\n", 4, "query:!X");
  expect_error("---functions---\nf#1 {X:Type} q:!X = Bool;\n", 4, "query:!X");
  expect_error("---functions---\nf#1 q:!X = X;\n", 4, "unknown type");
  expect_error("---functions---\nf#1 = int;\n", 4, "bare int");
  expect_error("a#1 f1:# f2:# f3:# f4:# f5:# = A;\n", 3, "flags words");
}

TEST(Schema, RefusesWhatIsTooLarge) {
  const ParsedSchema parsed = parse_schema(std::string(kSchemaBytesMax + 1, '\n'));
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_NE(parsed.errors[0].text.find("larger than"), std::string::npos);
  std::string params = "a#1";
  for (size_t i = 0; i <= kSchemaParamsMax; ++i) params += " p" + std::to_string(i) + ":int";
  expect_error(params + " = A;\n", 3, "parameters");
  EXPECT_EQ(parse_schema("").errors.size(), 1u);
  std::string many;
  for (size_t i = 0; i < 3 * kSchemaProblemsMax; ++i) many += "broken\n";
  EXPECT_EQ(parse_schema(many).errors.size(), kSchemaProblemsMax);
}

}  // namespace
}  // namespace ringway::tl
