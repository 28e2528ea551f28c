// The service layer: msg_id, seq_no, salts, sessions, pings, acknowledgements, and sending again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "service_bench.h"

namespace ringway::shard {
namespace {

namespace mt = mtproto::constructor;

void expect_bad_message(const std::vector<Answer>& answers, int64_t msg_id, int32_t seq_no,
                        int32_t code) {
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, code == 48 ? mt::kBadServerSalt : mt::kBadMsgNotification);
  ByteReader in = answers[0].reader();
  EXPECT_EQ(*in.i64(), msg_id);
  EXPECT_EQ(*in.i32(), seq_no);
  EXPECT_EQ(*in.i32(), code);
}

TEST(Service, FirstMessageAnnouncesTheSessionThenAnswers) {
  ServiceBench bench;
  const int64_t id = bench.new_id();
  const auto answers = bench.send(id, 0, ping(42));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].constructor, mt::kNewSessionCreated);
  EXPECT_EQ(answers[0].seq_no, 1);
  EXPECT_EQ(answers[0].msg_id & 3, 3);
  ByteReader session = answers[0].reader();
  EXPECT_EQ(*session.i64(), id);
  EXPECT_NE(*session.i64(), 0);
  EXPECT_EQ(*session.i64(), bench.salt());
  EXPECT_EQ(answers[1].constructor, mt::kPong);
  EXPECT_EQ(answers[1].seq_no, 2);
  EXPECT_EQ(answers[1].msg_id & 3, 1);
  ByteReader pong = answers[1].reader();
  EXPECT_EQ(*pong.i64(), id);
  EXPECT_EQ(*pong.i64(), 42);
  EXPECT_EQ(bench.sent_salt(), bench.salt());
  EXPECT_EQ(bench.last().msg_id, id);
}

TEST(Service, ServerIdsRiseWithinOneInstantAndFollowTheClock) {
  ServiceBench bench;
  bench.settle();
  int64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const auto answers = bench.tell(ping(i));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_GT(answers[0].msg_id, last);
    last = answers[0].msg_id;
  }
  bench.now.unix_ns += 10 * kNsPerSecond;
  EXPECT_EQ(bench.tell(ping(1))[0].msg_id >> 32, kStartSeconds + 10);
}

TEST(Service, PingDelayDisconnectIsAPing) {
  ServiceBench bench;
  bench.settle();
  const auto answers = bench.tell(Tl(mt::kPingDelayDisconnect).i64(9).i32(75));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, mt::kPong);
}

TEST(Service, MsgIdOutsideTheWindowIsRefused) {
  ServiceBench bench;
  const int64_t old = bench.old_id(kShardMsgAgeMaxSeconds + 1);
  expect_bad_message(bench.send(old, 0, ping(1)), old, 0, 16);
  const int64_t ahead = bench.old_id(-kShardMsgAheadMaxSeconds - 1);
  expect_bad_message(bench.send(ahead, 0, ping(1)), ahead, 0, 17);
  for (const int64_t bits : {1, 2, 3}) {
    const int64_t id = bench.new_id() + bits;
    expect_bad_message(bench.send(id, 0, ping(1)), id, 0, 18);
  }
  EXPECT_EQ(bench.session().unique_id, 0) << "a refused message starts no session";
  EXPECT_EQ(bench.send(bench.old_id(kShardMsgAgeMaxSeconds), 0, ping(1)).size(), 2u);
  EXPECT_EQ(bench.send(bench.old_id(-kShardMsgAheadMaxSeconds), 0, ping(1)).size(), 1u);
}

TEST(Service, WrongSaltIsAnsweredWithTheRightOne) {
  ServiceBench bench;
  const int64_t id = bench.new_id();
  const auto answers = bench.send(id, 0, ping(1), bench.salt() + 1);
  expect_bad_message(answers, id, 0, 48);
  ByteReader in = answers[0].reader();
  ASSERT_TRUE(in.skip(16).ok());
  EXPECT_EQ(*in.i64(), bench.salt());
  EXPECT_EQ(bench.send(id, 0, ping(1)).size(), 2u) << "the same message with the right salt is new";
}

TEST(Service, SaltsOverlapWhenTheyChange) {
  ServiceBench bench;
  const int64_t salt = bench.salt();
  bench.now.unix_ns += kSaltPeriodSeconds * kNsPerSecond;
  ASSERT_NE(bench.salt(), salt);
  EXPECT_EQ(bench.send(bench.new_id(), 0, ping(1), salt)[1].constructor, mt::kPong);
  bench.now.unix_ns += kSaltPeriodSeconds * kNsPerSecond;
  const int64_t id = bench.new_id();
  expect_bad_message(bench.send(id, 0, ping(1), salt), id, 0, 48);
}

TEST(Service, RepeatedQueryGetsTheSameAnswerAgainUntilAcknowledged) {
  ServiceBench bench;
  bench.settle();
  const int64_t id = bench.new_id();
  const int32_t seq_no = bench.content();
  const auto first = bench.send(id, seq_no, get_config());
  ASSERT_EQ(first.size(), 1u);
  const auto again = bench.send(id, seq_no, get_config());
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].msg_id, first[0].msg_id);
  EXPECT_EQ(again[0].seq_no, first[0].seq_no);
  EXPECT_EQ(again[0].body, first[0].body);
  bench.tell(Tl(mt::kMsgsAck).ids({first[0].msg_id}));
  const auto acknowledged = bench.send(id, seq_no, get_config());
  ASSERT_EQ(acknowledged.size(), 1u);
  EXPECT_EQ(acknowledged[0].constructor, mt::kMsgsAck);
  ByteReader in = acknowledged[0].reader();
  EXPECT_EQ(*in.u32(), mt::kVector);
  EXPECT_EQ(*in.u32(), 1u);
  EXPECT_EQ(*in.i64(), id);
}

TEST(Service, RepeatedPingIsDropped) {
  ServiceBench bench;
  bench.settle();
  const int64_t id = bench.new_id();
  EXPECT_EQ(bench.send(id, 0, ping(1)).size(), 1u);
  EXPECT_EQ(bench.send(id, 0, ping(1)).size(), 0u);
}

TEST(Service, IdBelowAllThatIsRememberedIsTooOldToTell) {
  ServiceBench bench;
  const int64_t missed = bench.new_id();
  for (size_t i = 0; i < kShardRecentIdsMax + 1; ++i) bench.tell(ping(1));
  expect_bad_message(bench.send(missed, 0, ping(1)), missed, 0, 20);
}

TEST(Service, SeqNoRules) {
  ServiceBench bench;
  bench.settle();
  const int64_t early = bench.new_id();
  const int64_t middle = bench.new_id();
  EXPECT_EQ(bench.send(bench.new_id(), 5, get_config())[0].constructor, mt::kRpcResult);
  int64_t id = bench.new_id();
  expect_bad_message(bench.send(id, 5, get_config()), id, 5, 32);
  expect_bad_message(bench.send(middle, 7, get_config()), middle, 7, 33);
  EXPECT_EQ(bench.send(early, 3, get_config())[0].constructor, mt::kRpcResult)
      << "late, but in order";
  id = bench.new_id();
  expect_bad_message(bench.send(id, 7, Tl(mt::kMsgsAck).ids({1})), id, 7, 34);
  id = bench.new_id();
  expect_bad_message(bench.send(id, 6, get_config()), id, 6, 35);
}

TEST(Service, PingsMayCarryEitherKindOfSeqNo) {
  ServiceBench bench;
  bench.settle();
  EXPECT_EQ(bench.send(bench.new_id(), 3, ping(1))[0].constructor, mt::kPong);
  EXPECT_EQ(bench.send(bench.new_id(), 4, ping(1))[0].constructor, mt::kPong);
}

TEST(Service, AConnectionNewToItsGatewayResetsTheSessionAndSendsAgain) {
  ServiceBench bench;
  bench.settle();
  const auto answer = bench.query(get_config());
  const int64_t unique_id = bench.session().unique_id;
  bench.first_on_gateway = true;
  const auto answers = bench.send(bench.new_id(), 1, get_config());
  ASSERT_EQ(answers.size(), 3u) << "seq_no starts anew as well";
  EXPECT_EQ(answers[0].constructor, mt::kNewSessionCreated);
  EXPECT_EQ(answers[1].constructor, mt::kRpcResult);
  EXPECT_EQ(answers[2].msg_id, answer[0].msg_id);
  EXPECT_NE(bench.session().unique_id, unique_id);
}

TEST(Service, ARepeatThatClaimsToBeNewResetsNothing) {
  ServiceBench bench;
  const int64_t id = bench.new_id();
  bench.send(id, 0, ping(1));
  const int64_t unique_id = bench.session().unique_id;
  bench.first_on_gateway = true;
  EXPECT_EQ(bench.send(id, 0, ping(1)).size(), 0u);
  EXPECT_EQ(bench.session().unique_id, unique_id);
}

TEST(Service, AFailedPushIsSentAgainOnce) {
  ServiceBench bench;
  bench.settle();
  const auto lost = bench.query(get_config());
  bench.session().undelivered = true;
  const auto answers = bench.tell(ping(5));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].constructor, mt::kPong);
  EXPECT_EQ(answers[1].msg_id, lost[0].msg_id);
  EXPECT_EQ(bench.tell(ping(6)).size(), 1u);
}

TEST(Service, UnacknowledgedAnswersAreBounded) {
  ServiceBench bench;
  bench.settle();
  for (size_t i = 0; i < kShardUnackedMax * 3; ++i) {
    bench.query(get_config());
    ASSERT_LE(bench.session().unacked.size(), kShardUnackedMax);
  }
  size_t bytes = 0;
  for (const auto& kept : bench.session().unacked) bytes += kept.body.size();
  EXPECT_EQ(bytes, bench.session().unacked_bytes);
}

TEST(Service, StateOfMessages) {
  ServiceBench bench;
  bench.settle();
  const int64_t known = bench.new_id();
  const int64_t unknown = bench.new_id();
  bench.send(known, 0, ping(1));
  const int64_t id = bench.new_id();
  const auto answers =
      bench.send(id, 0, Tl(constructor::kMsgsStateReq).ids({known, unknown, id + 4000}));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, constructor::kMsgsStateInfo);
  ByteReader in = answers[0].reader();
  EXPECT_EQ(*in.i64(), id);
  const ByteView info = *mtproto::read_tl_string(in);
  EXPECT_EQ(Bytes(info.begin(), info.end()), (Bytes{4, 2, 3}));
}

TEST(Service, ResendRequestByAnswerAndByQuestion) {
  ServiceBench bench;
  bench.settle();
  const int64_t question = bench.new_id();
  const auto answer = bench.send(question, bench.content(), get_config());
  auto again = bench.tell(Tl(constructor::kMsgResendReq).ids({answer[0].msg_id, answer[0].msg_id}));
  ASSERT_EQ(again.size(), 1u) << "once, however often it was asked for";
  EXPECT_EQ(again[0].msg_id, answer[0].msg_id);
  again = bench.tell(Tl(constructor::kMsgResendAnsReq).ids({question}));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].msg_id, answer[0].msg_id);
  again = bench.tell(Tl(constructor::kMsgResendReq).ids({12345}));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].constructor, constructor::kMsgsStateInfo);
}

TEST(Service, FutureSaltsAreTheOnesAcceptedLater) {
  ServiceBench bench;
  bench.settle();
  const int64_t id = bench.new_id();
  const auto answers = bench.send(id, 0, Tl(constructor::kGetFutureSalts).i32(3));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, constructor::kFutureSalts);
  ByteReader in = answers[0].reader();
  EXPECT_EQ(*in.i64(), id);
  EXPECT_EQ(*in.i32(), kStartSeconds);
  ASSERT_EQ(*in.u32(), 3u);
  for (int i = 0; i < 3; ++i) {
    const int32_t since = *in.i32();
    EXPECT_GT(*in.i32(), since);
    const int64_t salt = *in.i64();
    EXPECT_EQ(bench.salt(), salt);
    bench.now.unix_ns += kSaltPeriodSeconds * kNsPerSecond;
  }
  EXPECT_TRUE(in.empty());
}

TEST(Service, FutureSaltsAreBounded) {
  ServiceBench bench;
  bench.settle();
  for (const int32_t wanted : {INT32_MAX, INT32_MIN, 0}) {
    const auto answers = bench.tell(Tl(constructor::kGetFutureSalts).i32(wanted));
    ASSERT_EQ(answers.size(), 1u);
    ByteReader in = answers[0].reader();
    ASSERT_TRUE(in.skip(12).ok());
    EXPECT_EQ(*in.u32(), wanted > 0 ? kShardFutureSaltsMax : 1u);
  }
}

TEST(Service, DestroySessionTellsWhetherItWasThere) {
  ServiceBench bench;
  bench.settle();
  bench.add_session(2002);
  auto answers = bench.tell(Tl(constructor::kDestroySession).i64(2002));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, constructor::kDestroySessionOk);
  EXPECT_EQ(*answers[0].reader().i64(), 2002);
  EXPECT_THAT(bench.last().destroyed_sessions, testing::ElementsAre(2002));
  for (const int64_t id : {int64_t{3003}, bench.session().session_id}) {
    answers = bench.tell(Tl(constructor::kDestroySession).i64(id));
    EXPECT_EQ(answers[0].constructor, constructor::kDestroySessionNone);
    EXPECT_TRUE(bench.last().destroyed_sessions.empty());
  }
}

TEST(Service, DestroyAuthKeySaysOk) {
  ServiceBench bench;
  bench.settle();
  const auto answers = bench.query(Tl(constructor::kDestroyAuthKey));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, constructor::kDestroyAuthKeyOk);
}

TEST(Service, DropAnswerForgetsAKeptAnswer) {
  ServiceBench bench;
  bench.settle();
  const int64_t question = bench.new_id();
  const auto answer = bench.send(question, bench.content(), get_config());
  auto answers = bench.query(Tl(constructor::kRpcDropAnswer).i64(question));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, mt::kRpcResult);
  ByteReader in = answers[0].reader();
  ASSERT_TRUE(in.skip(8).ok());
  EXPECT_EQ(*in.u32(), constructor::kRpcAnswerDropped);
  EXPECT_EQ(*in.i64(), answer[0].msg_id);
  EXPECT_EQ(*in.i32(), answer[0].seq_no);
  EXPECT_EQ(*in.i32(), static_cast<int32_t>(answer[0].body.size() + 4));
  answers = bench.query(Tl(constructor::kRpcDropAnswer).i64(question));
  in = answers[0].reader();
  ASSERT_TRUE(in.skip(8).ok());
  EXPECT_EQ(*in.u32(), constructor::kRpcAnswerUnknown);
}

TEST(Service, HttpWaitIsBoundedAndHasNoAnswer) {
  ServiceBench bench;
  bench.settle();
  EXPECT_TRUE(bench.tell(Tl(constructor::kHttpWait).i32(0).i32(0).i32(25000)).empty());
  EXPECT_EQ(bench.last().http_wait.wait_max, kShardHttpWaitMaxMs);
  EXPECT_TRUE(bench.tell(Tl(constructor::kHttpWait).i32(0).i32(0).i32(-5)).empty());
  EXPECT_EQ(bench.last().http_wait.wait_max, 0);
}

TEST(Service, MessagesThatTellSomethingAreIgnoredOrAcknowledged) {
  ServiceBench bench;
  bench.settle();
  EXPECT_TRUE(bench.tell(Tl(constructor::kMsgsAllInfo).ids({1}).text("x")).empty());
  EXPECT_TRUE(bench.tell(Tl(constructor::kMsgNewDetailedInfo).i64(1).i32(2).i32(0)).empty());
  const auto answers = bench.query(Tl(constructor::kMsgDetailedInfo).i64(1).i64(2).i32(3).i32(0));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, mt::kMsgsAck);
}

TEST(Service, PushEchoComesBackAsItWent) {
  ServiceBench off;
  off.settle();
  const Bytes message = Tl(constructor::kPushEcho).i64(5).i64(6);
  EXPECT_EQ(off.tell(message)[0].constructor, mt::kRpcResult)
      << "an unknown method unless switched on";
  ServiceOptions options;
  options.push_echo = true;
  ServiceBench on(options);
  on.settle();
  const auto answers = on.tell(message);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].constructor, constructor::kPushEcho);
  EXPECT_EQ(answers[0].msg_id & 3, 3);
  EXPECT_EQ(answers[0].seq_no & 1, 0);
  EXPECT_EQ(answers[0].body.size(), 16u);
}

TEST(Service, CountsForLoadRunsOnlyWhenSwitchedOn) {
  ServiceBench off;
  off.settle();
  const auto refused = off.tell(Tl(constructor::kLoadCounted).i64(1));
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].constructor, mt::kRpcResult) << "an unknown method";

  ServiceOptions options;
  options.load_tally = true;
  ServiceBench on(options);
  on.settle();
  for (const int64_t sequence : {1, 2, 4, 3}) {
    EXPECT_TRUE(on.tell(Tl(constructor::kLoadCounted).i64(sequence).i64(0)).empty());
  }
  const auto ask = [&](int64_t session_id) {
    const auto answers = on.query(Tl(constructor::kLoadGetTally).i64(session_id));
    EXPECT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].constructor, mt::kRpcResult);
    return answers.empty() ? Bytes() : Bytes(answers[0].body.begin(), answers[0].body.end());
  };
  const Bytes answer = ask(on.session().session_id);
  ByteReader reader(answer);
  EXPECT_TRUE(reader.skip(8).ok());
  EXPECT_EQ(*reader.u32(), constructor::kLoadTally);
  EXPECT_EQ(*reader.i64(), on.session().session_id);
  EXPECT_EQ(*reader.u64(), 4u);
  EXPECT_EQ(*reader.u64(), 10u);
  EXPECT_EQ(*reader.u64(), 1u) << "3 came after 4";
  const Bytes unknown = ask(on.session().session_id + 1);
  EXPECT_EQ(load_le<uint32_t>(unknown.data() + 8), mt::kRpcError);
  EXPECT_TRUE(on.tell(Tl(constructor::kLoadCounted).u32(1)).empty())
      << "one without a sequence is ignored";
}

TEST(Service, PayloadsThatAreNoMessageAreTheGatewaysFault) {
  ServiceBench bench;
  const Bytes good = write_message({bench.new_id(), 0, ping(1)});
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(bench.send_payload(ByteView(good).first(size), bench.salt()).empty());
    EXPECT_FALSE(bench.ok()) << size;
  }
  Bytes padded = good;
  padded.resize(padded.size() + 13, 0xee);
  EXPECT_EQ(bench.send_payload(padded, bench.salt()).size(), 2u) << "padding may follow";
  for (const uint32_t length : {0u, 13u, 0xffff'fff0u}) {
    Bytes bad = good;
    store_le(bad.data() + 12, length);
    bench.send_payload(bad, bench.salt());
    EXPECT_FALSE(bench.ok()) << length;
  }
}

}  // namespace
}  // namespace ringway::shard
