#include "mtproto/peek.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "mtproto/bind.h"
#include "mtproto/tl.h"
#include "support/tl_objects.h"

namespace ringway::mtproto {
namespace {

namespace ctor = constructor;

constexpr int64_t kMsgId = 1000;
constexpr int64_t kPermId = 0x1234567890abcdef;

// Words and strings of a TL object.
class Tl {
 public:
  explicit Tl(uint32_t number) { out_.u32(number); }
  Tl& u32(uint32_t value) { return out_.u32(value), *this; }
  Tl& i64(int64_t value) { return out_.i64(value), *this; }
  Tl& text(std::string_view value) { return write_tl_string(out_, as_bytes(value)), *this; }
  Tl& bytes(ByteView value) { return write_tl_string(out_, value), *this; }
  Tl& raw(ByteView value) { return out_.bytes(value), *this; }
  operator Bytes() const { return bytes_; }
  operator ByteView() const { return bytes_; }

 private:
  Bytes bytes_;
  ByteAppender out_{bytes_};
};

Bytes packed(ByteView plain) { return testing::gzip_packed(plain); }

Bytes ping(int64_t id) { return Tl(ctor::kPing).i64(id); }
Bytes ack() { return Tl(ctor::kMsgsAck).u32(ctor::kVector).u32(1).i64(5); }
Bytes bind() {
  const Bytes inner(104, 0x5a);
  return write_bind_call({.perm_auth_key_id = kPermId,
                          .nonce = 7,
                          .expires_at = 1'800'000'000,
                          .encrypted_message = inner});
}
Bytes init(uint32_t flags, ByteView query) {
  Tl object(ctor::kInitConnection);
  object.u32(flags).u32(4);
  for (int i = 0; i < 6; ++i) object.text("text");
  if ((flags & 1) != 0) object.u32(ctor::kInputClientProxy).text("host").u32(443);
  if ((flags & 2) != 0) object.u32(ctor::kJsonNull);
  return object.raw(query);
}
Bytes container(const std::vector<Bytes>& bodies) {
  Tl object(ctor::kMsgContainer);
  object.u32(static_cast<uint32_t>(bodies.size()));
  for (size_t i = 0; i < bodies.size(); ++i) {
    object.raw(frame_message(kMsgId + 4 * static_cast<int64_t>(i), 1, bodies[i]));
  }
  return object;
}

Result<std::vector<PeekedMessage>> peek_body(ByteView body) {
  static Bytes payload;  // bodies borrow from it
  payload = frame_message(kMsgId, 3, body);
  return peek(payload);
}
Purpose purpose_of(ByteView body) {
  const auto messages = peek_body(body);
  EXPECT_TRUE(messages.ok());
  if (!messages.ok()) return Purpose::kCall;
  EXPECT_EQ(messages->size(), 1U);
  return messages->front().purpose;
}

TEST(Peek, TellsMessagesApart) {
  EXPECT_EQ(purpose_of(ping(9)), Purpose::kPing);
  EXPECT_EQ(purpose_of(Tl(ctor::kPingDelayDisconnect).i64(9).u32(75)), Purpose::kPing);
  EXPECT_EQ(purpose_of(bind()), Purpose::kBind);
  for (const uint32_t number :
       {ctor::kMsgsAck, ctor::kHttpWait, ctor::kMsgsStateReq, ctor::kMsgsStateInfo,
        ctor::kMsgsAllInfo, ctor::kGetFutureSalts, ctor::kDestroySession, ctor::kDestroyAuthKey}) {
    EXPECT_EQ(purpose_of(Tl(number).i64(1)), Purpose::kService);
  }
  EXPECT_EQ(purpose_of(Tl(0xc4f9186b)), Purpose::kCall);
  EXPECT_EQ(purpose_of(Tl(ctor::kInvokeWithoutUpdates).raw(ping(1))), Purpose::kCall)
      << "a ping is never wrapped";
}

TEST(Peek, ReadsTheIds) {
  const auto pinged = peek_body(ping(42));
  ASSERT_TRUE(pinged.ok());
  EXPECT_EQ(pinged->front().msg_id, kMsgId);
  EXPECT_EQ(pinged->front().seq_no, 3);
  EXPECT_EQ(pinged->front().ping_id, 42);
  const auto bound = peek_body(bind());
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(bound->front().perm_auth_key_id, kPermId);
  EXPECT_EQ(bound->front().expires_at, 1'800'000'000);
  EXPECT_TRUE(equal(bound->front().bind, bind()));
}

TEST(Peek, SplitsContainersInOrder) {
  const std::vector<Bytes> bodies = {ack(), bind(), ping(1), Tl(0xc4f9186b)};
  const auto messages = peek_body(container(bodies));
  ASSERT_TRUE(messages.ok());
  ASSERT_EQ(messages->size(), 4U);
  const Purpose purposes[] = {Purpose::kService, Purpose::kBind, Purpose::kPing, Purpose::kCall};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*messages)[i].msg_id, kMsgId + 4 * static_cast<int64_t>(i));
    EXPECT_EQ((*messages)[i].purpose, purposes[i]);
    EXPECT_TRUE(equal((*messages)[i].body, bodies[i]));
  }
  EXPECT_TRUE(peek_body(container({})).ok());
}

TEST(Peek, FindsTheBindInItsWrappersAndUnpacksIt) {
  const Bytes plain = bind();
  const Bytes layer = Tl(ctor::kInvokeWithLayer).u32(200);
  const auto layered = [&](ByteView inner) {
    Bytes whole = layer;
    whole.insert(whole.end(), inner.begin(), inner.end());
    return whole;
  };
  struct Case {
    Bytes sent;
    Bytes forwarded;
  };
  const Case cases[] = {
      {packed(plain), plain},
      {init(0, plain), init(0, plain)},
      {init(3, plain), init(3, plain)},
      {layered(init(0, plain)), layered(init(0, plain))},
      {packed(layered(init(0, plain))), layered(init(0, plain))},
      {layered(packed(plain)), layered(plain)},
      {layered(packed(init(0, plain))), layered(init(0, plain))},
  };
  for (const Case& test : cases) {
    for (const bool contained : {false, true}) {
      const auto messages = peek_body(contained ? container({ack(), test.sent}) : test.sent);
      ASSERT_TRUE(messages.ok());
      ASSERT_EQ(messages->back().purpose, Purpose::kBind);
      EXPECT_EQ(messages->back().perm_auth_key_id, kPermId);
      EXPECT_TRUE(equal(messages->back().bind, test.forwarded));
    }
  }
}

TEST(Peek, WhatStandsBehindTheBindIsCutOff) {
  Bytes longer = bind();
  longer.resize(longer.size() + 400, 0xee);
  for (const Bytes& sent : {longer, packed(longer)}) {
    const auto messages = peek_body(sent);
    ASSERT_TRUE(messages.ok());
    EXPECT_TRUE(equal(messages->front().bind, bind()));
  }
}

TEST(Peek, NestedContainersAreRefused) {
  const Bytes inner = container({ping(1)});
  for (const Bytes& body : {container({inner}), container({ping(1), packed(inner)}), packed(inner),
                            Bytes(Tl(ctor::kInvokeWithoutUpdates).raw(inner))}) {
    EXPECT_EQ(peek_body(body).error(), Error::kMalformed);
  }
}

TEST(Peek, PackedInPackedIsRefused) {
  EXPECT_EQ(peek_body(packed(packed(bind()))).error(), Error::kMalformed);
}

TEST(Peek, CountsAreNotBelieved) {
  for (const uint32_t count : {2U, 1025U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    EXPECT_FALSE(
        peek_body(Tl(ctor::kMsgContainer).u32(count).raw(frame_message(1, 1, ping(1)))).ok())
        << count;
  }
  const std::vector<Bytes> most(kPeekContainerMessagesMax, ping(1));
  EXPECT_TRUE(peek_body(container(most)).ok());
  const std::vector<Bytes> more(kPeekContainerMessagesMax + 1, ping(1));
  EXPECT_EQ(peek_body(container(more)).error(), Error::kTooLarge);
}

TEST(Peek, InflatingIsBoundedForTheWholeMessage) {
  Bytes fits = bind();
  fits.resize(kPeekInflatedBytesMax, 0);
  EXPECT_TRUE(peek_body(packed(fits)).ok());
  fits.resize(kPeekInflatedBytesMax + 4, 0);
  EXPECT_EQ(peek_body(packed(fits)).error(), Error::kTooLarge);
  fits.resize(kPeekInflatedBytesMax / 2, 0);
  EXPECT_TRUE(peek_body(container({packed(fits), packed(fits)})).ok());
  EXPECT_EQ(peek_body(container({packed(fits), packed(fits), packed(ping(1))})).error(),
            Error::kTooLarge);
  // A bomb: 64 MiB in 64 KiB.
  const Bytes zeroes(64 << 20, 0);
  EXPECT_EQ(peek_body(packed(zeroes)).error(), Error::kTooLarge);
  // Many that are small.
  std::vector<Bytes> many(kPeekPackedPartsMax, packed(ping(1)));
  EXPECT_TRUE(peek_body(container(many)).ok());
  many.push_back(packed(ping(1)));
  EXPECT_EQ(peek_body(container(many)).error(), Error::kTooLarge);
  // Much to read for little that comes out.
  Bytes stored = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
  while (stored.size() < kPeekPackedBytesMax) stored.insert(stored.end(), {0, 0, 0, 0xff, 0xff});
  EXPECT_EQ(peek_body(Tl(ctor::kGzipPacked).bytes(stored)).error(), Error::kTooLarge);
}

TEST(Peek, DepthOfWrappersIsBounded) {
  Bytes body = bind();
  for (size_t i = 0; i < kQueryWrapperDepthMax; ++i)
    body = Tl(ctor::kInvokeWithoutUpdates).raw(body);
  EXPECT_EQ(purpose_of(body), Purpose::kBind);
  body = Tl(ctor::kInvokeWithoutUpdates).raw(body);
  EXPECT_EQ(peek_body(body).error(), Error::kTooLarge);
}

// Where the query of a newer initConnection begins is unknown: it is a call, whatever follows.
TEST(Peek, UnknownFlagsOfInitConnectionHideTheirQuery) {
  EXPECT_EQ(purpose_of(init(4, bind())), Purpose::kCall);
}

TEST(Peek, EveryCutIsRefusedOrHarmless) {
  for (const Bytes& body : {container({ack(), bind(), ping(1)}), init(3, bind()), packed(bind())}) {
    for (size_t bytes = 0; bytes < body.size(); bytes += 4) {
      const auto messages = peek_body(ByteView(body).first(bytes));
      if (!messages.ok()) continue;
      for (const PeekedMessage& message : *messages) EXPECT_NE(message.purpose, Purpose::kBind);
    }
  }
  const Bytes payload = frame_message(1, 1, ping(1));
  for (size_t bytes = 0; bytes < payload.size(); ++bytes) {
    EXPECT_FALSE(peek(ByteView(payload).first(bytes)).ok());
  }
}

TEST(FindBind, SeesIntoWrappersAndPackedOnes) {
  const auto find = [](ByteView body) { return find_bind(frame_message(kMsgId, 1, body)); };
  for (const Bytes& query : {bind(), init(3, bind()), packed(bind()), packed(init(3, bind())),
                             init(0, packed(bind()))}) {
    EXPECT_EQ(find(query), kMsgId);
    EXPECT_EQ(find(container({ping(1), query, ack()})), kMsgId + 4);
    EXPECT_EQ(find(container({query, query, ack()})), kMsgId + 4) << "the last one";
  }
  for (const Bytes& query :
       {ping(1), ack(), packed(ping(1)), init(3, packed(ping(1))), packed(packed(bind())),
        container({}), container({ping(1), packed(Bytes(1 << 20, 0))})}) {
    EXPECT_EQ(find(query), std::nullopt);
  }
  EXPECT_EQ(find_bind({}), std::nullopt);
}

TEST(FindBind, PassesOverWhatIsBroken) {
  const auto find = [](ByteView body) { return find_bind(frame_message(kMsgId, 1, body)); };
  Bytes half = packed(bind());
  half.resize(half.size() / 2 / 4 * 4);
  const Bytes init_without_end = Tl(ctor::kInitConnection).u32(0);
  EXPECT_EQ(find(container({half, init_without_end, packed(bind())})), kMsgId + 8);
  EXPECT_EQ(find(half), std::nullopt);
  EXPECT_EQ(find(Tl(ctor::kBindTempAuthKey).u32(1)), std::nullopt);
  // A container that breaks off has shown what it had.
  Bytes broken = container({bind(), ping(1)});
  broken.resize(broken.size() - 4);
  EXPECT_EQ(find(broken), kMsgId);
}

TEST(FindBind, KeepsToItsBounds) {
  const auto find = [](ByteView body) { return find_bind(frame_message(kMsgId, 1, body)); };
  // A bomb costs its head only, unless it calls itself a bind; the budget is for all together.
  Bytes bomb = bind();
  bomb.resize(8 << 20);
  EXPECT_EQ(find(packed(bomb)), std::nullopt);
  bomb.resize(kPeekInflatedBytesMax);
  EXPECT_EQ(find(container({packed(bomb), packed(bind())})), kMsgId) << "the budget is used up";
  std::vector<Bytes> many(kBindScanPackedMax, packed(ping(1)));
  many.push_back(packed(bind()));
  EXPECT_EQ(find(container(many)), std::nullopt);
  many.erase(many.begin());
  EXPECT_EQ(find(container(many)), kMsgId + 4 * static_cast<int64_t>(kBindScanPackedMax - 1));
}

Bytes result_of(int64_t msg_id) { return Tl(ctor::kRpcResult).i64(msg_id).u32(ctor::kBoolTrue); }

TEST(PeekPush, OnlyTheProtocolAndTheAnswerPass) {
  const auto look = [](ByteView body) { return peek_push(frame_message(1, 1, body), 77); };
  const Bytes session = Tl(ctor::kNewSessionCreated).i64(1).i64(2).i64(3);
  const Bytes update = Tl(0x74ae4240).u32(0);
  EXPECT_TRUE(look(session).service_only);
  EXPECT_FALSE(look(session).answers);
  EXPECT_TRUE(look(result_of(77)).service_only);
  EXPECT_TRUE(look(result_of(77)).answers);
  EXPECT_FALSE(look(result_of(78)).service_only);
  EXPECT_FALSE(look(result_of(78)).answers);
  EXPECT_TRUE(look(container({session, result_of(77)})).answers);
  EXPECT_TRUE(look(container({session, result_of(77)})).service_only);
  EXPECT_FALSE(look(container({result_of(77), update})).service_only);
  EXPECT_TRUE(look(container({result_of(77), update})).answers);
  EXPECT_FALSE(look(update).service_only);
  EXPECT_FALSE(look(packed(session)).service_only);
  // The call's message refused: there will be no result.
  for (const uint32_t number : {ctor::kBadServerSalt, ctor::kBadMsgNotification}) {
    EXPECT_TRUE(look(Tl(number).i64(77).u32(1).u32(48)).answers);
    EXPECT_FALSE(look(Tl(number).i64(78).u32(1).u32(48)).answers);
    EXPECT_TRUE(look(Tl(number).i64(78).u32(1).u32(48)).service_only);
  }
  EXPECT_FALSE(look({}).service_only);
  EXPECT_FALSE(peek_push({}, 77).service_only);
  EXPECT_FALSE(look(Tl(ctor::kMsgContainer).u32(9)).service_only);
}

}  // namespace
}  // namespace ringway::mtproto
