// The session against models: seq_no over many mixed messages, and a server that loses connections
// at every step.
#include <map>
#include <random>
#include <set>

#include "client/session_bench.h"
#include "client/session_limits.h"

namespace ringway::client {
namespace {

class SessionModelTest : public SessionBench {
 protected:
  static Bytes numbered(uint32_t number) {
    Bytes object;
    ByteAppender out(object);
    out.u32(number);
    return object;
  }
};

TEST_F(SessionModelTest, SeqNoCountsContentOverTenThousandMixedMessages) {
  Session session = make();
  std::mt19937 random(7);
  std::vector<std::pair<int64_t, int32_t>> seen;  // msg_id, seq_no
  std::set<int64_t> content;                      // msg_ids
  const auto note = [&](int64_t msg_id, int32_t seq_no, uint32_t id) {
    seen.emplace_back(msg_id, seq_no);
    if (id >= 1'000'000 && id < 2'000'000) content.insert(msg_id);
  };
  uint32_t number = 1'000'000;
  int64_t last_call = 4;
  while (seen.size() < 10'000) {
    for (size_t i = random() % 6; i > 0; --i) {
      Bytes object;
      switch (random() % 9) {
        case 0:
          object = make_ping(1);
          break;
        case 1:
          object = make_get_future_salts(1);
          break;
        case 2:
          object = make_msgs_state_req({&last_call, 1});
          break;
        case 3:
          object = make_msg_resend_req({&last_call, 1});
          break;
        case 4:
          object = make_rpc_drop_answer(last_call);
          break;
        case 5:
          object = Bytes{0x9f, 0x35, 0x99, 0x92};
          object.resize(16);
          break;  // http_wait
        default:
          object = numbered(number++);
          break;
      }
      // Even when the caller forgets to say that it does not count.
      ASSERT_TRUE(session.send(object, {.expect_reply = false}, now_).ok());
    }
    if (random() % 3 == 0) static_cast<void>(answered(session, kRequest, 1));
    if (random() % 50 == 0) pass(kNsPerSecond);
    for (const ClientMessage& message : take(session)) {
      const auto parts = parts_of(message);
      if (constructor_of(message.body) == ctor::kMsgContainer) {
        for (const InboundPart& part : parts) {
          EXPECT_LT(part.msg_id, message.msg_id);
          note(part.msg_id, part.seq_no, constructor_of(part.body));
        }
      }
      note(message.msg_id, message.seq_no, constructor_of(message.body));
    }
  }
  int32_t content_before = 0;
  int64_t last_msg_id = 0;
  for (const auto& [msg_id, seq_no] : seen) {
    EXPECT_GT(msg_id, last_msg_id);
    last_msg_id = msg_id;
    const bool counts = content.contains(msg_id);
    ASSERT_EQ(seq_no, 2 * content_before + (counts ? 1 : 0));
    if (counts) ++content_before;
  }
  EXPECT_GT(content_before, 2000);
}

// Executes a call once per msg_id, remembers results until they are acknowledged, and tells of its
// states. What is on the way when the connection breaks is lost, in both directions.
class ModelServer {
 public:
  struct Outgoing {
    int64_t msg_id = 0;
    int32_t seq_no = 0;
    Bytes body;
  };

  void take(const InboundPart& part) {
    const uint32_t id = constructor_of(part.body);
    if (id == ctor::kMsgsAck) return;
    if (id == ctor::kMsgsStateReq) {
      const auto ids = read_msg_ids(part.body);
      Bytes states;
      for (const int64_t asked : *ids) {
        states.push_back(calls_.contains(asked) ? 4 : asked > last_msg_id_ ? 3 : 2);
      }
      push(make_msgs_state_info(part.msg_id, states), 0);
      return;
    }
    last_msg_id_ = std::max(last_msg_id_, part.msg_id);
    if (calls_.insert(part.msg_id).second) {
      ++executed[id];
      unanswered_.push_back({part.msg_id, id});
    }
  }
  void answer_one() {
    if (unanswered_.empty()) return;
    const auto [msg_id, id] = unanswered_.front();
    unanswered_.pop_front();
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kRpcResult);
    out.i64(msg_id);
    out.u32(id);
    results_.push_back(body);
    push(body, 1);
  }
  // Nobody knows what of it arrived: a server sends its results again.
  void break_off() {
    outgoing.clear();
    for (const Bytes& body : results_) push(body, 1);
  }

  std::deque<Outgoing> outgoing;
  std::map<uint32_t, int> executed;

 private:
  void push(Bytes body, int32_t seq_no) { outgoing.push_back({0, seq_no, std::move(body)}); }

  std::set<int64_t> calls_;
  int64_t last_msg_id_ = 0;
  std::deque<std::pair<int64_t, uint32_t>> unanswered_;
  std::vector<Bytes> results_;
};

TEST_F(SessionModelTest, NothingIsLostAndNothingRunsTwiceHoweverTheConnectionBreaks) {
  constexpr uint32_t kCalls = 100;
  for (uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    SessionOptions options = SessionOptions::lasting();
    options.fetch_salts = false;
    Session session = make(options);
    ModelServer server;
    std::map<RequestId, uint32_t> asked;
    std::map<uint32_t, int> answers;
    std::deque<ClientMessage> on_the_way;
    uint32_t next = 0;
    int breaks = 0;
    for (uint32_t step = 0; answers.size() < kCalls; ++step) {
      ASSERT_LT(step, 100'000U) << "seed " << seed;
      pass(kNsPerMs);
      switch (random() % 6) {
        case 0:
          for (size_t i = random() % 4; i > 0 && next < kCalls; --i) {
            const auto request = session.send(numbered(next), {}, now_);
            asked[*request] = next++;
          }
          break;
        case 1:
          for (ClientMessage& message : take(session)) on_the_way.push_back(std::move(message));
          break;
        case 2:
          if (on_the_way.empty()) break;
          for (const InboundPart& part : parts_of(on_the_way.front())) server.take(part);
          on_the_way.pop_front();
          break;
        case 3:
          server.answer_one();
          break;
        case 4: {
          if (server.outgoing.empty()) break;
          std::vector<SessionEvent> events;
          frame_ = seal_from_server(session.session_id(), server_msg_id(),
                                    server.outgoing.front().seq_no, server.outgoing.front().body);
          server.outgoing.pop_front();
          ASSERT_TRUE(session.receive(frame_, now_, events).ok());
          for (const SessionEvent& event : events) {
            if (event.kind != Kind::kReply || event.request == 0) continue;
            ASSERT_EQ(constructor_of(event.body), asked.at(event.request));
            ++answers[asked.at(event.request)];
          }
          break;
        }
        case 5:
          if (random() % 8 != 0 || breaks == 40) break;
          ++breaks;
          on_the_way.clear();
          server.break_off();
          session.on_reconnected();
          break;
      }
    }
    for (uint32_t i = 0; i < kCalls; ++i) {
      EXPECT_EQ(server.executed[i], 1) << "call " << i << " of seed " << seed;
      EXPECT_EQ(answers[i], 1) << "call " << i << " of seed " << seed;
    }
    EXPECT_LE(session.pending(), 1U) << "but for a question of its own";
    EXPECT_GT(breaks, 0);
  }
}

TEST_F(SessionModelTest, HostileMessagesOfEveryKindLeaveTheSessionWorking) {
  std::mt19937 random(11);
  SessionOptions options = SessionOptions::lasting();
  options.check_time = false;
  Session session = make(options);
  constexpr uint32_t kIds[] = {
      ctor::kRpcResult,     ctor::kPong,          ctor::kNewSessionCreated,
      ctor::kBadServerSalt, ctor::kMsgsAck,       ctor::kBadMsgNotification,
      ctor::kFutureSalts,   ctor::kMsgsStateInfo, ctor::kMsgDetailedInfo,
      ctor::kMsgsStateReq,  ctor::kMsgResendReq,  ctor::kMsgNewDetailedInfo,
      ctor::kGzipPacked,    ctor::kMsgsAllInfo,   ctor::kMsgContainer};
  std::vector<int64_t> known = {1};
  for (int round = 0; round < 20'000; ++round) {
    pass(static_cast<int64_t>(random() % 1000) * kNsPerMs);
    if (session.pending() < 200) {
      static_cast<void>(
          session.send(kRequest, {.after_request = random() % 2 == 0 ? 0 : random() % 300}, now_));
    }
    if (random() % 20 == 0) session.on_reconnected();
    if (random() % 10 == 0) static_cast<void>(session.drop(random() % 2000, now_));
    for (const ClientMessage& message : take(session)) {
      known.push_back(message.msg_id);
      for (const InboundPart& part : parts_of(message)) known.push_back(part.msg_id);
    }
    Bytes body = numbered(kIds[random() % std::size(kIds)]);
    ByteAppender out(body);
    for (size_t i = random() % 6; i > 0; --i) {
      switch (random() % 5) {
        case 0:
          out.i64(known[known.size() - 1 - random() % std::min<size_t>(known.size(), 50)]);
          break;
        case 1:
          out.u32(ctor::kVector);
          break;
        case 2:
          out.u32(static_cast<uint32_t>(random() % 70));
          break;
        case 3:
          out.u32(static_cast<uint32_t>(random()));
          break;
        case 4:
          out.i64(static_cast<int64_t>(random()) << 32 | 1);
          break;
      }
    }
    std::vector<SessionEvent> events;
    frame_ = seal_from_server(session.session_id(), server_msg_id(),
                              static_cast<int32_t>(random() % 4), body);
    static_cast<void>(session.receive(frame_, now_, events).ok());
    session.expire(now_, events);
    ASSERT_LE(session.pending(), kClientPendingMax);
  }
  // Whoever speaks by the rules now is served.
  pass(120 * kNsPerSecond);
  std::vector<SessionEvent> events;
  session.expire(now_, events);
  static_cast<void>(take(session));
  const auto request = session.send(numbered(4242), {}, now_);
  for (const ClientMessage& message : take(session)) {
    for (const InboundPart& part : parts_of(message)) {
      if (constructor_of(part.body) != 4242) continue;
      const auto reply = answered(session, rpc_result(part.msg_id, kRequest));
      ASSERT_GE(reply.size(), 1U);
      EXPECT_EQ(reply[0].request, *request);
      return;
    }
  }
  FAIL() << "the request did not go out";
}

}  // namespace
}  // namespace ringway::client
