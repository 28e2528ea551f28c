// Every constructor and method of every layer, with random values and flags, through the direct
// transcoding and through protobuf's own objects: all four ways must give the same bytes.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <memory>
#include <random>

#include "base/hex.h"
#include "oracle.h"
#include "random_tl.h"
#include "schema_files.h"
#include "scramble.h"
#include "tl/layout.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::tl {
namespace {

constexpr int kRoundsOfEach = 10;

std::string text_of(ByteView bytes) { return std::string(as_text(bytes)); }

// One change: a bit, a byte, a piece taken out, or one doubled somewhere else.
void damage(std::string& bytes, std::mt19937_64& random) {
  if (bytes.empty()) return;
  const size_t at = random() % bytes.size();
  const size_t piece = std::min<size_t>(1 + random() % 12, bytes.size() - at);
  switch (random() % 4) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
      break;
    case 1:
      bytes[at] = static_cast<char>(random() % 48);
      break;
    case 2:
      bytes.erase(at, piece);
      break;
    default:
      bytes.insert(random() % bytes.size(), bytes.substr(at, piece));
  }
}

class RoundTrip : public testing::TestWithParam<std::tuple<int, Mode>> {
 protected:
  RoundTrip()
      : contract_(load_layer(std::get<0>(GetParam()), std::get<1>(GetParam()))),
        layout_(*contract_),
        oracle_(*contract_),
        to_proto_(layout_),
        to_tl_(layout_),
        random_tl_(contract_->schema(), 1) {}

  [[nodiscard]] const Schema& schema() const { return contract_->schema(); }

  // TL to protobuf, directly and by the oracle; empty when they differ.
  std::string both_to_proto(uint32_t combinator, const Bytes& tl) {
    Output proto;
    const auto found = to_proto_.combinator(tl, proto);
    EXPECT_TRUE(found.ok()) << describe(*contract_, to_proto_.problem()) << "\n" << to_hex(tl);
    if (!found.ok()) return {};
    EXPECT_EQ(*found, combinator);
    EXPECT_EQ(to_hex(proto.bytes()), to_hex(as_bytes(oracle_.combinator_to_proto(tl))))
        << to_hex(tl);
    return text_of(proto.bytes());
  }

  void expect_tl(uint32_t combinator, const std::string& proto, const Bytes& tl) {
    Output direct;
    EXPECT_TRUE(to_tl_.combinator(combinator, as_bytes(proto), direct).ok())
        << describe(*contract_, to_tl_.problem()) << "\n"
        << to_hex(as_bytes(proto));
    EXPECT_EQ(to_hex(direct.bytes()), to_hex(tl)) << to_hex(as_bytes(proto));
    const auto by_oracle = oracle_.combinator_to_tl(combinator, proto);
    ASSERT_TRUE(by_oracle) << to_hex(as_bytes(proto));
    EXPECT_EQ(to_hex(*by_oracle), to_hex(tl)) << to_hex(as_bytes(proto));
  }

  std::unique_ptr<const Contract> contract_;
  Layout layout_;
  Oracle oracle_;
  ToProto to_proto_;
  ToTl to_tl_;
  RandomTl random_tl_;
};

TEST_P(RoundTrip, EveryCombinator) {
  for (int round = 0; round < kRoundsOfEach; ++round) {
    for (uint32_t i = 0; i < schema().combinators.size(); ++i) {
      const Bytes tl = random_tl_.combinator(i);
      const std::string proto = both_to_proto(i, tl);
      expect_tl(i, proto, tl);
      ASSERT_FALSE(HasFailure()) << schema().combinators[i].name;
    }
  }
  EXPECT_EQ(to_tl_.sorted_messages(), 0u) << "what a serializer writes takes the short way";
  EXPECT_EQ(to_proto_.repaired_strings(), 0u);
}

TEST_P(RoundTrip, EveryAnswer) {
  for (uint32_t i = schema().constructor_count; i < schema().combinators.size(); ++i) {
    const Value& result = schema().combinators[i].result;
    if (result.kind == Kind::kQuery) continue;
    const Bytes tl = random_tl_.value(result);
    Output proto;
    ASSERT_TRUE(to_proto_.answer(i, i, tl, proto).ok()) << schema().combinators[i].name;
    const std::string expected = oracle_.answer_to_proto(i, tl);
    ASSERT_EQ(to_hex(proto.bytes()), to_hex(as_bytes(expected))) << schema().combinators[i].name;
    Output back;
    ASSERT_TRUE(to_tl_.answer(i, proto.bytes(), back).ok())
        << schema().combinators[i].name << ": " << describe(*contract_, to_tl_.problem());
    ASSERT_EQ(to_hex(back.bytes()), to_hex(tl));
    ASSERT_EQ(oracle_.answer_to_tl(i, expected), tl);
  }
}

TEST_P(RoundTrip, FieldsInAnyOrderSplitAndDoubled) {
  std::mt19937_64 random(7);
  for (uint32_t i = 0; i < schema().combinators.size(); ++i) {
    const Bytes tl = random_tl_.combinator(i);
    const std::string proto = both_to_proto(i, tl);
    expect_tl(i, scramble(proto, oracle_.descriptor(i), random), tl);
    ASSERT_FALSE(HasFailure()) << schema().combinators[i].name << " " << to_hex(tl);
  }
  EXPECT_GT(to_tl_.sorted_messages(), schema().combinators.size() / 4);
}

// Without its Flags, what is there says which bits are set.
TEST_P(RoundTrip, FlagsFollowTheFields) {
  for (uint32_t i = 0; i < schema().combinators.size(); ++i) {
    const Combinator& combinator = schema().combinators[i];
    const Bytes tl = random_tl_.combinator(i);
    auto message = oracle_.parse(i, both_to_proto(i, tl));
    ASSERT_NE(message, nullptr);
    for (uint32_t p = 0; p < combinator.params.size(); ++p) {
      if (combinator.params[p].value.kind != Kind::kFlags) continue;
      message->GetReflection()->ClearField(
          message.get(), message->GetDescriptor()->FindFieldByNumber(static_cast<int>(p + 1)));
    }
    const std::string proto = message->SerializeAsString();
    const auto expected = oracle_.combinator_to_tl(i, proto);
    Output direct;
    const auto result = to_tl_.combinator(i, as_bytes(proto), direct);
    ASSERT_EQ(result.ok(), expected.has_value())
        << combinator.name << " " << describe(*contract_, to_tl_.problem());
    if (expected) {
      ASSERT_EQ(to_hex(direct.bytes()), to_hex(*expected)) << combinator.name;
    }
  }
}

TEST_P(RoundTrip, EveryTruncationFailsAndLeavesTheOutputAlone) {
  Output out;
  ASSERT_NE(out.room_for(4), nullptr);
  store_le(out.room_for(4), 0xfeedbeefu);
  out.written_to(out.at(0) + 4);
  for (uint32_t i = 0; i < schema().combinators.size(); i += 7) {
    const Bytes tl = random_tl_.combinator(i);
    for (size_t size = 0; size < tl.size(); ++size) {
      const Bytes exact(tl.begin(), tl.begin() + static_cast<ptrdiff_t>(size));
      ASSERT_FALSE(to_proto_.combinator(exact, out).ok()) << schema().combinators[i].name;
      ASSERT_EQ(out.size(), 4u);
      ASSERT_NE(describe(*contract_, to_proto_.problem()), "");
    }
    Bytes longer = tl;
    longer.resize(longer.size() + 4);
    ASSERT_EQ(to_proto_.combinator(longer, out).error(), Error::kTrailing);
  }
}

// A prefix may be a message; what must not happen shows under the sanitizers.
TEST_P(RoundTrip, TruncatedProtobufAgreesWithTheOracle) {
  const google::protobuf::LogSilencer silencer;  // it says what is wrong with each of them
  for (uint32_t i = 0; i < schema().combinators.size(); i += 31) {
    const std::string proto = both_to_proto(i, random_tl_.combinator(i));
    for (size_t size = 0; size < proto.size(); size += 3) {
      const std::string part = proto.substr(0, size);
      Output direct;
      const auto result = to_tl_.combinator(i, as_bytes(part), direct);
      const auto expected = oracle_.combinator_to_tl(i, part);
      ASSERT_EQ(result.ok(), expected.has_value())
          << schema().combinators[i].name << " " << to_hex(as_bytes(part)) << " "
          << describe(*contract_, to_tl_.problem());
      if (expected) {
        ASSERT_EQ(to_hex(direct.bytes()), to_hex(*expected));
      }
    }
  }
}

// Bytes changed at random. What protobuf takes and the rules allow must come out the same; what
// protobuf alone refuses is in values that later ones overrule, which are not looked at.
TEST_P(RoundTrip, DamagedProtobufAgreesWithTheOracle) {
  const google::protobuf::LogSilencer silencer;
  std::mt19937_64 random(11);
  size_t taken = 0;
  for (uint32_t i = 0; i < schema().combinators.size(); ++i) {
    const auto& params = schema().combinators[i].params;
    const auto is_query = [](const Param& param) { return param.value.kind == Kind::kQuery; };
    // An Any that protobuf takes may have fields that ours does not.
    if (std::any_of(params.begin(), params.end(), is_query)) continue;
    const std::string proto = both_to_proto(i, random_tl_.combinator(i));
    for (int round = 0; round < 12 && !proto.empty(); ++round) {
      std::string damaged = proto;
      for (size_t left = 1 + random() % 3; left > 0; --left) damage(damaged, random);
      Output direct;
      const uint64_t sorted_before = to_tl_.sorted_messages();
      const auto result = to_tl_.combinator(i, as_bytes(damaged), direct);
      const auto expected = oracle_.combinator_to_tl(i, damaged);
      if (expected) {
        ++taken;
        ASSERT_TRUE(result.ok()) << schema().combinators[i].name << " " << to_hex(as_bytes(damaged))
                                 << " " << describe(*contract_, to_tl_.problem());
        ASSERT_EQ(to_hex(direct.bytes()), to_hex(*expected)) << to_hex(as_bytes(damaged));
      } else if (result.ok()) {
        ASSERT_GT(to_tl_.sorted_messages(), sorted_before)
            << schema().combinators[i].name << " " << to_hex(as_bytes(damaged));
      }
    }
  }
  EXPECT_GT(taken, schema().combinators.size());
}

INSTANTIATE_TEST_SUITE_P(Layers, RoundTrip,
                         testing::Combine(testing::Values(71, 144, 228),
                                          testing::Values(Mode::kExtended, Mode::kCompat)),
                         [](const auto& layer) {
                           return "Layer" + std::to_string(std::get<0>(layer.param)) +
                                  (std::get<1>(layer.param) == Mode::kCompat ? "Compat" : "");
                         });

}  // namespace
}  // namespace ringway::tl
