// An account with temporary keys.
#include <set>

#include "client/account/account_testing.h"

namespace ringway::testing {
namespace {

using client::CallId;
using client::Condition;

class AccountPfsTest : public AccountTest {
 protected:
  AccountPfsTest() { options_.temporary_keys = true; }
};

TEST_F(AccountPfsTest, CallsGoUnderABoundTemporaryKey) {
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(server.exchanges(false), 1);
  EXPECT_EQ(server.exchanges(true), 1);
  EXPECT_EQ(server.binds(), 1);
  const int64_t permanent = account_->state().keys.at(2).auth_key_id;
  for (const ScriptedCall& call : server.taken()) EXPECT_NE(call.auth_key_id, permanent);
}

TEST_F(AccountPfsTest, AReconnectionKeepsTheTemporaryKey) {
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  server.cut();
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(server.exchanges(true), 1);
  EXPECT_EQ(server.binds(), 1);
}

TEST_F(AccountPfsTest, ATemporaryKeyThatTheServerForgotIsReplaced) {
  ScriptServer& server = add_dc(2);
  begin(make_state(2, 77));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  const int before = server.exchanges(true);
  server.forget_keys(true);
  server.cut();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kConnecting; }));
  // It goes out under the key that is refused, and then again.
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(server.exchanges(true), before + 1);
  EXPECT_EQ(server.exchanges(false), 1);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
}

TEST_F(AccountPfsTest, WhatMayHaveRunUnderALostKeyIsNotRunAgain) {
  ScriptServer& server = add_dc(2, [](const ScriptedCall& call) {
    return call.method == kNumbered && number_of(call.object) == 7
               ? Reaction{.kind = Reaction::Kind::kSilence}
               : civil(call);
  });
  begin();
  const CallId lost = start(7);
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 1; }));
  server.forget_keys(true);
  server.cut();
  EXPECT_EQ(outcome(lost).end, End::kUnavailable);
  EXPECT_TRUE(outcome(lost).sent);
  EXPECT_EQ(outcome(start(8)).end, End::kResult);
  EXPECT_EQ(server.taken(kNumbered), 2U);
}

TEST_F(AccountPfsTest, RenewalUnderLoadLosesNothing) {
  options_.temporary_key_seconds = 2;
  ScriptServer& server = add_dc(2);
  begin();
  int64_t next = 0;
  std::map<CallId, int64_t> numbers;
  const auto feed = [&] {
    const CallId call = start(next);
    numbers[call] = next++;
  };
  sink_.then = [&](CallId call) {
    ASSERT_EQ(sink_.done[call].end, End::kResult) << sink_.done[call].text;
    EXPECT_EQ(number_of(sink_.done[call].result), numbers[call]);
    if (server.exchanges(true) < 3) feed();
  };
  for (int i = 0; i < 8; ++i) feed();
  ASSERT_TRUE(run_until([&] { return sink_.done.size() == numbers.size(); }));
  EXPECT_GE(server.exchanges(true), 3);
  EXPECT_EQ(server.taken(kNumbered), numbers.size());
  EXPECT_EQ(account_->counts().connection_failures, 0U) << "renewed before the end";
  std::set<int64_t> keys;
  for (const ScriptedCall& call : server.taken()) keys.insert(call.auth_key_id);
  EXPECT_GE(keys.size(), 2U);
}

TEST_F(AccountPfsTest, ABindingThatIsRefusedMakesAnotherTemporaryKey) {
  ScriptServer& server = add_dc(2);
  server.refuse_binds(1);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(server.exchanges(true), 2);
  EXPECT_EQ(server.exchanges(false), 1);
}

// The refusal ends the session, and the frame that brought it has moved the clock besides.
TEST_F(AccountPfsTest, ABindingThatIsRefusedWhileTheClockIsCorrected) {
  ScriptServer& server = add_dc(2);
  server.refuse_binds(2, 2 * kNsPerSecond);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(server.exchanges(true), 3);
}

TEST_F(AccountPfsTest, ThreeRefusedBindingsHaveThePermanentKeyLookedAt) {
  ScriptServer& server = add_dc(2);
  server.refuse_binds(3);
  begin(make_state(2, 77));
  // make_state() has spent the refusals on its own key.
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  server.refuse_binds(3);
  const int pings = server.pings();
  account_.reset();
  client::AccountState state;
  begin(state);
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_GE(server.pings(), pings + 1);
}

TEST_F(AccountPfsTest, APermanentKeyThatIsGoneIsFoundOutThroughItsBindings) {
  ScriptServer& server = add_dc(2);
  const client::AccountState state = make_state(2, 77);
  server.forget_keys();
  begin(state);
  const auto& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kSignedOut);
  EXPECT_EQ(account_->condition(), Condition::kSignedOut);
  EXPECT_EQ(account_->state().keys.at(2).auth_key_id, state.keys.at(2).auth_key_id);
}

TEST_F(AccountPfsTest, AServerThatLostTheBindingIsToldAgain) {
  ScriptServer& server = add_dc(2, [first = true](const ScriptedCall& call) mutable {
    if (call.method == kNumbered && std::exchange(first, false)) {
      return refuse(401, "AUTH_KEY_PERM_EMPTY");
    }
    return civil(call);
  });
  begin(make_state(2, 77));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_GE(server.binds(), 2);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
}

}  // namespace
}  // namespace ringway::testing
