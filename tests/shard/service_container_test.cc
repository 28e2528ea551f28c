// Containers, packed messages, wrappers and whatever else a hostile client may nest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/limits.h"
#include "mtproto/inflate.h"
#include "service_bench.h"
#include "shard/method_names.h"

namespace ringway::shard {
namespace {

namespace mt = mtproto::constructor;

int32_t error_code(const Answer& answer) {
  ByteReader in = answer.reader();
  EXPECT_TRUE(in.skip(12).ok());
  return *in.i32();
}

std::string rpc_error_text(const Answer& answer, int32_t code = 400) {
  EXPECT_EQ(answer.constructor, mt::kRpcResult);
  ByteReader in = answer.reader();
  EXPECT_TRUE(in.skip(8).ok());
  EXPECT_EQ(*in.u32(), mt::kRpcError);
  EXPECT_EQ(*in.i32(), code);
  return std::string(as_text(*mtproto::read_tl_string(in)));
}

uint32_t result_constructor(const Answer& answer) {
  EXPECT_EQ(answer.constructor, mt::kRpcResult);
  ByteReader in = answer.reader();
  EXPECT_TRUE(in.skip(8).ok());
  return *in.u32();
}

TEST(Containers, EveryMessageIsAnsweredAndTheSessionBeginsWithTheFirst) {
  ServiceBench bench;
  const int64_t first = bench.new_id();
  const int64_t second = bench.new_id();
  const int64_t third = bench.new_id();
  const auto answers = bench.tell(container(
      {{second, 0, ping(2)}, {first, 1, get_config()}, {third, 2, Tl(mt::kMsgsAck).ids({5})}}));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].constructor, mt::kNewSessionCreated);
  EXPECT_EQ(*answers[0].reader().i64(), first);
  EXPECT_EQ(answers[1].constructor, mt::kPong);
  EXPECT_EQ(answers[2].constructor, mt::kRpcResult);
}

TEST(Containers, AnEmptyOneIsTaken) {
  ServiceBench bench;
  bench.settle();
  EXPECT_TRUE(bench.tell(container({})).empty());
}

TEST(Containers, ARepeatedOneIsServedOnce) {
  ServiceBench bench;
  bench.settle();
  const int64_t inner = bench.new_id();
  const int64_t outer = bench.new_id();
  const Bytes body = container({{inner, 0, ping(1)}});
  EXPECT_EQ(bench.send(outer, 0, body).size(), 1u);
  EXPECT_TRUE(bench.send(outer, 0, body).empty());
  EXPECT_TRUE(bench.send(bench.new_id(), 0, body).empty()) << "its messages are known";
}

TEST(Containers, AnIdOfAPlainMessageCannotBecomeAContainers) {
  ServiceBench bench;
  bench.settle();
  const int64_t inner = bench.new_id();
  const int64_t id = bench.new_id();
  bench.send(id, 0, ping(1));
  const auto answers = bench.send(id, 0, container({{inner, 0, ping(2)}}));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(error_code(answers[0]), 19);
}

TEST(Containers, BadOnesAreRefusedWhole) {
  ServiceBench bench;
  bench.settle();
  const int64_t inner = bench.new_id();
  const Bytes nested = container({{inner, 0, container({{inner, 0, ping(1)}})}});
  const Bytes huge_count =
      Tl(mt::kMsgContainer).u32(0x8000'0000u).raw(write_message({inner, 0, ping(1)}));
  const Bytes truncated = Tl(mt::kMsgContainer).u32(2).raw(write_message({inner, 0, ping(1)}));
  Bytes long_message = container({{inner, 0, ping(1)}});
  store_le(long_message.data() + 20, uint32_t{0x7fff'fffc});
  Bytes odd_length = container({{inner, 0, ping(1)}});
  store_le(odd_length.data() + 20, uint32_t{11});
  std::vector<Outgoing> many(kShardContainerMessagesMax + 1, {inner, 0, ping(1)});
  for (const Bytes& body : {nested, huge_count, truncated, long_message, odd_length,
                            container(many), Bytes(Tl(mt::kMsgContainer))}) {
    const auto answers = bench.tell(body);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].constructor, mt::kBadMsgNotification);
    EXPECT_EQ(error_code(answers[0]), 64);
  }
  EXPECT_EQ(bench.send(inner, 0, ping(1)).size(), 1u) << "nothing of them was served";
}

TEST(Containers, MessagesAreJudgedOneByOne) {
  ServiceBench bench;
  bench.settle();
  const int64_t good = bench.new_id();
  const int64_t query_id = bench.new_id();
  const int64_t outer = bench.new_id();
  const auto answers = bench.send(outer, 0,
                                  container({{good + 1, 0, ping(1)},
                                             {outer, 0, ping(2)},
                                             {query_id, 2, get_config()},
                                             {good, 0, ping(3)}}));
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(error_code(answers[0]), 18);
  EXPECT_EQ(error_code(answers[1]), 64) << "not below its container";
  EXPECT_EQ(error_code(answers[2]), 35);
  EXPECT_EQ(answers[3].constructor, mt::kPong);
}

TEST(Containers, VeryManyAnswersComeInSeveral) {
  ServiceBench bench;
  bench.settle();
  std::vector<Outgoing> messages;
  for (size_t i = 0; i < kShardContainerMessagesMax; ++i) {
    messages.push_back({bench.new_id(), bench.content(), get_config()});
  }
  EXPECT_EQ(bench.tell(container(messages)).size(), kShardContainerMessagesMax);
}

TEST(Packed, AQueryAndAPing) {
  ServiceBench bench;
  bench.settle();
  EXPECT_EQ(result_constructor(bench.query(gzip_packed(get_config()))[0]),
            constructor::kConfigLayer144);
  EXPECT_EQ(bench.tell(gzip_packed(ping(1)))[0].constructor, mt::kPong);
  const auto inside = bench.query(with_layer(160, gzip_packed(get_config())));
  EXPECT_EQ(result_constructor(inside[0]), constructor::kConfigLayer154);
}

TEST(Packed, ABombIsNotInflated) {
  ServiceBench bench;
  bench.settle();
  const Bytes bomb = gzip_packed(Bytes(kShardInflatedBytesMax + 1, 0));
  ASSERT_LT(bomb.size(), 8192u);
  const auto answers = bench.query(bomb);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, mt::kMsgsAck);
  EXPECT_EQ(rpc_error_text(bench.query(with_layer(160, bomb))[0]), "INPUT_FETCH_ERROR");
}

TEST(Packed, ManyBombsShareOneBudget) {
  ServiceBench bench;
  bench.settle();
  // Each fits on its own and would be refused as an unknown query; together they do not fit.
  const Bytes large = gzip_packed(Bytes(kShardInflatedBytesMax / 2, 0));
  std::vector<Outgoing> messages;
  for (int i = 0; i < 4; ++i) messages.push_back({bench.new_id(), bench.content(), large});
  const auto answers = bench.tell(container(messages));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].constructor, mt::kRpcResult);
  EXPECT_EQ(answers[1].constructor, mt::kRpcResult);
  EXPECT_EQ(answers[2].constructor, mt::kMsgsAck);
  ByteReader in = answers[2].reader();
  ASSERT_TRUE(in.skip(4).ok());
  EXPECT_EQ(*in.u32(), 2u);
}

TEST(Packed, NestedPackingAndPackedContainersAreNotServed) {
  ServiceBench bench;
  bench.settle();
  EXPECT_EQ(rpc_error_text(bench.query(gzip_packed(gzip_packed(get_config())))[0]),
            "METHOD_NOT_IMPLEMENTED: #3072cfa1");
  EXPECT_EQ(rpc_error_text(bench.query(gzip_packed(container({})))[0]),
            "METHOD_NOT_IMPLEMENTED: #73f1f8dc");
}

TEST(Packed, InflateHoldsItsBoundExactly) {
  const Bytes plain(10'000, 3);
  const Bytes packed = gzip(plain);
  EXPECT_EQ(*mtproto::inflate_gzip(packed, plain.size()), plain);
  EXPECT_EQ(mtproto::inflate_gzip(packed, plain.size() - 1).error(), Error::kTooLarge);
  EXPECT_EQ(mtproto::inflate_gzip(ByteView(packed).first(packed.size() / 2), 20'000).error(),
            Error::kMalformed);
  EXPECT_EQ(mtproto::inflate_gzip(Bytes{1, 2, 3, 4}, 100).error(), Error::kMalformed);
  EXPECT_EQ(mtproto::inflate_gzip({}, 100).error(), Error::kMalformed);
  EXPECT_EQ(mtproto::inflate_gzip(gzip({}), 0)->size(), 0u);
}

TEST(Wrappers, AllAreSeenThrough) {
  const Bytes query = Tl(constructor::kHelpGetNearestDc);
  const Bytes json = Tl(constructor::kJsonObject)
                         .u32(mt::kVector)
                         .u32(2)
                         .u32(constructor::kJsonObjectValue)
                         .text("tz")
                         .raw(Tl(constructor::kJsonNumber).i64(0))
                         .u32(constructor::kJsonObjectValue)
                         .text("list")
                         .raw(Tl(constructor::kJsonArray)
                                  .u32(mt::kVector)
                                  .u32(3)
                                  .raw(Tl(constructor::kJsonNull))
                                  .raw(Tl(constructor::kJsonBool).u32(constructor::kBoolTrue))
                                  .raw(Tl(constructor::kJsonString).text("x")));
  const auto init = [&](uint32_t number, bool flags, uint32_t bits) {
    Tl tl(number);
    if (flags) tl.u32(bits);
    tl.i32(4).text("device").text("system").text("app").text("en").text("").text("en");
    if ((bits & 1) != 0) tl.u32(constructor::kInputClientProxy).text("host").i32(443);
    if ((bits & 2) != 0) tl.raw(json);
    return Bytes(tl.raw(query));
  };
  const std::vector<Bytes> wrapped = {
      Tl(constructor::kInvokeWithLayer).i32(144).raw(query),
      Tl(constructor::kInvokeAfterMsg).i64(1).raw(query),
      Tl(constructor::kInvokeAfterMsgs).ids({1, 2, 3}).raw(query),
      Tl(constructor::kInvokeWithoutUpdates).raw(query),
      Tl(constructor::kInvokeWithMessagesRange)
          .u32(constructor::kMessageRange)
          .i32(1)
          .i32(2)
          .raw(query),
      Tl(constructor::kInvokeWithTakeout).i64(1).raw(query),
      Tl(constructor::kInvokeWithBusinessConnection).text("connection").raw(query),
      Tl(constructor::kInvokeWithGooglePlayIntegrity).text("nonce").text("token").raw(query),
      Tl(constructor::kInvokeWithApnsSecret).text("nonce").text("secret").raw(query),
      Tl(constructor::kInvokeWithReCaptcha).text("token").raw(query),
      init(constructor::kInitConnection, true, 0),
      init(constructor::kInitConnection, true, 3),
      init(constructor::kInitConnectionNoParams, true, 1),
      init(constructor::kInitConnectionNoFlags, false, 0),
  };
  ServiceBench bench;
  bench.settle();
  for (const Bytes& body : wrapped) {
    const auto answers = bench.query(body);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(result_constructor(answers[0]), constructor::kNearestDc);
    // Every way to cut it short is an error, never more.
    for (size_t size = 4; size + 4 <= body.size(); size += 4) {
      if (size == body.size() - query.size()) continue;
      EXPECT_EQ(bench.query(ByteView(body).first(size)).size(), 1u);
    }
  }
}

TEST(Wrappers, DepthIsBounded) {
  ServiceBench bench;
  bench.settle();
  Bytes body = get_config();
  for (size_t i = 0; i < kQueryWrapperDepthMax; ++i)
    body = Tl(constructor::kInvokeWithoutUpdates).raw(body);
  EXPECT_EQ(result_constructor(bench.query(body)[0]), constructor::kConfigLayer144);
  body = Tl(constructor::kInvokeWithoutUpdates).raw(body);
  EXPECT_EQ(rpc_error_text(bench.query(body)[0]), "INPUT_FETCH_ERROR");
}

TEST(Wrappers, JsonDepthAndCountsAreBounded) {
  ServiceBench bench;
  bench.settle();
  const auto init_with = [](ByteView json) {
    return Bytes(Tl(constructor::kInitConnection)
                     .u32(2)
                     .i32(4)
                     .text("")
                     .text("")
                     .text("")
                     .text("")
                     .text("")
                     .text("")
                     .raw(json)
                     .raw(get_config()));
  };
  Bytes deep = Tl(constructor::kJsonNull);
  for (size_t i = 0; i < 10'000; ++i)
    deep = Tl(constructor::kJsonArray).u32(mt::kVector).u32(1).raw(deep);
  EXPECT_EQ(rpc_error_text(bench.query(init_with(deep))[0]), "INPUT_FETCH_ERROR");
  const Bytes wide = Tl(constructor::kJsonArray).u32(mt::kVector).u32(0xffff'ffff);
  EXPECT_EQ(rpc_error_text(bench.query(init_with(wide))[0]), "INPUT_FETCH_ERROR");
}

TEST(Unknown, MethodsAreRefusedByNameOrNumber) {
  ServiceBench bench;
  bench.settle();
  EXPECT_EQ(method_name(constructor::kHelpGetConfig), "help.getConfig");
  EXPECT_EQ(method_name(0x12345678), "");
  EXPECT_EQ(rpc_error_text(bench.query(Tl(0xcdd42a05).i64(1))[0]),
            "METHOD_NOT_IMPLEMENTED: auth.bindTempAuthKey");
  EXPECT_EQ(rpc_error_text(bench.query(Tl(0x0badf00d))[0]), "METHOD_NOT_IMPLEMENTED: #0badf00d");
}

// users.getUsers of inputUserSelf, as client libraries send it: nobody is logged in.
TEST(Unknown, NobodyIsLoggedIn) {
  ServiceBench bench;
  bench.settle();
  const Bytes who_am_i = Tl(constructor::kUsersGetUsers).u32(mt::kVector).u32(1).u32(0xf7c1b13f);
  EXPECT_EQ(rpc_error_text(bench.query(who_am_i)[0], 401), "AUTH_KEY_UNREGISTERED");
}

TEST(Unknown, BrokenServiceMessagesAreAcknowledgedAndIgnored) {
  ServiceBench bench;
  bench.settle();
  for (const uint32_t number :
       {mt::kPing, mt::kGzipPacked, constructor::kMsgsStateReq, constructor::kMsgResendReq,
        constructor::kGetFutureSalts, constructor::kDestroySession, constructor::kRpcDropAnswer,
        constructor::kHttpWait}) {
    const auto answers = bench.query(Tl(number));
    ASSERT_EQ(answers.size(), 1u) << std::hex << number;
    EXPECT_EQ(answers[0].constructor, mt::kMsgsAck);
  }
  EXPECT_TRUE(bench.tell(Tl(mt::kMsgsAck).u32(mt::kVector).u32(0xffff'ffff)).empty());
  EXPECT_TRUE(bench.tell(Tl(constructor::kMsgsStateReq).u32(0).u32(1).i64(1)).empty());
}

TEST(Unknown, RandomBytesAfterEveryKnownConstructor) {
  std::mt19937_64 random(7);
  ServiceBench bench;
  const uint32_t known[] = {mt::kMsgsAck,
                            mt::kMsgContainer,
                            mt::kGzipPacked,
                            mt::kPing,
                            constructor::kHttpWait,
                            constructor::kMsgsStateReq,
                            constructor::kMsgResendReq,
                            constructor::kInvokeWithLayer,
                            constructor::kInitConnection,
                            constructor::kInvokeAfterMsgs,
                            constructor::kInvokeWithReCaptcha,
                            0u};
  for (int i = 0; i < 20'000; ++i) {
    Tl body(known[random() % std::size(known)]);
    for (uint64_t words = random() % 12; words > 0; --words) {
      const uint64_t pick = random();
      body.u32(pick % 3 == 0 ? static_cast<uint32_t>(pick >> 32) % 300
                             : known[(pick >> 8) % std::size(known)]);
    }
    bench.send(bench.new_id(), static_cast<int32_t>(i), body);
    ASSERT_TRUE(bench.ok());
    if (i % 100 == 0) bench.now.unix_ns += kNsPerSecond;
  }
}

}  // namespace
}  // namespace ringway::shard
