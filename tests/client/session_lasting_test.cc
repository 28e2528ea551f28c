// A session that outlives its connections: questions after a reconnection, dropped calls, order,
// packed messages, acknowledgements.
#include <zlib.h>

#include "base/limits.h"
#include "client/session_bench.h"
#include "client/session_limits.h"
#include "mtproto/deflate.h"
#include "mtproto/inflate.h"

namespace ringway::client {
namespace {

class SessionLastingTest : public SessionBench {
 protected:
  static Bytes numbered(uint32_t number) {
    Bytes object;
    ByteAppender out(object);
    out.u32(number);
    return object;
  }
  static Bytes gzip(ByteView plain) {
    const auto packed = mtproto::deflate_gzip(plain, plain.size() + 64);
    EXPECT_TRUE(packed.has_value());
    Bytes object = numbered(ctor::kGzipPacked);
    ByteAppender out(object);
    mtproto::write_tl_string(out, *packed);
    return object;
  }
  Bytes container(const std::vector<Bytes>& bodies, int32_t seq_no) {
    Bytes object = numbered(ctor::kMsgContainer);
    ByteAppender out(object);
    out.u32(static_cast<uint32_t>(bodies.size()));
    for (const Bytes& body : bodies) {
      out.i64(server_msg_id());
      out.i32(seq_no);
      out.u32(static_cast<uint32_t>(body.size()));
      out.bytes(body);
    }
    return object;
  }
  static Bytes after(int64_t msg_id, ByteView query) {
    Bytes object = numbered(ctor::kInvokeAfterMsg);
    ByteAppender out(object);
    out.i64(msg_id);
    out.bytes(query);
    return object;
  }
  // Sends `count` numbered requests, each in a frame; their msg_ids.
  std::vector<int64_t> send_each(Session& session, uint32_t count) {
    std::vector<int64_t> ids;
    for (uint32_t i = 0; i < count; ++i) {
      EXPECT_TRUE(session.send(numbered(i), {}, now_).ok());
      ids.push_back(take(session).at(0).msg_id);
    }
    return ids;
  }
};

TEST_F(SessionLastingTest, AsksAfterAReconnectionAndSendsOnlyWhatIsMissing) {
  Session session = make({.ask_state = true});
  const auto ids = send_each(session, 5);
  session.on_reconnected();
  EXPECT_TRUE(session.wants_to_send(now_));
  const auto question = take(session);
  ASSERT_EQ(question.size(), 1U);
  EXPECT_EQ(question[0].body, make_msgs_state_req(ids));
  EXPECT_EQ(question[0].seq_no & 1, 0);
  // Forgotten, not received, not received, received, received and being worked on.
  const Bytes states = {1, 2 | 8, 3 | 128, 4, 4 | 32};
  const auto events = answered(session, make_msgs_state_info(question[0].msg_id, states));
  ASSERT_EQ(events.size(), 3U);
  for (const SessionEvent& event : events) {
    EXPECT_EQ(event.kind, Kind::kResent);
    EXPECT_EQ(event.bad_msg_code, 0);
  }
  const ClientMessage sent = take(session).at(0);
  const auto parts = parts_of(sent);
  ASSERT_EQ(parts.size(), 3U);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(constructor_of(parts[i].body), i);
  // The others are answered under the msg_ids that they had.
  EXPECT_NE(answered(session, rpc_result(ids[3], kRequest)).at(0).request, 0U);
  EXPECT_NE(answered(session, rpc_result(ids[4], kRequest)).at(0).request, 0U);
  EXPECT_EQ(session.pending(), 3U);
}

TEST_F(SessionLastingTest, AnAnswerDuringTheQuestionIsTaken) {
  Session session = make({.ask_state = true});
  const auto ids = send_each(session, 2);
  session.on_reconnected();
  const int64_t question = take(session).at(0).msg_id;
  EXPECT_NE(answered(session, rpc_result(ids[0], kRequest)).at(0).request, 0U);
  const Bytes states = {1, 1};
  EXPECT_EQ(answered(session, make_msgs_state_info(question, states)).size(), 1U);
  EXPECT_EQ(constructor_of(take(session).at(0).body), 1U);
}

TEST_F(SessionLastingTest, AServerThatCannotTellGetsNothingTwice) {
  Session session = make({.ask_state = true});
  const auto ids = send_each(session, 3);
  session.on_reconnected();
  std::vector<SessionEvent> events;
  for (int i = 0; i < kSessionStateTriesMax; ++i) {
    const auto question = take(session);
    ASSERT_EQ(question.size(), 1U);
    EXPECT_EQ(question[0].body, make_msgs_state_req(ids));
    pass(kSessionStateWaitNs);
    session.expire(now_, events);
  }
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(take(session).empty());
  EXPECT_EQ(session.pending(), 3U);
  EXPECT_NE(answered(session, rpc_result(ids[1], kRequest)).at(0).request, 0U);
  pass(30 * kNsPerSecond);
  session.expire(now_, events);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].error, Error::kTimeout);
}

TEST_F(SessionLastingTest, AnAnswerOfAnotherLengthIsNone) {
  Session session = make({.ask_state = true});
  const auto ids = send_each(session, 3);
  session.on_reconnected();
  const Bytes states = {1, 1};
  EXPECT_TRUE(answered(session, make_msgs_state_info(take(session).at(0).msg_id, states)).empty());
  EXPECT_EQ(take(session).at(0).body, make_msgs_state_req(ids));
}

TEST_F(SessionLastingTest, AsksForAThousandAtATime) {
  Session session = make({.ask_state = true});
  for (uint32_t i = 0; i < 2500; ++i) ASSERT_TRUE(session.send(numbered(i), {}, now_).ok());
  EXPECT_EQ(take(session).size(), 3U) << "999 messages to a container";
  session.on_reconnected();
  size_t asked = 0;
  for (const ClientMessage& message : take(session)) {
    for (const InboundPart& part : parts_of(message)) {
      EXPECT_EQ(constructor_of(part.body), ctor::kMsgsStateReq);
      const auto ids = read_msg_ids(part.body);
      ASSERT_TRUE(ids.ok());
      EXPECT_LE(ids->size(), kSessionIdsPerRequestMax);
      asked += ids->size();
    }
  }
  EXPECT_EQ(asked, 2500U);
  // Broken off again before any answer: the same once more, and no question piles up.
  session.on_reconnected();
  EXPECT_EQ(session.pending(), 2500U);
}

TEST_F(SessionLastingTest, ADroppedCallThatWasNotSentIsGone) {
  Session session = make();
  const auto kept = session.send(numbered(1), {}, now_);
  const auto dropped = session.send(numbered(2), {}, now_);
  EXPECT_EQ(session.drop(*dropped, now_), Session::Dropped::kUnsent);
  EXPECT_EQ(session.drop(*dropped, now_), Session::Dropped::kUnknown);
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(constructor_of(messages[0].body), 1U);
  EXPECT_EQ(session.pending(), 1U);
  EXPECT_EQ(answered(session, rpc_result(messages[0].msg_id, kRequest)).at(0).request, *kept);
}

TEST_F(SessionLastingTest, ADroppedCallThatWasSentIsToldToTheServerAndItsResultIsSilent) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  EXPECT_EQ(session.drop(*request, now_), Session::Dropped::kSent);
  const ClientMessage drop = take(session).at(0);
  EXPECT_EQ(drop.body, make_rpc_drop_answer(msg_id));
  EXPECT_EQ(drop.seq_no, 2);
  const auto is_settled = [&](const std::vector<SessionEvent>& events) {
    return events.size() == 1 && events[0].kind == SessionEvent::Kind::kSettled &&
           events[0].request == *request;
  };
  EXPECT_TRUE(is_settled(answered(session, rpc_result(msg_id, kRequest), 1)));
  EXPECT_TRUE(is_settled(answered(session, rpc_result(drop.msg_id, numbered(0x5e2ad36e)), 3)));
  EXPECT_EQ(session.pending(), 0U);
  pass(kNsPerSecond);
  EXPECT_EQ(constructor_of(take(session).at(0).body), ctor::kMsgsAck) << "both are acknowledged";
}

TEST_F(SessionLastingTest, WhatWasDroppedIsToldAgainOverANewConnection) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  EXPECT_EQ(session.drop(*request, now_), Session::Dropped::kSent);
  static_cast<void>(take(session));
  session.on_reconnected();
  const ClientMessage drop = take(session).at(0);
  EXPECT_EQ(drop.body, make_rpc_drop_answer(msg_id));
  const auto events = answered(session, rpc_result(drop.msg_id, numbered(0x5e2ad36e)), 1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, SessionEvent::Kind::kSettled);
  EXPECT_EQ(events[0].request, *request);
}

TEST_F(SessionLastingTest, ACallThatWasToGoAgainHasNothingToSettle) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  static_cast<void>(answered(session, bad_salt(msg_id, 5)));
  EXPECT_EQ(session.drop(*request, now_), Session::Dropped::kToldNobody);
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(SessionLastingTest, DroppingWithoutEndIsBounded) {
  Session session = make();
  for (size_t i = 0; i < 4 * kClientPendingMax; ++i) {
    const auto request = session.send(kRequest, {}, now_);
    ASSERT_TRUE(request.ok()) << i;
    static_cast<void>(take(session));
    EXPECT_EQ(session.drop(*request, now_), Session::Dropped::kSent);
    static_cast<void>(take(session));
  }
  EXPECT_EQ(session.pending(), kSessionDropsMax);
  std::vector<SessionEvent> events;
  pass(kSessionServiceWaitNs);
  session.expire(now_, events);
  EXPECT_EQ(events.size(), kSessionDropsMax);
  for (const SessionEvent& event : events) EXPECT_EQ(event.kind, SessionEvent::Kind::kSettled);
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(SessionLastingTest, OrderIsAskedForOnlyWhileTheEarlierOneIsUnanswered) {
  Session session = make({.containers = false});
  const auto first = session.send(numbered(1), {}, now_);
  const auto second = session.send(numbered(2), {.after_request = *first}, now_);
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].body, numbered(1));
  EXPECT_EQ(messages[1].body, after(messages[0].msg_id, numbered(2)));
  static_cast<void>(answered(session, rpc_result(messages[0].msg_id, kRequest)));
  static_cast<void>(session.send(numbered(3), {.after_request = *first}, now_));
  EXPECT_EQ(take(session).at(0).body, numbered(3));
  static_cast<void>(session.send(numbered(4), {.after_request = *second}, now_));
  EXPECT_EQ(take(session).at(0).body, after(messages[1].msg_id, numbered(4)));
}

TEST_F(SessionLastingTest, OrderWithinAContainerAndAgainAfterARefusal) {
  Session session = make();
  const auto first = session.send(numbered(1), {}, now_);
  static_cast<void>(session.send(numbered(2), {.after_request = *first}, now_));
  ClientMessage message = take(session).at(0);
  for (int i = 0; i < 2; ++i) {
    const auto parts = parts_of(message);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_TRUE(equal(parts[1].body, after(parts[0].msg_id, numbered(2))));
    static_cast<void>(answered(session, bad_salt(message.msg_id, i)));
    message = take(session).at(0);
  }
}

TEST_F(SessionLastingTest, OrderWaitsUntilTheStateOfTheEarlierOneIsKnown) {
  for (const uint8_t state : {uint8_t{1}, uint8_t{4}}) {
    Session session = make({.ask_state = true});
    const auto first = session.send(numbered(1), {}, now_);
    const int64_t first_msg_id = take(session).at(0).msg_id;
    session.on_reconnected();
    const auto second = session.send(numbered(2), {.after_request = *first}, now_);
    static_cast<void>(session.send(numbered(3), {.after_request = *second}, now_));
    const auto question = take(session);
    ASSERT_EQ(question.size(), 1U);
    EXPECT_EQ(question[0].body, make_msgs_state_req({&first_msg_id, 1}));
    EXPECT_FALSE(session.wants_to_send(now_)) << "what has to wait does not keep anybody busy";
    static_cast<void>(answered(session, make_msgs_state_info(question[0].msg_id, {&state, 1})));
    const ClientMessage sent = take(session).at(0);
    const auto parts = parts_of(sent);
    ASSERT_EQ(parts.size(), state == 1 ? 3U : 2U);
    const int64_t expected = state == 1 ? parts[0].msg_id : first_msg_id;
    const size_t at = parts.size() - 2;
    EXPECT_TRUE(equal(parts[at].body, after(expected, numbered(2))));
    EXPECT_TRUE(equal(parts[at + 1].body, after(parts[at].msg_id, numbered(3))));
  }
}

TEST_F(SessionLastingTest, AWaitThatFailedAtTheServerIsTriedAgain) {
  Session session = make({.containers = false});
  const auto first = session.send(numbered(1), {}, now_);
  static_cast<void>(session.send(numbered(2), {.after_request = *first}, now_));
  const auto messages = take(session);
  static_cast<void>(answered(session, rpc_result(messages[0].msg_id, kRequest)));
  Bytes error = numbered(ctor::kRpcError);
  ByteAppender out(error);
  out.i32(400);
  mtproto::write_tl_string(out, as_bytes("MSG_WAIT_FAILED"));
  const auto events = answered(session, rpc_result(messages[1].msg_id, error));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kResent);
  const auto again = take(session);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].body, numbered(2));
  // Of one that waited for nothing it is an answer like any other.
  EXPECT_EQ(answered(session, rpc_result(again[0].msg_id, error)).at(0).kind, Kind::kReply);
}

TEST_F(SessionLastingTest, LongRequestsArePackedWhenThatHelps) {
  Session session = make({.containers = false, .gzip_bytes_min = 512});
  const Bytes plain(4000, 0x41);
  Bytes noise(4000);
  crypto::random_bytes(noise);
  ASSERT_TRUE(session.send(plain, {}, now_).ok());
  ASSERT_TRUE(session.send(noise, {}, now_).ok());
  ASSERT_TRUE(session.send(Bytes(512, 0x41), {}, now_).ok());
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(constructor_of(messages[0].body), ctor::kGzipPacked);
  EXPECT_LT(messages[0].body.size(), 200U);
  EXPECT_EQ(*unpack_gzip(messages[0].body, plain.size()), plain);
  EXPECT_EQ(messages[1].body, noise);
  EXPECT_EQ(messages[2].body.size(), 512U);
}

TEST_F(SessionLastingTest, ResultsInPackedContainersInPackedMessages) {
  Session session = make();
  const auto ids = send_each(session, 3);
  const Bytes plain(1000, 7);
  const Bytes twice = rpc_result(ids[0], gzip(gzip(plain)));
  const Bytes packed = gzip(container({twice, rpc_result(ids[1], plain), plain}, 1));
  auto events = answered(session, packed, 1);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].kind, Kind::kReply);
  EXPECT_EQ(events[1].kind, Kind::kReply);
  EXPECT_EQ(events[2].kind, Kind::kPush);
  for (const SessionEvent& event : events) EXPECT_TRUE(equal(event.body, plain));
  events = answered(session, container({gzip(rpc_result(ids[2], gzip(plain)))}, 1));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_NE(events[0].request, 0U);
  EXPECT_TRUE(equal(events[0].body, plain));
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(SessionLastingTest, AResultThatDoesNotUnpackFailsItsCallOnly) {
  Session session = make();
  const auto ids = send_each(session, 3);
  Bytes broken = gzip(Bytes(5000, 1));
  broken[20] ^= 0xff;
  auto events = answered(session, rpc_result(ids[0], broken));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kFailed);
  EXPECT_EQ(events[0].error, Error::kMalformed);
  events = answered(session, rpc_result(ids[1], gzip(Bytes(kClientInflateBytesMax + 1))));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].error, Error::kTooLarge);
  Bytes deep(8, 1);
  for (size_t i = 0; i <= kSessionGzipDepthMax; ++i) deep = gzip(deep);
  events = answered(session, rpc_result(ids[2], deep));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].error, Error::kTooLarge);
  EXPECT_TRUE(answered(session, deep).empty());
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(SessionLastingTest, AFrameOfManyPackedPartsIsUnpackedWithinOneBudget) {
  Session session = make();
  constexpr size_t kFit = kSessionFrameInflateBytesMax / kClientInflateBytesMax;
  const auto ids = send_each(session, kFit + 2);
  const Bytes large = gzip(Bytes(kClientInflateBytesMax));
  std::vector<Bytes> results;
  for (const int64_t id : ids) results.push_back(rpc_result(id, large));
  const auto events = answered(session, container(results, 1));
  ASSERT_EQ(events.size(), kFit + 2);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].kind, i < kFit ? Kind::kReply : Kind::kFailed) << i;
    EXPECT_EQ(events[i].error, i < kFit ? Error::kNone : Error::kTooLarge) << i;
  }
  // The next frame has its own.
  const auto next = send_each(session, 1);
  EXPECT_EQ(answered(session, rpc_result(next[0], large)).at(0).kind, Kind::kReply);
}

TEST_F(SessionLastingTest, AnOversizedResultTakesNoOtherOneWithIt) {
  Session session = make();
  const auto ids = send_each(session, 2);
  const Bytes large = gzip(Bytes(kClientInflateBytesMax + 1));
  const auto events = answered(
      session, container({rpc_result(ids[0], large), rpc_result(ids[1], gzip(Bytes(100)))}, 1));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].error, Error::kTooLarge);
  EXPECT_EQ(events[1].kind, Kind::kReply);
}

TEST_F(SessionLastingTest, AResultThatNobodyWaitsForIsNotUnpacked) {
  Session session = make();
  const auto events = answered(session, rpc_result(400, gzip(Bytes(4000))));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].request, 0U);
  EXPECT_EQ(constructor_of(events[0].body), ctor::kGzipPacked);
}

TEST_F(SessionLastingTest, TheFirstOfTwoResultsCountsAndBothAreAcknowledged) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  EXPECT_EQ(answered(session, rpc_result(msg_id, kRequest), 1).at(0).request, *request);
  // The server's acknowledgement of the request comes after its result.
  Bytes ack = make_msgs_ack({&msg_id, 1});
  EXPECT_TRUE(answered(session, ack).empty());
  EXPECT_EQ(answered(session, rpc_result(msg_id, kRequest), 3).at(0).request, 0U);
  pass(kNsPerSecond);
  const auto acks = read_msg_ids(take(session).at(0).body);
  ASSERT_TRUE(acks.ok());
  EXPECT_EQ(acks->size(), 2U);
}

TEST_F(SessionLastingTest, AcksGoAtSixteenOrAfterFifteenSecondsOrWithARequest) {
  SessionOptions options = SessionOptions::lasting();
  options.fetch_salts = false;
  Session session = make(options);
  for (int i = 0; i < 15; ++i) static_cast<void>(answered(session, kRequest, 1));
  EXPECT_FALSE(session.wants_to_send(now_));
  static_cast<void>(answered(session, kRequest, 1));
  EXPECT_TRUE(session.wants_to_send(now_));
  EXPECT_EQ(read_msg_ids(take(session).at(0).body)->size(), 16U);
  static_cast<void>(answered(session, kRequest, 1));
  pass(15 * kNsPerSecond - 1);
  EXPECT_TRUE(take(session).empty());
  pass(1);
  EXPECT_EQ(take(session).size(), 1U);
  static_cast<void>(answered(session, kRequest, 1));
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const ClientMessage pair = take(session).at(0);
  EXPECT_EQ(parts_of(pair).size(), 2U);
  // However many are owed, one msgs_ack holds no more than the protocol lets it.
  std::vector<SessionEvent> events;
  for (size_t i = 0; i < kClientAcksMax + 10; ++i) {
    ASSERT_TRUE(answer(session, kRequest, events, 1).ok());
  }
  EXPECT_EQ(read_msg_ids(take(session).at(0).body)->size(), kClientAcksMax);
}

}  // namespace
}  // namespace ringway::client
