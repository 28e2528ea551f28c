// What the server says about a session and its messages: salts, clocks, faults, new sessions,
// announced answers, and what it asks.
#include "base/limits.h"
#include "client/session_bench.h"
#include "client/session_limits.h"

namespace ringway::client {
namespace {

class SessionServiceTest : public SessionBench {
 protected:
  static Bytes numbered(uint32_t number) {
    Bytes object;
    ByteAppender out(object);
    out.u32(number);
    return object;
  }
  static Bytes msg_ids(uint32_t constructor, std::span<const int64_t> ids) {
    Bytes object = numbered(constructor);
    ByteAppender out(object);
    out.u32(ctor::kVector);
    out.u32(static_cast<uint32_t>(ids.size()));
    for (const int64_t id : ids) out.i64(id);
    return object;
  }
  static Bytes detailed(int64_t request, int64_t answer) {
    Bytes info = object({request, answer}, ctor::kMsgDetailedInfo);
    info.resize(info.size() + 8);
    return info;
  }
  // As answer(), under a msg_id of the server's own choice.
  std::vector<SessionEvent> from_server(Session& session, int64_t msg_id, int32_t seq_no,
                                        ByteView body) {
    std::vector<SessionEvent> events;
    frame_ = seal_from_server(session.session_id(), msg_id, seq_no, body);
    EXPECT_TRUE(session.receive(frame_, now_, events).ok());
    return events;
  }
  bool owes_acks(Session& session) {
    pass(60 * kNsPerSecond);
    const auto messages = take(session);
    return std::any_of(messages.begin(), messages.end(), [](const ClientMessage& message) {
      const auto parts = parts_of(message);
      return std::any_of(parts.begin(), parts.end(), [](const InboundPart& part) {
        return constructor_of(part.body) == ctor::kMsgsAck;
      });
    });
  }
};

TEST_F(SessionServiceTest, WrongSaltOfAHundredSendsAllAgainOnceInOrder) {
  Session session = make(SessionOptions::lasting());
  constexpr uint32_t kCount = 100;
  for (uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(session.send(numbered(i), {}, now_).ok());
  const auto first = take(session);
  ASSERT_EQ(first.size(), 1U);
  const auto events = answered(session, bad_salt(first[0].msg_id, 77));
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const SessionEvent& event) { return event.kind == Kind::kResent; }),
            kCount);
  const auto again = take(session);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].salt, 77);
  const auto parts = parts_of(again[0]);
  uint32_t expected = 0;
  for (const InboundPart& part : parts) {
    if (constructor_of(part.body) == ctor::kGetFutureSalts) continue;
    EXPECT_EQ(constructor_of(part.body), expected++);
  }
  EXPECT_EQ(expected, kCount);
  EXPECT_TRUE(take(session).empty());
}

TEST_F(SessionServiceTest, FramesRefusedOneAfterTheOtherKeepTheOrder) {
  Session session = make();
  std::vector<int64_t> frames;
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(session.send(numbered(i), {}, now_).ok());
    frames.push_back(take(session).at(0).msg_id);
  }
  for (const int64_t msg_id : frames) static_cast<void>(answered(session, bad_salt(msg_id, 5)));
  ASSERT_TRUE(session.send(numbered(3), {}, now_).ok());
  const ClientMessage sent = take(session).at(0);
  const auto parts = parts_of(sent);
  ASSERT_EQ(parts.size(), 4U);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(constructor_of(parts[i].body), i);
}

TEST_F(SessionServiceTest, ClockAnHourOffIsPutRightAndNothingIsLost) {
  for (const int64_t off : {-3600, 3600}) {
    Session session = make(SessionOptions::lasting());
    for (uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(session.send(numbered(i), {}, now_).ok());
    const ClientMessage first = take(session).at(0);
    const int64_t server_time = (now_.unix_seconds() - off) << 32;
    const int32_t code = off < 0 ? 16 : 17;
    const auto events = from_server(session, server_time + 1, 0, bad_msg(first.msg_id, code));
    size_t resent = 0;
    bool clock_told = false;
    for (const SessionEvent& event : events) {
      if (event.kind == Kind::kResent) {
        ++resent;
        EXPECT_EQ(event.bad_msg_code, code);
      }
      clock_told = clock_told || event.kind == Kind::kClock;
    }
    EXPECT_EQ(resent, 10U);
    EXPECT_TRUE(clock_told);
    const ClientMessage again = take(session).at(0);
    EXPECT_EQ(again.msg_id >> 32, now_.unix_seconds() - off);
    EXPECT_EQ(again.session_id == first.session_id, code == 16);
    EXPECT_NEAR(static_cast<double>(session.key().time_offset_ns), static_cast<double>(-off) * 1e9,
                1e9);
    for (const InboundPart& part : parts_of(again)) {
      if ((part.seq_no & 1) == 0) continue;  // its own question
      const auto reply = from_server(session, server_time + 5 + 4 * ++server_count_, 1,
                                     rpc_result(part.msg_id, kRequest));
      ASSERT_GE(reply.size(), 1U);
      EXPECT_NE(reply[0].request, 0U);
    }
  }
}

TEST_F(SessionServiceTest, AKnownClockThatIsWrongIsPutRightByANotificationAboutUs) {
  key_.time_known = true;
  Session session = make(SessionOptions::lasting());
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t ours = take(session).at(0).msg_id;
  const int64_t server_time = (now_.unix_seconds() - 7200) << 32;
  // Of nobody's message: it could be anybody's old one.
  EXPECT_TRUE(from_server(session, server_time + 1, 0, bad_msg(ours + 400, 17)).empty());
  EXPECT_EQ(session.counts().dropped_time, 1U);
  EXPECT_FALSE(from_server(session, server_time + 5, 0, bad_msg(ours, 17)).empty());
  EXPECT_EQ(take(session).at(0).msg_id >> 32, now_.unix_seconds() - 7200);
}

TEST_F(SessionServiceTest, FaultsOfOursBeginANewSessionAndNothingRunsTwice) {
  for (const int32_t code : {18, 19, 32, 33, 34, 35, 64}) {
    Session session = make({.tell_changes = true});
    const auto guilty = session.send(kRequest, {}, now_);
    const ClientMessage first = take(session).at(0);
    const auto sent = session.send(numbered(7), {}, now_);
    static_cast<void>(take(session));
    ASSERT_TRUE(session.send(numbered(8), {}, now_).ok());
    auto events = answered(session, bad_msg(first.msg_id, code));
    ASSERT_EQ(events.size(), 4U);
    for (const SessionEvent& event : events) EXPECT_EQ(event.bad_msg_code, code);
    EXPECT_EQ(events[0].kind, Kind::kRefused);
    events.erase(events.begin());
    EXPECT_EQ(events[0].kind, Kind::kRestarted);
    EXPECT_EQ(events[1].kind, Kind::kFailed) << "the server may have run it";
    EXPECT_EQ(events[1].request, *sent);
    EXPECT_EQ(events[1].error, Error::kNotAllowed);
    EXPECT_EQ(events[2].kind, Kind::kResent);
    EXPECT_EQ(events[2].request, *guilty);
    const ClientMessage again = take(session).at(0);
    EXPECT_NE(again.session_id, first.session_id);
    const auto parts = parts_of(again);
    ASSERT_EQ(parts.size(), 2U) << "with what had not left";
    EXPECT_EQ(parts[0].seq_no, 1);
    // Once more, and it is given up.
    events = answered(session, bad_msg(parts[0].msg_id, code));
    ASSERT_EQ(events.size(), 4U);
    EXPECT_EQ(events[2].kind, Kind::kFailed);
    EXPECT_EQ(events[2].request, *guilty);
    EXPECT_EQ(events[2].bad_msg_code, code);
    EXPECT_EQ(events[3].kind, Kind::kFailed);
    EXPECT_EQ(session.pending(), 0U);
  }
}

TEST_F(SessionServiceTest, AServerThatAsksAndDoesNotReadIsNotAnsweredWithoutEnd) {
  Session session = make();
  const int64_t id = 4;
  for (size_t i = 0; i < 2 * kSessionStatementsMax; ++i) {
    static_cast<void>(answered(session, msg_ids(ctor::kMsgsStateReq, {&id, 1})));
  }
  EXPECT_EQ(session.pending(), kSessionStatementsMax);
  static_cast<void>(take(session));
  EXPECT_EQ(session.pending(), 0U);
  static_cast<void>(answered(session, msg_ids(ctor::kMsgsStateReq, {&id, 1})));
  EXPECT_EQ(take(session).size(), 1U) << "it is told again when it reads";
}

TEST_F(SessionServiceTest, TooOldAMessageIsAskedForBeforeItGoesAgain) {
  for (const uint8_t state : {uint8_t{1}, uint8_t{4}}) {
    Session session = make({.ask_state = true});
    ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
    const int64_t old = take(session).at(0).msg_id;
    EXPECT_TRUE(answered(session, bad_msg(old, 20)).empty());
    const ClientMessage question = take(session).at(0);
    EXPECT_EQ(question.body, make_msgs_state_req({&old, 1}));
    const auto events = answered(session, make_msgs_state_info(question.msg_id, {&state, 1}));
    EXPECT_EQ(events.size(), state == 1 ? 1U : 0U);
    EXPECT_EQ(take(session).size(), state == 1 ? 1U : 0U);
    EXPECT_EQ(session.pending(), 1U);
  }
}

TEST_F(SessionServiceTest, ANewSessionIsToldOncePerUniqueId) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t lost = take(session).at(0).msg_id;
  const Bytes created = object({lost + 4, 5, 3333}, ctor::kNewSessionCreated);
  auto events = answered(session, created, 1);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, Kind::kNewSession);
  EXPECT_EQ(events[0].unique_id, 5);
  EXPECT_EQ(events[0].msg_id, lost + 4);
  EXPECT_EQ(events[1].kind, Kind::kResent);
  EXPECT_TRUE(answered(session, created, 3).empty()) << "the server repeats itself";
  events = answered(session, object({lost + 4, 6, 3333}, ctor::kNewSessionCreated), 5);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].unique_id, 6);
}

TEST_F(SessionServiceTest, WhatMayNotBeIsDroppedAndNotAcknowledged) {
  key_.time_known = true;
  SessionOptions options = SessionOptions::lasting();
  options.fetch_salts = false;
  Session session = make(options);
  std::vector<SessionEvent> events;
  Bytes foreign = seal_from_server(session.session_id() + 1, server_msg_id(), 1, kRequest);
  ASSERT_TRUE(session.receive(foreign, now_, events).ok());
  EXPECT_EQ(session.counts().dropped_foreign, 1U);
  EXPECT_TRUE(from_server(session, server_msg_id() + 1, 1, kRequest).empty());
  EXPECT_TRUE(from_server(session, server_msg_id() + 3, 1, kRequest).empty());
  EXPECT_EQ(session.counts().dropped_even, 2U);
  const int64_t second = int64_t{1} << 32;
  EXPECT_TRUE(from_server(session, server_msg_id() - 302 * second, 1, kRequest).empty());
  EXPECT_TRUE(from_server(session, server_msg_id() + 32 * second, 1, kRequest).empty());
  EXPECT_EQ(session.counts().dropped_time, 2U);
  EXPECT_TRUE(events.empty());
  EXPECT_FALSE(owes_acks(session));
  // Within the time it is good, and the very same bytes once more are not.
  EXPECT_EQ(from_server(session, server_msg_id() - 200 * second, 1, kRequest).size(), 1U);
  EXPECT_TRUE(owes_acks(session));
  Bytes frame = seal_from_server(session.session_id(), server_msg_id(), 1, kRequest);
  Bytes replayed = frame;
  ASSERT_TRUE(session.receive(frame, now_, events).ok());
  EXPECT_EQ(events.size(), 1U);
  EXPECT_TRUE(owes_acks(session));
  ASSERT_TRUE(session.receive(replayed, now_, events).ok());
  EXPECT_EQ(events.size(), 1U);
  EXPECT_EQ(session.counts().dropped_replays, 1U);
  EXPECT_FALSE(owes_acks(session));
}

TEST_F(SessionServiceTest, OlderThanAllThatIsRememberedIsNotAcknowledged) {
  Session session = make();
  const int64_t oldest = server_msg_id();
  std::vector<SessionEvent> events;
  for (size_t i = 0; i < kClientReceivedIdsMax; ++i) {
    ASSERT_TRUE(answer(session, kRequest, events).ok());
  }
  EXPECT_TRUE(from_server(session, oldest, 1, kRequest).empty());
  EXPECT_EQ(session.counts().dropped_replays, 1U);
  EXPECT_FALSE(owes_acks(session));
}

TEST_F(SessionServiceTest, AClockThatIsSetMakesTheServersTimeUnknown) {
  key_.time_known = true;
  Session session = make(SessionOptions::lasting());
  EXPECT_EQ(answered(session, kRequest).size(), 1U);
  const Now before = now_;
  now_.mono_ns += kNsPerSecond;
  now_.unix_ns -= 3600 * kNsPerSecond;  // set back; the server's goes on
  const int64_t server_time = (before.unix_seconds() + 1) << 32;
  EXPECT_EQ(from_server(session, server_time + 4001, 0, kRequest).at(0).kind, Kind::kPush);
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  EXPECT_EQ(take(session).at(0).msg_id >> 32, before.unix_seconds() + 1);
}

TEST_F(SessionServiceTest, TheOffsetIsTheGreatestThatMessagesShow) {
  key_.time_known = true;
  Session session = make(SessionOptions::lasting());
  const int64_t base = now_.unix_seconds() << 32;
  const int64_t second = int64_t{1} << 32;
  for (const int64_t ahead : {-10, 20, -5, 15}) {
    static_cast<void>(
        from_server(session, base + ahead * second + 4 * ++server_count_ + 1, 0, kRequest));
  }
  EXPECT_NEAR(static_cast<double>(session.key().time_offset_ns), 20e9, 1e9);
}

TEST_F(SessionServiceTest, AnnouncedAnswersAreAskedForTogetherOrAcknowledged) {
  Session session = make();
  const int64_t seen = server_msg_id();
  static_cast<void>(from_server(session, seen, 0, kRequest));
  const std::vector<int64_t> unseen = {server_msg_id(), server_msg_id()};
  for (const int64_t answer_id : unseen) {
    static_cast<void>(answered(session, detailed(4, answer_id)));
  }
  static_cast<void>(answered(session, detailed(4, seen)));
  EXPECT_TRUE(session.wants_to_send(now_));
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  const auto parts = parts_of(messages[0]);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_TRUE(equal(parts[0].body, make_msgs_ack({&seen, 1})));
  EXPECT_TRUE(equal(parts[1].body, make_msg_resend_req(unseen)));
  EXPECT_EQ(parts[1].seq_no, 0);
}

TEST_F(SessionServiceTest, TellsWhichOfTheServersMessagesItHas) {
  Session session = make();
  std::vector<int64_t> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(server_msg_id());
  static_cast<void>(from_server(session, ids[0], 0, kRequest));
  static_cast<void>(from_server(session, ids[2], 0, kRequest));
  const int64_t asked_as = server_msg_id();
  ids.push_back(asked_as + 4000);
  static_cast<void>(from_server(session, asked_as, 0, msg_ids(ctor::kMsgsStateReq, ids)));
  const Bytes states = {4, 2, 4, 3};
  EXPECT_EQ(take(session).at(0).body, make_msgs_state_info(asked_as, states));
}

TEST_F(SessionServiceTest, SendsAgainUnderTheSameMsgIdWhatTheServerAsksFor) {
  Session session = make();
  const auto request = session.send(kRequest, {}, now_);
  const ClientMessage first = take(session).at(0);
  const int64_t asked_as = server_msg_id();
  static_cast<void>(
      from_server(session, asked_as, 0, msg_ids(ctor::kMsgResendReq, {&first.msg_id, 1})));
  const auto again = take(session);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_GT(again[0].msg_id, first.msg_id);
  EXPECT_EQ(again[0].seq_no, 2);
  const auto parts = parts_of(again[0]);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].msg_id, first.msg_id);
  EXPECT_EQ(parts[0].seq_no, first.seq_no);
  EXPECT_TRUE(equal(parts[0].body, kRequest));
  EXPECT_EQ(answered(session, rpc_result(first.msg_id, kRequest)).at(0).request, *request);
  // What was answered is not there any more.
  const int64_t asked_later = server_msg_id();
  static_cast<void>(
      from_server(session, asked_later, 0, msg_ids(ctor::kMsgResendReq, {&first.msg_id, 1})));
  const uint8_t forgotten = 1;
  EXPECT_EQ(take(session).at(0).body, make_msgs_state_info(asked_later, {&forgotten, 1}));
}

TEST_F(SessionServiceTest, UnreadableServiceMessagesAreCountedAndPassedOver) {
  Session session = make();
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const int64_t msg_id = take(session).at(0).msg_id;
  uint64_t broken = 0;
  for (const uint32_t id :
       {ctor::kRpcResult, ctor::kPong, ctor::kNewSessionCreated, ctor::kBadServerSalt,
        ctor::kBadMsgNotification, ctor::kFutureSalts, ctor::kMsgDetailedInfo, ctor::kMsgsStateReq,
        ctor::kMsgResendReq, ctor::kGzipPacked}) {
    EXPECT_TRUE(answered(session, numbered(id)).empty()) << std::hex << id;
    EXPECT_EQ(session.counts().unreadable, ++broken) << std::hex << id;
  }
  Bytes many = numbered(ctor::kMsgsStateReq);
  ByteAppender out(many);
  out.u32(ctor::kVector);
  out.u32(0x7fff'ffff);
  EXPECT_TRUE(answered(session, many).empty());
  EXPECT_EQ(session.counts().unreadable, ++broken);
  EXPECT_EQ(answered(session, rpc_result(msg_id, kRequest)).at(0).kind, Kind::kReply);
}

TEST_F(SessionServiceTest, SaltsAreFetchedAndChangedInTime) {
  key_.time_known = true;
  Session session = make(SessionOptions::lasting());
  static_cast<void>(take(session));
  static_cast<void>(answered(session, kRequest));
  const auto messages = take(session);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].body, make_get_future_salts(kSessionSaltsAsked));
  EXPECT_EQ(messages[0].seq_no, 0);
  Bytes salts = object({messages[0].msg_id}, ctor::kFutureSalts);
  ByteAppender out(salts);
  const auto now_s = static_cast<int32_t>(now_.unix_seconds());
  out.i32(now_s);
  out.u32(3);
  // The latest first; one that is nearly over; one that is valid now and one that will be.
  const std::vector<std::array<int32_t, 3>> table = {{now_s + 1800, now_s + 5400, 3},
                                                     {now_s - 3600, now_s + 30, 1},
                                                     {now_s - 10, now_s + 3600, 2}};
  for (const auto& [since, until, salt] : table) {
    out.i32(since);
    out.i32(until);
    out.i64(salt);
  }
  auto events = answered(session, salts);
  ASSERT_EQ(events.size(), 1U) << "its own question is nobody else's";
  EXPECT_EQ(events[0].kind, Kind::kSalt);
  EXPECT_EQ(session.salt(), 2);
  EXPECT_TRUE(take(session).empty()) << "not again at once";
  pass(1800 * kNsPerSecond);
  ASSERT_TRUE(session.send(kRequest, {}, now_).ok());
  const auto later = take(session);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].salt, 3);
  EXPECT_EQ(session.key().salt, 3);
  const auto parts = parts_of(later[0]);
  EXPECT_TRUE(std::any_of(parts.begin(), parts.end(), [](const InboundPart& part) {
    return constructor_of(part.body) == ctor::kGetFutureSalts;
  }));
  EXPECT_EQ(answered(session, kRequest).back().kind, Kind::kSalt);
}

TEST_F(SessionServiceTest, TooManySaltsAreRefused) {
  Session session = make(SessionOptions::lasting());
  static_cast<void>(answered(session, kRequest));
  Bytes salts = object({take(session).at(0).msg_id}, ctor::kFutureSalts);
  ByteAppender out(salts);
  out.i32(0);
  out.u32(65);
  EXPECT_TRUE(answered(session, salts).empty());
  EXPECT_EQ(session.counts().unreadable, 1U);
  EXPECT_EQ(session.salt(), 1111);
}

}  // namespace
}  // namespace ringway::client
