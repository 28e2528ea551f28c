// An account whose connections and keys come to grief.
#include <algorithm>
#include <set>

#include "client/account/account_testing.h"
#include "crypto/random.h"
#include "mtproto/framing.h"

namespace ringway::testing {
namespace {

using client::CallId;
using client::CallOutcome;
using client::Condition;

class AccountReconnectTest : public AccountTest {};

// Every call's answer is its own, and the server took each once.
void expect_each_once(const ScriptServer& server, const std::map<CallId, CallOutcome>& done,
                      const std::map<CallId, int64_t>& numbers) {
  for (const auto& [call, number] : numbers) {
    const auto found = done.find(call);
    ASSERT_NE(found, done.end()) << "call " << number << " was lost";
    ASSERT_EQ(found->second.end, CallOutcome::End::kResult) << number << ": " << found->second.text;
    EXPECT_EQ(number_of(found->second.result), number);
  }
  std::multiset<int64_t> taken;
  for (const ScriptedCall& call : server.taken()) {
    if (call.method == kNumbered) taken.insert(number_of(call.object));
  }
  for (const auto& [call, number] : numbers) {
    EXPECT_EQ(taken.count(number), 1U) << "call " << number;
  }
}

TEST_F(AccountReconnectTest, CutAtEveryStepLosesNothingAndRunsNothingTwice) {
  constexpr int64_t kCalls = 100;
  constexpr int kWindow = 3;
  ScriptServer& server = add_dc(2);
  // The steps between two breaks: so that, over all, each kind of step is where one happens.
  for (const int steps : {6, 7, 9, 11, 16, 23}) {
    account_.reset();
    begin();
    ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
    std::map<CallId, int64_t> numbers;
    const int64_t first = steps * 1000;
    int64_t next = first;
    const auto feed = [&] {
      if (next < first + kCalls) {
        const CallId call = start(next);
        numbers[call] = next++;
      }
    };
    sink_.done.clear();
    sink_.then = [&](CallId) { feed(); };
    for (int i = 0; i < kWindow; ++i) feed();
    int seen = 0;
    server.cut_after(steps);
    const bool finished = run_until(
        [&] {
          if (server.connections() != seen) {
            seen = server.connections();
            server.cut_after(steps);
          }
          return sink_.done.size() == static_cast<size_t>(kCalls);
        },
        60);
    server.cut_after(0);
    sink_.then = nullptr;
    ASSERT_TRUE(finished) << steps << " steps: " << sink_.done.size() << " calls done";
    expect_each_once(server, sink_.done, numbers);
  }
  EXPECT_GT(server.connections(), 50);
  EXPECT_GT(server.state_questions(), 10);
}

TEST_F(AccountReconnectTest, ManyCallsInFlightOutliveABreak) {
  ScriptServer& server = add_dc(2);
  begin();
  std::map<CallId, int64_t> numbers;
  for (int64_t number = 0; number < 1000; ++number) numbers[start(number)] = number;
  server.cut_after(40);
  ASSERT_TRUE(run_until([&] { return sink_.done.size() == numbers.size(); }));
  expect_each_once(server, sink_.done, numbers);
}

TEST_F(AccountReconnectTest, AnAnswerThatWasLostWithTheConnectionComesAgain) {
  ScriptServer& server = add_dc(2);
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  // The frame with the call, then its answer, which does not leave.
  server.cut_after(2);
  const CallOutcome& done = outcome(start(7));
  EXPECT_EQ(done.end, End::kResult);
  EXPECT_EQ(server.taken(kNumbered), 1U);
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(AccountReconnectTest, ANewSessionAtTheServerHasUnansweredCallsSentAgain) {
  ScriptServer& server = add_dc(2, [silent = true](const ScriptedCall& call) mutable {
    if (call.method != kNumbered || !silent) return civil(call);
    silent = false;
    return Reaction{.kind = Reaction::Kind::kSilence};
  });
  begin(make_state(2, 77));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const CallId lost = start(1);
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 1; }));
  const int gaps = listener_.gaps;
  server.forget_sessions();
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(outcome(lost).end, End::kResult);
  EXPECT_EQ(number_of(outcome(lost).result), 1);
  EXPECT_GT(listener_.gaps, gaps) << "updates may have been missed";
}

// A server may be restarted again and again behind a connection that stays, and who just listens
// says nothing by itself: what is missed is asked for at each gap, by a call that says who calls.
TEST_F(AccountReconnectTest, EachNewSessionAtTheServerIsAGapAndIsToldWhoCalls) {
  ScriptServer& server = add_dc(2);
  begin(make_state(2, 77));
  EXPECT_EQ(outcome(start(0)).end, End::kResult);
  CallId asked = 0;
  for (int64_t round = 1; round <= 3; ++round) {
    const int gaps = listener_.gaps;
    listener_.at_gap = [&] { asked = start(round); };
    server.forget_sessions();
    pass(61 * kNsPerSecond);
    ASSERT_TRUE(run_until([&] { return listener_.gaps > gaps; }, 5)) << "round " << round;
    EXPECT_EQ(outcome(asked).end, End::kResult);
    EXPECT_TRUE(server.taken().back().wrapped) << "round " << round;
    EXPECT_EQ(listener_.gaps, gaps + 1);
  }
  listener_.at_gap = nullptr;
  EXPECT_EQ(server.connections(), 2) << "the first made the key";
}

TEST_F(AccountReconnectTest, ClocksThatAreAnHourApartLoseNoCall) {
  for (const int64_t hours : {1, -1}) {
    account_.reset();
    ScriptServer& server = add_dc(2);
    options_.addresses = {{.dc = 2, .host = "127.0.0.1", .port = server.port()}};
    const client::AccountState state = make_state(2, 0);
    server.set_clock(hours * 3600 * kNsPerSecond);
    begin(state);
    std::vector<CallId> calls;
    for (int64_t number = 0; number < 20; ++number) calls.push_back(start(number));
    for (const CallId call : calls) {
      EXPECT_EQ(outcome(call).end, End::kResult) << hours << " h: " << outcome(call).text;
    }
    EXPECT_EQ(server.taken(kNumbered), 20U);
    const client::AccountCounts& counts = account_->counts();
    EXPECT_GE(counts.bad_messages, 1U);
    const size_t code = hours > 0 ? 0 : 1;  // 16, 17
    EXPECT_EQ(counts.refusals.by_code[code], counts.bad_messages);
    EXPECT_EQ(counts.bad_server_salts, 0U);
    ASSERT_EQ(counts.time_offsets_ns.size(), 1U);
    EXPECT_LE(std::abs(counts.time_offsets_ns.at(2) - hours * 3600 * kNsPerSecond),
              2 * kNsPerSecond);
    EXPECT_EQ(account_->counts().keys_made, 0U);
  }
}

TEST_F(AccountReconnectTest, ASaltThatHasChangedIsKept) {
  ScriptServer& server = add_dc(2);
  const client::AccountState state = make_state(2, 0);
  server.set_salt(0x1234567890);
  begin(state);
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->state().keys.at(2).salt, 0x1234567890);
  EXPECT_GE(account_->counts().bad_server_salts, 1U);
  EXPECT_EQ(account_->counts().bad_messages, account_->counts().bad_server_salts);
  EXPECT_EQ(server.taken(kNumbered), 1U);
}

TEST_F(AccountReconnectTest, AKeyOfThisRunThatIsUnknownTwiceIsGivenUpWhenNobodyIsSignedIn) {
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  const int64_t first = account_->state().keys.at(2).auth_key_id;
  server.forget_keys();
  server.cut();
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(account_->counts().keys_made, 2U);
  EXPECT_NE(account_->state().keys.at(2).auth_key_id, first);
}

TEST_F(AccountReconnectTest, AStoredKeyIsNeverGivenUpEvenIfItIsNotKnownWhoIsSignedInWithIt) {
  ScriptServer& server = add_dc(2);
  const client::AccountState state = make_state(2, 0);
  server.forget_keys();
  begin(state);
  const int changes = listener_.state_changes;
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kSignedOut);
  EXPECT_EQ(done.text, "AUTH_KEY_UNREGISTERED");
  EXPECT_EQ(account_->counts().keys_made, 0U);
  EXPECT_EQ(listener_.state_changes, changes) << "there is nothing to be stored";
  EXPECT_EQ(account_->state().keys.at(2).auth_key_id, state.keys.at(2).auth_key_id);
}

TEST_F(AccountReconnectTest, AnIdleAccountAcknowledgesWhenTheTimeHasComeAndGoesOn) {
  options_.ack_delay_ns = 100 * kNsPerMs;
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  for (int round = 0; round < 3; ++round) {
    const int acks = server.acks();
    server.push(numbered(kNumber, round));
    EXPECT_TRUE(run_until([&] { return server.acks() > acks; }));
  }
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
}

TEST_F(AccountReconnectTest, AFaultEndsWhatWasUnderWayAndTheNewSessionIsToldWhoCalls) {
  ScriptServer& server = add_dc(2, [faulty = true](const ScriptedCall& call) mutable {
    if (call.method != kNumbered) return civil(call);
    const int64_t number = number_of(call.object);
    if (number == 5) return Reaction{.kind = Reaction::Kind::kSilence};
    if (number == 2 && std::exchange(faulty, false)) {
      return Reaction{.kind = Reaction::Kind::kBadMsg, .code = 32};
    }
    return civil(call);
  });
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  const CallId lost = start(5);
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 2; }));
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(outcome(lost).end, End::kUnavailable);
  EXPECT_TRUE(outcome(lost).sent);
  EXPECT_EQ(account_->counts().refusals.by_code[5], 1U) << "code 32";
  const auto taken = server.taken();
  ASSERT_EQ(server.taken(kNumbered), 3U) << "none ran twice";
  EXPECT_FALSE(taken[taken.size() - 2].wrapped);
  EXPECT_TRUE(taken.back().wrapped);
}

TEST_F(AccountReconnectTest, ALivingServerIsKeptAndASilentOneLeftAfterNinetySeconds) {
  ScriptServer& server = add_dc(2);
  begin(make_state(2, 77));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const int before = server.connections();
  for (int minute = 0; minute < 4; ++minute) {
    const int pings = server.pings();
    pass(61 * kNsPerSecond);
    ASSERT_TRUE(run_until([&] { return server.pings() > pings; }));
    // The answer to it has come, too.
    EXPECT_EQ(outcome(start(minute)).end, End::kResult);
  }
  EXPECT_EQ(server.connections(), before);
  server.set_mute(true);
  pass(80 * kNsPerSecond);
  run_for(50 * kNsPerMs);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn) << "it may speak yet";
  const int gaps = listener_.gaps;
  pass(11 * kNsPerSecond);
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kConnecting; }));
  EXPECT_NE(account_->problem().find("fell silent"), std::string::npos) << account_->problem();
  server.set_mute(false);
  EXPECT_EQ(outcome(start(9)).end, End::kResult);
  EXPECT_GT(server.connections(), before);
  EXPECT_GT(listener_.gaps, gaps) << "updates may have been missed";
}

TEST_F(AccountReconnectTest, SaltsAreToldOfOnceAMinute) {
  ScriptServer& server = add_dc(2);
  begin(make_state(2, 77));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const int changes = listener_.state_changes;
  for (int64_t salt = 101; salt <= 103; ++salt) {
    server.set_salt(salt);
    EXPECT_EQ(outcome(start(salt)).end, End::kResult);
    EXPECT_EQ(account_->state().keys.at(2).salt, salt);
  }
  EXPECT_EQ(listener_.state_changes, changes);
  pass(59 * kNsPerSecond);
  run_for(50 * kNsPerMs);
  EXPECT_EQ(listener_.state_changes, changes);
  pass(2 * kNsPerSecond);
  EXPECT_TRUE(run_until([&] { return listener_.state_changes == changes + 1; }));
  // After a quiet minute the next one is told of at once.
  pass(61 * kNsPerSecond);
  run_for(50 * kNsPerMs);
  EXPECT_EQ(listener_.state_changes, changes + 1) << "nothing has changed";
  server.set_salt(104);
  EXPECT_EQ(outcome(start(4)).end, End::kResult);
  EXPECT_EQ(listener_.state_changes, changes + 2);
}

// A call that is still in the session when its server does not read can be taken back.
TEST_F(AccountReconnectTest, AServerThatDoesNotReadIsNotSentWithoutEnd) {
  constexpr size_t kBytes = 256 * 1024;
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(0)).end, End::kResult);
  server.pause_reading(true);
  std::map<CallId, int64_t> numbers;
  std::vector<CallId> calls;
  for (int64_t number = 1; number <= 200; ++number) {
    Bytes large = numbered(kNumbered, number);
    const size_t header = large.size();
    large.resize(header + kBytes);
    crypto::random_bytes(ByteSpan(large).subspan(header));  // so that packing does not help
    calls.push_back(start(std::move(large)));
    numbers[calls.back()] = number;
    loop_->run_once(0);
  }
  // All of it would be more than the socket's buffers and kLinkSendBytesMax hold.
  account_->cancel(calls.front());
  account_->cancel(calls.back());
  EXPECT_TRUE(outcome(calls.front()).sent);
  EXPECT_FALSE(outcome(calls.back()).sent);
  numbers.erase(calls.front());
  numbers.erase(calls.back());
  server.pause_reading(false);
  ASSERT_TRUE(run_until([&] { return sink_.done.size() == calls.size() + 1; }, 60));
  expect_each_once(server, sink_.done, numbers);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(AccountReconnectTest, AKeyThatIsUnknownTwiceEndsASignIn) {
  ScriptServer& server = add_dc(2);
  const client::AccountState state = make_state(2, 77);
  server.forget_keys();
  const int before = server.connections();
  begin(state);
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kSignedOut);
  EXPECT_EQ(done.code, 401);
  EXPECT_EQ(account_->condition(), Condition::kSignedOut);
  EXPECT_EQ(outcome(start(2)).end, End::kSignedOut);
  run_for(500 * kNsPerMs);
  EXPECT_EQ(server.connections() - before, 2) << "no more attempts";
  EXPECT_EQ(account_->state().keys.at(2).auth_key_id, state.keys.at(2).auth_key_id);
}

TEST_F(AccountReconnectTest, OneUnknownKeyIsNoReasonToMakeAnother) {
  ScriptServer& server = add_dc(2);
  const client::AccountState state = make_state(2, 77);
  server.refuse_connections(mtproto::kErrorUnknownKey);
  const int before = server.connections();
  begin(state);
  ASSERT_TRUE(run_until([&] { return account_->counts().connection_failures == 1; }));
  server.refuse_connections(0);
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(server.connections() - before, 2);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
}

TEST_F(AccountReconnectTest, FloodAndWrongDcAreTriedAgainLaterAndSaid) {
  ScriptServer& server = add_dc(2);
  for (const int32_t code : {mtproto::kErrorFlood, mtproto::kErrorWrongDc}) {
    account_.reset();
    server.refuse_connections(code);
    begin();
    ASSERT_TRUE(run_until([&] { return account_->counts().connection_failures >= 3; }));
    EXPECT_NE(account_->problem().find(std::to_string(code)), std::string::npos)
        << account_->problem();
    const int64_t begun_ns = read_clocks().mono_ns;
    const uint64_t failures = account_->counts().connection_failures;
    run_for(300 * kNsPerMs);
    // Half of 0.4 s at the least is between the third and the fourth.
    EXPECT_LE(account_->counts().connection_failures - failures,
              static_cast<uint64_t>((read_clocks().mono_ns - begun_ns) / (200 * kNsPerMs) + 1));
    server.refuse_connections(0);
    EXPECT_EQ(outcome(start(1)).end, End::kResult);
    EXPECT_EQ(account_->problem(), "");
  }
}

TEST_F(AccountReconnectTest, ARevokedSessionEndsEveryCallAndIsNotRetried) {
  ScriptServer& server = add_dc(2, [](const ScriptedCall& call) {
    if (call.method != kNumbered) return civil(call);
    return number_of(call.object) == 1 ? refuse(401, "SESSION_REVOKED")
                                       : Reaction{.kind = Reaction::Kind::kSilence};
  });
  begin(make_state(2, 77));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const CallId waiting = start(5);
  const CallId revoked = start(1);
  EXPECT_EQ(outcome(revoked).end, End::kSignedOut);
  EXPECT_EQ(outcome(revoked).text, "SESSION_REVOKED");
  EXPECT_EQ(outcome(waiting).end, End::kSignedOut);
  EXPECT_TRUE(outcome(waiting).sent);
  EXPECT_EQ(account_->condition(), Condition::kSignedOut);
  const int connections = server.connections();
  const CallId late = start(6);
  EXPECT_EQ(outcome(late).end, End::kSignedOut);
  EXPECT_FALSE(outcome(late).sent);
  run_for(500 * kNsPerMs);
  EXPECT_EQ(server.connections(), connections);
  EXPECT_EQ(server.taken(kNumbered), 2U);
}

TEST_F(AccountReconnectTest, SomebodyNotSignedInJustGetsThe401) {
  add_dc(2, [](const ScriptedCall& call) {
    return call.method == kNumbered ? refuse(401, "AUTH_KEY_UNREGISTERED") : civil(call);
  });
  begin();
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kRpcError);
  EXPECT_EQ(done.code, 401);
  EXPECT_EQ(account_->condition(), Condition::kNotSignedIn);
}

TEST_F(AccountReconnectTest, AnAddressThatDoesNotAnswerIsPassedOver) {
  ScriptServer& server = add_dc(2);
  uint16_t closed = 0;
  { closed = ScriptServer(civil).port(); }
  options_.addresses = {{.dc = 2, .host = "127.0.0.1", .port = closed},
                        {.dc = 2, .host = "localhost", .port = server.port()}};
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->state().host, "localhost");
  EXPECT_EQ(account_->state().port, server.port());
}

TEST_F(AccountReconnectTest, WithoutAnAddressCallsEndAtTheirDeadlineWithTheReason) {
  begin();
  const CallOutcome& done = outcome(start(1, within(50 * kNsPerMs)));
  EXPECT_EQ(done.end, End::kDeadline);
  EXPECT_FALSE(done.sent);
  EXPECT_NE(done.text.find("no address of DC 2"), std::string::npos) << done.text;
}

}  // namespace
}  // namespace ringway::testing
