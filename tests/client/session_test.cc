// The session as it numbers, packs, matches and times out. What is particular about a client that
// stays is in session_lasting_test.cc, what the server says about messages in
// session_service_test.cc.
#include <zlib.h>

#include "base/limits.h"
#include "client/session_bench.h"
#include "mtproto/inflate.h"

namespace ringway::client {
namespace {

using SessionTest = SessionBench;

TEST_F(SessionTest, NumbersMessagesAsAClientMust) {
  Session session = make({.containers = false});
  RequestOptions ping;
  ping.content_related = false;
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  ASSERT_TRUE(session.send(make_ping(1), ping, now_).ok());
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].seq_no, 1);
  EXPECT_EQ(messages[1].seq_no, 2);
  EXPECT_EQ(messages[2].seq_no, 3);
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].msg_id % 4, 0);
    EXPECT_EQ(messages[i].msg_id >> 32, now_.unix_seconds());
    EXPECT_EQ(messages[i].salt, 1111);
    EXPECT_EQ(messages[i].session_id, session.session_id());
    if (i > 0) {
      EXPECT_GT(messages[i].msg_id, messages[i - 1].msg_id);
    }
  }
  // A quarter of a second is a quarter of the lower half.
  EXPECT_EQ(static_cast<uint32_t>(messages[0].msg_id), 0x4000'0000U);
  EXPECT_EQ(messages[0].body, kRequest);
}

TEST_F(SessionTest, FollowsTheServersClock) {
  key_.time_offset_ns = -3600 * kNsPerSecond;
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  EXPECT_EQ(take(session).at(0).msg_id >> 32, now_.unix_seconds() - 3600);
}

TEST_F(SessionTest, MatchesReplyWithRequest) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  const auto events = answered(session, rpc_result(msg_id, kRequest), 1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kReply);
  EXPECT_EQ(events[0].request, *request);
  EXPECT_EQ(events[0].started_ns, now_.mono_ns);
  EXPECT_TRUE(equal(events[0].body, kRequest));
  EXPECT_EQ(session.pending(), 0U);
  // A second reply to it is nobody's.
  const auto again = answered(session, rpc_result(msg_id, kRequest), 3);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].request, 0U);
}

TEST_F(SessionTest, UnpacksGzippedReply) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t msg_id = take(session).at(0).msg_id;
  const Bytes plain(10'000, 0x41);
  Bytes packed(compressBound(plain.size()));
  uLongf packed_bytes = packed.size();
  ASSERT_EQ(compress(packed.data(), &packed_bytes, plain.data(), plain.size()), Z_OK);
  packed.resize(packed_bytes);
  Bytes gzip = object({}, ctor::kGzipPacked);
  ByteAppender out(gzip);
  mtproto::write_tl_string(out, packed);
  auto events = answered(session, rpc_result(msg_id, gzip), 1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(equal(events[0].body, plain));
  // The body stays good when the event is moved.
  const SessionEvent moved = std::move(events[0]);
  EXPECT_TRUE(equal(moved.body, plain));
  EXPECT_EQ(mtproto::inflate_gzip(packed, plain.size() - 1).error(), Error::kTooLarge);
  packed.resize(packed.size() / 2);
  EXPECT_EQ(mtproto::inflate_gzip(packed, 1 << 20).error(), Error::kMalformed);
}

TEST_F(SessionTest, PongAnswersPing) {
  Session session = make();
  const auto request = session.send(make_ping(77), {.content_related = false}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  const auto events = answered(session, object({msg_id, 77}, ctor::kPong));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kPong);
  EXPECT_EQ(events[0].request, *request);
  EXPECT_EQ(read_pong(events[0].body)->ping_id, 77);
}

TEST_F(SessionTest, WrongSaltIsLearntAndTheMessageSentAgain) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const ClientMessage first = take(session).at(0);
  const auto events = answered(session, bad_salt(first.msg_id, 2222));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kResent);
  EXPECT_EQ(events[0].bad_msg_code, 48);
  EXPECT_EQ(session.salt(), 2222);
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].salt, 2222);
  EXPECT_EQ(messages[0].body, kRequest);
  EXPECT_GT(messages[0].msg_id, first.msg_id);
  const auto reply = answered(session, rpc_result(messages[0].msg_id, kRequest));
  ASSERT_EQ(reply.size(), 1U);
  EXPECT_EQ(reply[0].request, *request);
}

TEST_F(SessionTest, WrongSaltOfAContainerSendsAllOfItAgain) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  ASSERT_TRUE(session.send(make_ping(1), {.content_related = false}, now_).ok());
  const ClientMessage container = take(session).at(0);
  EXPECT_EQ(constructor_of(container.body), ctor::kMsgContainer);
  EXPECT_EQ(answered(session, bad_salt(container.msg_id, 9)).size(), 2U);
  std::vector<InboundPart> parts;
  const ClientMessage again = take(session).at(0);
  ASSERT_TRUE(split_message({again.msg_id, again.seq_no, again.body}, parts).ok());
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_TRUE(equal(parts[0].body, kRequest));
}

TEST_F(SessionTest, GivesUpAfterTooManyResends) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  for (int i = 0; i < kClientResendsMax; ++i) {
    const auto messages = take(session);
    ASSERT_EQ(messages.size(), 1U);
    ASSERT_EQ(answered(session, bad_salt(messages[0].msg_id, i)).at(0).kind, Kind::kResent);
  }
  const auto events = answered(session, bad_salt(take(session).at(0).msg_id, 1));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kFailed);
  EXPECT_EQ(events[0].request, *request);
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(SessionTest, ContainerHoldsAcksAndRequestsWithLowerIds) {
  Session session = make();
  const Bytes update = {9, 9, 9, 9};
  const auto push = answered(session, update, 5);
  ASSERT_EQ(push.size(), 1U);
  EXPECT_EQ(push[0].kind, Kind::kPush);
  const int64_t pushed_id = (now_.unix_ns / kNsPerSecond << 32) + 4 * server_count_ + 1;
  EXPECT_FALSE(session.wants_to_send(now_));  // the ack waits for a message to ride on
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  std::vector<InboundPart> parts;
  ASSERT_TRUE(
      split_message({messages[0].msg_id, messages[0].seq_no, messages[0].body}, parts).ok());
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_TRUE(equal(parts[0].body, make_msgs_ack({&pushed_id, 1})));
  EXPECT_EQ(parts[0].seq_no, 0);
  EXPECT_EQ(parts[1].seq_no, 1);
  EXPECT_EQ(messages[0].seq_no, 2);
  EXPECT_LT(parts[0].msg_id, parts[1].msg_id);
  EXPECT_LT(parts[1].msg_id, messages[0].msg_id);
}

TEST_F(SessionTest, AcksGoAloneWhenTheirTimeHasCome) {
  Session session = make();
  static_cast<void>(answered(session, kRequest, 1));
  EXPECT_TRUE(take(session).empty());
  ASSERT_TRUE(session.next_deadline_ns().has_value());
  now_.mono_ns = *session.next_deadline_ns();
  EXPECT_TRUE(session.wants_to_send(now_));
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(constructor_of(messages[0].body), ctor::kMsgsAck);
  EXPECT_EQ(messages[0].seq_no, 0);
  EXPECT_TRUE(take(session).empty());
}

TEST_F(SessionTest, RepeatedServerMessageIsAckedAndNotHandledTwice) {
  Session session = make();
  const int64_t msg_id = server_msg_id();
  std::vector<SessionEvent> events;
  for (int i = 0; i < 2; ++i) {
    Bytes frame = seal_from_server(session.session_id(), msg_id, 1, kRequest);
    ASSERT_TRUE(session.receive(frame, now_, events).ok());
    events.clear();
    now_.mono_ns += kNsPerSecond;
    EXPECT_EQ(take(session).size(), 1U) << "ack number " << i;
  }
  EXPECT_EQ(session.counts().repeats_ignored, 1U);
}

TEST_F(SessionTest, ForgetsOldIdsButNeverTakesThemAgain) {
  Session session = make();
  std::vector<SessionEvent> events;
  const int64_t oldest = server_msg_id();
  Bytes first = seal_from_server(session.session_id(), oldest, 0, kRequest);
  ASSERT_TRUE(session.receive(first, now_, events).ok());
  for (size_t i = 0; i < kClientReceivedIdsMax; ++i) {
    ASSERT_TRUE(answer(session, kRequest, events).ok());
  }
  EXPECT_EQ(events.size(), kClientReceivedIdsMax + 1);
  first = seal_from_server(session.session_id(), oldest, 0, kRequest);
  ASSERT_TRUE(session.receive(first, now_, events).ok());
  EXPECT_EQ(events.size(), kClientReceivedIdsMax + 1);
}

TEST_F(SessionTest, QuickAckEndsARequestWithoutReply) {
  Session session = make();
  const auto request =
      session.send(make_padded_ack(128),
                   {.content_related = false, .expect_reply = false, .quick_ack = true}, now_);
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  std::vector<SessionEvent> events;
  EXPECT_FALSE(session.on_quick_ack(messages[0].quick_ack_token ^ 1, events));
  EXPECT_TRUE(session.on_quick_ack(messages[0].quick_ack_token, events));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kQuickAck);
  EXPECT_EQ(events[0].request, *request);
  EXPECT_EQ(session.pending(), 0U);
  EXPECT_FALSE(session.on_quick_ack(messages[0].quick_ack_token, events));
}

TEST_F(SessionTest, QuickAckComesBeforeTheReply) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {.quick_ack = true}, now_).ok());
  ASSERT_TRUE(session.send(kRequest, {.quick_ack = true}, now_).ok());
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 2U) << "each quick-acked message has a frame of its own";
  std::vector<SessionEvent> events;
  EXPECT_TRUE(session.on_quick_ack(messages[1].quick_ack_token, events));
  EXPECT_EQ(session.pending(), 2U);
  EXPECT_EQ(answered(session, rpc_result(messages[1].msg_id, kRequest)).at(0).kind, Kind::kReply);
  EXPECT_EQ(session.pending(), 1U);
}

TEST_F(SessionTest, RequestsTimeOut) {
  Session session = make();
  const auto late = session.send(kRequest, {.timeout_ns = 100}, now_);
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  static_cast<void>(take(session));
  std::vector<SessionEvent> events;
  session.expire(now_, events);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(session.next_deadline_ns(), now_.mono_ns + 100);
  now_.mono_ns += 100;
  session.expire(now_, events);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kFailed);
  EXPECT_EQ(events[0].error, Error::kTimeout);
  EXPECT_EQ(events[0].request, *late);
  EXPECT_EQ(session.pending(), 1U);
  EXPECT_EQ(session.next_deadline_ns(), now_.mono_ns - 100 + 30 * kNsPerSecond);
}

TEST_F(SessionTest, NewSessionTakesSaltAndSendsForgottenAgain) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t lost = take(session).at(0).msg_id;
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t first = take(session).at(0).msg_id;
  const auto events = answered(session, object({first, 5, 3333}, ctor::kNewSessionCreated), 1);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, Kind::kNewSession);
  EXPECT_EQ(events[1].kind, Kind::kResent);
  EXPECT_EQ(session.salt(), 3333);
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_NE(messages[0].msg_id, lost);
}

TEST_F(SessionTest, LowClockIsCorrectedWithinTheSession) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const ClientMessage first = take(session).at(0);
  now_.unix_ns += 1000 * kNsPerSecond;  // the server's clock
  const Bytes notice = bad_msg(first.msg_id, 16);
  Bytes frame = seal_from_server(session.session_id(), server_msg_id(), 0, notice);
  now_.unix_ns -= 1000 * kNsPerSecond;
  std::vector<SessionEvent> events;
  ASSERT_TRUE(session.receive(frame, now_, events).ok());
  const ClientMessage again = take(session).at(0);
  EXPECT_NEAR(static_cast<double>((again.msg_id >> 32) - (first.msg_id >> 32)), 1000, 1);
  EXPECT_EQ(again.session_id, first.session_id);
}

TEST_F(SessionTest, HighClockAndLostCountBeginANewSession) {
  for (const int32_t code : {17, 32, 33}) {
    Session session = make();
    ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
    const ClientMessage first = take(session).at(0);
    std::vector<SessionEvent> events;
    ASSERT_TRUE(answer(session, bad_msg(first.msg_id, code), events).ok());
    const ClientMessage again = take(session).at(0);
    EXPECT_NE(again.session_id, first.session_id);
    EXPECT_EQ(again.seq_no, 1);
    // Late words for the old session are passed over.
    Bytes late = seal_from_server(first.session_id, server_msg_id(), 0, kRequest);
    events.clear();
    EXPECT_TRUE(session.receive(late, now_, events).ok());
    EXPECT_TRUE(events.empty());
  }
}

TEST_F(SessionTest, UnknownNotificationsFailTheRequest) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const auto events = answered(session, bad_msg(take(session).at(0).msg_id, 99));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kFailed);
  EXPECT_EQ(events[0].request, *request);
  EXPECT_EQ(events[0].bad_msg_code, 99);
}

TEST_F(SessionTest, AsksForAnAnswerThatWasOnlyAnnounced) {
  Session session = make();
  Bytes info = object({4, 4 * 1000 + 1}, ctor::kMsgDetailedInfo);
  info.resize(info.size() + 8);
  static_cast<void>(answered(session, info));
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  const int64_t wanted = 4 * 1000 + 1;
  EXPECT_EQ(messages[0].body, make_msg_resend_req({&wanted, 1}));
}

TEST_F(SessionTest, ServiceAnswersFindTheirRequest) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const int64_t msg_id = take(session).at(0).msg_id;
  const auto events = answered(session, object({msg_id, 0, 0}, ctor::kFutureSalts));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kService);
  EXPECT_EQ(events[0].request, *request);
}

TEST_F(SessionTest, RefusesWhatIsNotTheServers) {
  Session session = make();
  std::vector<SessionEvent> events;
  Bytes flipped = seal_from_server(session.session_id(), server_msg_id(), 0, kRequest);
  flipped[30] ^= 1;
  EXPECT_EQ(session.receive(flipped, now_, events).error(), Error::kBadMsgKey);
  // Our own message reflected at us is not the server's.
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  Bytes reflected = session.seal(now_).front().bytes;
  EXPECT_EQ(session.receive(reflected, now_, events).error(), Error::kBadMsgKey);
  EXPECT_TRUE(events.empty());
}

TEST_F(SessionTest, RefusesBrokenContainers) {
  const auto container = [](uint32_t count, uint32_t bytes, uint32_t inner) {
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kMsgContainer);
    out.u32(count);
    out.i64(5);
    out.i32(0);
    out.u32(bytes);
    out.u32(inner);
    return body;
  };
  std::vector<InboundPart> parts;
  EXPECT_TRUE(split_message({1, 0, container(1, 4, 7)}, parts).ok());
  EXPECT_EQ(parts.size(), 1U);
  EXPECT_FALSE(split_message({1, 0, container(2, 4, 7)}, parts).ok());
  EXPECT_FALSE(split_message({1, 0, container(0x8000'0000, 4, 7)}, parts).ok());
  EXPECT_FALSE(split_message({1, 0, container(1, 5, 7)}, parts).ok());
  EXPECT_FALSE(split_message({1, 0, container(1, 4, ctor::kMsgContainer)}, parts).ok());
  EXPECT_EQ(parts.size(), 1U);
}

TEST_F(SessionTest, ManyRequestsAreSplitOverContainers) {
  Session session = make();
  const Bytes big(kClientContainerBytesMax / 4, 1);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(session.send(big, {}, now_).ok());
  size_t parts_seen = 0;
  for (const ClientMessage& message : take(session)) {
    std::vector<InboundPart> parts;
    ASSERT_TRUE(split_message({message.msg_id, 0, message.body}, parts).ok());
    parts_seen += parts.size();
    EXPECT_LE(message.body.size(), kClientContainerBytesMax + 64);
  }
  EXPECT_EQ(parts_seen, 7U);
}

TEST_F(SessionTest, QueueIsBounded) {
  Session session = make();
  for (size_t i = 0; i < kClientPendingMax; ++i) {
    ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  }
  EXPECT_EQ(session.send(kRequest, {}, now_).error(), Error::kFull);
}

TEST_F(SessionTest, RefusesWhatIsNoTlObject) {
  Session session = make();
  EXPECT_EQ(session.send({}, {}, now_).error(), Error::kInvalidArgument);
  EXPECT_EQ(session.send(Bytes(5), {}, now_).error(), Error::kInvalidArgument);
}

TEST_F(SessionTest, ReconnectionSendsAgainInOrder) {
  Session session = make({.containers = false});
  for (uint8_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(session.send(Bytes{i, 0, 0, 0}, {}, now_).ok());
  }
  static_cast<void>(take(session));
  ASSERT_TRUE(session.send(Bytes{3, 0, 0, 0}, {}, now_).ok());
  session.on_reconnected();
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 4U);
  for (uint8_t i = 0; i < 4; ++i) EXPECT_EQ(messages[i].body[0], i);
}

TEST(Objects, PaddedAckHasTheSizeAskedFor) {
  for (const size_t bytes : {0UL, 16UL, 20UL, 128UL, 132UL, 4096UL}) {
    const Bytes object = make_padded_ack(bytes);
    EXPECT_GE(object.size(), bytes);
    EXPECT_LT(object.size(), std::max<size_t>(bytes, 20) + 8);
    EXPECT_EQ(constructor_of(object), ctor::kMsgsAck);
  }
}

TEST(Objects, EchoCarriesItsIdAndSize) {
  const Bytes object = make_echo(0x1122334455667788, 130);
  EXPECT_EQ(object.size(), 132U);
  EXPECT_EQ(constructor_of(object), constructor::kEcho);
  EXPECT_EQ(load_le<int64_t>(object.data() + 4), 0x1122334455667788);
  EXPECT_EQ(make_echo(1, 0).size(), 12U);
}

TEST(Objects, ReadsRpcErrors) {
  Bytes object;
  ByteAppender out(object);
  out.u32(ctor::kRpcError);
  out.i32(400);
  mtproto::write_tl_string(out, as_bytes("METHOD_NOT_IMPLEMENTED"));
  const auto error = read_rpc_error(object);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, 400);
  EXPECT_EQ(error->message, "METHOD_NOT_IMPLEMENTED");
  EXPECT_FALSE(read_rpc_error(kRequest).has_value());
}

TEST(Objects, ConfigSummaryKnowsTheThreeForms) {
  for (const uint32_t id :
       {constructor::kConfigLayer144, constructor::kConfigLayer146, constructor::kConfigLayer154}) {
    Bytes object;
    ByteAppender out(object);
    for (const uint32_t word : {id, 0U, 100U, 200U, 0xbc799737U, 2U}) out.u32(word);
    const auto summary = read_config_summary(object);
    ASSERT_TRUE(summary.ok());
    EXPECT_EQ(summary->date, 100);
    EXPECT_EQ(summary->this_dc, 2);
    object.resize(20);
    EXPECT_EQ(read_config_summary(object).error(), Error::kTruncated);
  }
  EXPECT_EQ(read_config_summary(kRequest).error(), Error::kMalformed);
}

}  // namespace
}  // namespace ringway::client
