// Calls of an account at a DC that answers: what is wrapped, held back, given up and kept in order.
#include "client/account/account_testing.h"
#include "mtproto/tl.h"

namespace ringway::testing {
namespace {

using client::CallId;
using client::CallOutcome;
using client::Condition;

class AccountCallsTest : public AccountTest {};

// The first `count` calls are refused, the others are served.
ScriptServer::Script refuse_first(int count, int32_t code, std::string text) {
  return [count, code, text = std::move(text)](const ScriptedCall& call) mutable {
    if (call.method == kGetConfig || count-- <= 0) return civil(call);
    return refuse(code, text);
  };
}

TEST_F(AccountCallsTest, TheFirstCallsOfASessionSayWhoCalls) {
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  const auto taken = server.taken();
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_EQ(taken[0].method, kGetConfig);
  EXPECT_TRUE(taken[0].wrapped);
  EXPECT_TRUE(taken[1].wrapped) << "nothing is answered yet";
  EXPECT_FALSE(taken[2].wrapped);
}

TEST_F(AccountCallsTest, AServerThatForgotWhoCallsIsToldAgain) {
  ScriptServer& server = add_dc(2);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  server.set_script([](const ScriptedCall& call) {
    return call.wrapped ? civil(call) : refuse(400, "CONNECTION_NOT_INITED");
  });
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_TRUE(server.taken().back().wrapped);
}

TEST_F(AccountCallsTest, CallsOfOneTurnShareAFrameAndEachGetsItsOwnAnswer) {
  add_dc(2);
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  std::vector<CallId> calls;
  for (int64_t number = 0; number < 500; ++number) calls.push_back(start(number));
  EXPECT_EQ(account_->pending(), 500U);
  for (size_t i = 0; i < calls.size(); ++i) {
    ASSERT_EQ(outcome(calls[i]).end, End::kResult);
    EXPECT_EQ(number_of(outcome(calls[i]).result), static_cast<int64_t>(i));
  }
  EXPECT_EQ(account_->pending(), 0U);
}

TEST_F(AccountCallsTest, ErrorsForTheCallerReachIt) {
  add_dc(2, refuse_first(1, 400, "PEER_ID_INVALID"));
  begin();
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kRpcError);
  EXPECT_EQ(done.code, 400);
  EXPECT_EQ(done.text, "PEER_ID_INVALID");
}

TEST_F(AccountCallsTest, SinksAreNotToldFromInsideStart) {
  add_dc(2);
  begin();
  const CallId odd = start(Bytes(5, 1));
  EXPECT_TRUE(sink_.done.empty());
  EXPECT_EQ(outcome(odd).end, End::kUnavailable);
  EXPECT_FALSE(outcome(odd).sent);
}

TEST_F(AccountCallsTest, TooManyCallsAreRefusedAndTheOthersServed) {
  add_dc(2);
  begin();
  std::vector<CallId> calls;
  for (int64_t number = 0; number < 5000; ++number) calls.push_back(start(number));
  ASSERT_TRUE(run_until([&] { return sink_.done.size() == calls.size(); }));
  size_t full = 0;
  for (const CallId call : calls) {
    if (sink_.done[call].end == End::kFull) ++full;
  }
  EXPECT_EQ(full, 1000U);
}

// --- Deadlines and cancelling

ScriptServer::Script silence() {
  return [](const ScriptedCall& call) {
    return call.method == kNumbered ? Reaction{.kind = Reaction::Kind::kSilence} : civil(call);
  };
}

TEST_F(AccountCallsTest, ADeadlineBeforeTheSendTouchesNothing) {
  ScriptServer& server = add_dc(2);
  server.refuse_connections(-429);
  begin();
  const CallId call = start(1, within(100 * kNsPerMs));
  EXPECT_EQ(outcome(call).end, End::kDeadline);
  EXPECT_FALSE(outcome(call).sent);
  server.refuse_connections(0);
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(server.taken(kNumbered), 1U);
}

TEST_F(AccountCallsTest, ADeadlineAfterTheSendDropsTheAnswer) {
  ScriptServer& server = add_dc(2, silence());
  begin();
  const CallId call = start(1, within(300 * kNsPerMs));
  EXPECT_EQ(outcome(call).end, End::kDeadline);
  EXPECT_TRUE(outcome(call).sent);
  EXPECT_TRUE(run_until([&] { return server.drops() == 1; }));
  EXPECT_EQ(account_->pending(), 0U);
}

TEST_F(AccountCallsTest, ACancelledCallIsTakenBackOrItsAnswerDropped) {
  ScriptServer& server = add_dc(2, silence());
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  const CallId sent = start(1);
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 1; }));
  const CallId unsent = start(2);
  account_->cancel(sent);
  account_->cancel(unsent);
  EXPECT_TRUE(sink_.done.empty()) << "not from inside cancel()";
  EXPECT_EQ(outcome(sent).end, End::kCancelled);
  EXPECT_TRUE(outcome(sent).sent);
  EXPECT_EQ(outcome(unsent).end, End::kCancelled);
  EXPECT_FALSE(outcome(unsent).sent);
  account_->cancel(sent);  // done: nothing happens
  EXPECT_TRUE(run_until([&] { return server.drops() == 1; }));
  EXPECT_EQ(server.taken(kNumbered), 1U);
}

TEST_F(AccountCallsTest, ACallThatWasGivenUpIsSettledWhenTheServerHasAnsweredThat) {
  add_dc(2, silence());
  begin();
  const CallId call =
      start(1, {.deadline_ns = within(300 * kNsPerMs).deadline_ns, .tell_settled = true});
  const CallId silent = start(2, within(300 * kNsPerMs));
  EXPECT_EQ(outcome(call).end, End::kDeadline);
  EXPECT_TRUE(outcome(call).settles);
  EXPECT_FALSE(outcome(silent).settles) << "nobody asked";
  EXPECT_TRUE(run_until([&] { return sink_.settled.contains(call); }));
  EXPECT_FALSE(sink_.settled.contains(silent));
}

TEST_F(AccountCallsTest, ACallThatWasGivenUpIsSettledByItsResultOrAfterAMinute) {
  ScriptServer& server = add_dc(2, silence());
  server.ignore_drops();
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  const CallId answered = start(1, {.tell_settled = true});
  const CallId unanswered = start(2, {.tell_settled = true});
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 2; }));
  account_->cancel(answered);
  account_->cancel(unanswered);
  EXPECT_TRUE(outcome(answered).settles);
  EXPECT_TRUE(outcome(unanswered).settles);
  EXPECT_EQ(account_->pending(), 0U);
  ASSERT_TRUE(run_until([&] { return server.drops() == 2; }));
  Bytes late;
  ByteAppender out(late);
  out.u32(mtproto::constructor::kRpcResult);
  for (const ScriptedCall& call : server.taken()) {
    if (call.method == kNumbered && number_of(call.object) == 1) out.i64(call.msg_id);
  }
  out.bytes(numbered(kNumber, 1));
  server.push(late);
  EXPECT_TRUE(run_until([&] { return sink_.settled.contains(answered); }));
  pass(50 * kNsPerSecond);
  EXPECT_EQ(run(numbered(0x11223344, 1)).end, End::kRpcError);
  EXPECT_FALSE(sink_.settled.contains(unanswered));
  pass(11 * kNsPerSecond);
  EXPECT_TRUE(run_until([&] { return sink_.settled.contains(unanswered); }));
}

TEST_F(AccountCallsTest, NothingHasToSettleOfCallsThatTheServerNeverHad) {
  ScriptServer& server = add_dc(2);
  server.refuse_connections(-429);
  begin();
  const CallId call = start(1, {.tell_settled = true});
  account_->cancel(call);
  EXPECT_EQ(outcome(call).end, End::kCancelled);
  EXPECT_FALSE(outcome(call).settles);
}

TEST_F(AccountCallsTest, TheEndOfTheSignInSettlesWhatWasGivenUp) {
  ScriptServer& server = add_dc(2, silence());
  server.ignore_drops();
  begin(make_state(2, 77));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const CallId call = start(1, {.tell_settled = true});
  ASSERT_TRUE(run_until([&] { return server.taken(kNumbered) == 1; }));
  account_->cancel(call);
  EXPECT_TRUE(outcome(call).settles);
  server.set_script([](const ScriptedCall&) { return refuse(401, "SESSION_REVOKED"); });
  EXPECT_EQ(outcome(start(2)).end, End::kSignedOut);
  EXPECT_TRUE(run_until([&] { return sink_.settled.contains(call); }));
}

// --- Waits

TEST_F(AccountCallsTest, AShortWaitIsSatOut) {
  ScriptServer& server = add_dc(2, refuse_first(1, 420, "FLOOD_WAIT_1"));
  begin();
  const CallId first = start(1);
  ASSERT_TRUE(run_until([&] { return !sink_.held[first].empty(); }));
  const CallId second = start(2);
  EXPECT_EQ(outcome(first).end, End::kResult);
  EXPECT_EQ(outcome(second).end, End::kResult);
  EXPECT_EQ(sink_.held[first], (std::vector<bool>{true, false}));
  EXPECT_EQ(sink_.held[second], (std::vector<bool>{true, false}));
  EXPECT_EQ(server.taken(kNumbered), 3U) << "the refused one, its repetition, and the other one";
  EXPECT_EQ(account_->counts().waits, 1U);
}

TEST_F(AccountCallsTest, ALongWaitIsToldAtOnceAndKeepsFurtherCallsBack) {
  ScriptServer& server = add_dc(2, refuse_first(100, 420, "FLOOD_WAIT_600"));
  begin();
  const CallOutcome& first = outcome(start(1));
  EXPECT_EQ(first.end, End::kRpcError);
  EXPECT_EQ(first.code, 420);
  EXPECT_EQ(first.text, "FLOOD_WAIT_600");
  EXPECT_EQ(first.retry_after_seconds, 600);
  const CallOutcome& second = outcome(start(2));
  EXPECT_EQ(second.code, 420);
  EXPECT_TRUE(second.text.starts_with("FLOOD_WAIT_"));
  EXPECT_GE(second.retry_after_seconds, 590);
  EXPECT_LE(second.retry_after_seconds, 600);
  EXPECT_EQ(server.taken(kNumbered), 1U);
  // Other methods are not concerned.
  EXPECT_EQ(outcome(start(numbered(0x11223344, 1))).code, 420);
  EXPECT_EQ(server.taken(0x11223344), 1U);
}

TEST_F(AccountCallsTest, AWaitThatDoesNotFitTheDeadlineIsToldAtOnce) {
  add_dc(2, refuse_first(1, 420, "FLOOD_WAIT_5"));
  begin();
  const CallOutcome& done = outcome(start(1, within(4 * kNsPerSecond)));
  EXPECT_EQ(done.end, End::kRpcError);
  EXPECT_EQ(done.retry_after_seconds, 5);
}

TEST_F(AccountCallsTest, SlowModeOfOneChatDoesNotStopAnother) {
  const auto message_to = [](int64_t chat) {
    const tl::dynamic::Object peer{"inputPeerChat", {{"chat_id", chat}}, {}};
    return write({"messages.sendMessage", {{"peer", peer}, {"message", "x"}}, {}});
  };
  const Bytes slow = message_to(1);
  ScriptServer& server = add_dc(2, [slow](const ScriptedCall& call) {
    if (call.object == slow) return refuse(420, "SLOWMODE_WAIT_300");
    return call.method == kGetConfig ? civil(call) : answer(numbered(kNumber, 1));
  });
  begin();
  EXPECT_EQ(outcome(start(slow)).code, 420);
  EXPECT_EQ(outcome(start(message_to(2))).end, End::kResult);
  EXPECT_EQ(outcome(start(slow)).text.substr(0, 14), "SLOWMODE_WAIT_");
  EXPECT_EQ(server.taken(id_of("messages.sendMessage")), 2U);
}

// --- Order

TEST_F(AccountCallsTest, CallsOfOneOrderNameTheirPredecessor) {
  ScriptServer& server = add_dc(2, [](const ScriptedCall& call) {
    return call.method == kNumbered && number_of(call.object) < 3
               ? Reaction{.kind = Reaction::Kind::kSilence}
               : civil(call);
  });
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  std::vector<CallId> calls;
  for (int64_t number = 1; number <= 3; ++number) calls.push_back(start(number, {.order = 9}));
  const CallId other = start(4, {.order = 8});
  EXPECT_EQ(outcome(other).end, End::kResult);
  EXPECT_EQ(outcome(calls[2]).end, End::kResult);
  std::map<int64_t, ScriptedCall> taken;
  for (const ScriptedCall& call : server.taken()) {
    if (call.method == kNumbered) taken[number_of(call.object)] = call;
  }
  EXPECT_EQ(taken[1].after_msg_id, 0);
  EXPECT_EQ(taken[2].after_msg_id, taken[1].msg_id);
  EXPECT_EQ(taken[3].after_msg_id, taken[2].msg_id);
  EXPECT_EQ(taken[4].after_msg_id, 0);
}

TEST_F(AccountCallsTest, OrderOutlivesAWait) {
  // What the server does with a call whose predecessor it refused.
  ScriptServer& server = add_dc(2, [refused = false, done = 0](const ScriptedCall& call) mutable {
    if (call.method != kNumbered) return civil(call);
    const int64_t number = number_of(call.object);
    if (number == 1 && !refused) {
      refused = true;
      return refuse(420, "FLOOD_WAIT_1");
    }
    if (number != done + 1) return refuse(400, "MSG_WAIT_FAILED");
    ++done;
    return civil(call);
  });
  begin();
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kNotSignedIn; }));
  std::vector<CallId> calls;
  for (int64_t number = 1; number <= 4; ++number) calls.push_back(start(number, {.order = 9}));
  for (const CallId call : calls) {
    EXPECT_EQ(outcome(call).end, End::kResult) << call << ": " << outcome(call).text;
  }
  EXPECT_EQ(sink_.order, calls);
  EXPECT_GE(server.taken(kNumbered), 5U);
}

// --- Updates and who is signed in

Bytes too_long() {
  Bytes tl;
  ByteAppender(tl).u32(modern_layer()->constructor("updatesTooLong")->id);
  return tl;
}

TEST_F(AccountCallsTest, UpdatesAreHeardWhetherPushedOrInResults) {
  ScriptServer& server = add_dc(2, [](const ScriptedCall& call) {
    return call.method == kNumbered ? answer(too_long()) : civil(call);
  });
  begin();
  EXPECT_EQ(outcome(start(1)).result, too_long());
  EXPECT_EQ(listener_.updates.size(), 1U);
  server.push(too_long());
  EXPECT_TRUE(run_until([&] { return listener_.updates.size() == 2; }));
  EXPECT_EQ(listener_.updates.back(), too_long());
}

TEST_F(AccountCallsTest, ResultsThatHoldUpdatesOrMoveThemAreNoticedWithTheirCalls) {
  const tl::dynamic::Object updates{"updatesTooLong", {}, {}};
  const Bytes invited = result_of(
      "channels.inviteToChannel",
      tl::dynamic::Object{"messages.invitedUsers",
                          {{"updates", updates}, {"missing_invitees", tl::dynamic::List{}}},
                          {}});
  const Bytes paid =
      result_of("payments.sendPaymentForm",
                tl::dynamic::Object{"payments.paymentResult", {{"updates", updates}}, {}});
  const Bytes read = result_of(
      "messages.readHistory",
      tl::dynamic::Object{"messages.affectedMessages", {{"pts", 5}, {"pts_count", 1}}, {}});
  const Bytes deleted =
      result_of("messages.deleteHistory",
                tl::dynamic::Object{
                    "messages.affectedHistory", {{"pts", 5}, {"pts_count", 1}, {"offset", 0}}, {}});
  const std::vector<Bytes> results = {invited, paid, read, deleted};
  add_dc(2, [results](const ScriptedCall& call) {
    if (call.method != kNumbered) return civil(call);
    return answer(results.at(static_cast<size_t>(number_of(call.object))));
  });
  begin();
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(outcome(start(static_cast<int64_t>(i))).result, results[i]);
    ASSERT_EQ(listener_.calls.size(), i + 1);
    EXPECT_EQ(listener_.calls[i], numbered(kNumbered, static_cast<int64_t>(i)));
  }
  EXPECT_EQ(listener_.updates, (std::vector<Bytes>{too_long(), too_long()}));
  EXPECT_EQ(listener_.affected, (std::vector<Bytes>{read, deleted}));
}

TEST_F(AccountCallsTest, SigningInAndOutIsNoticed) {
  add_dc(2, [](const ScriptedCall& call) {
    if (call.method == id_of("auth.importBotAuthorization")) return answer(authorization_of(4711));
    if (call.method == id_of("auth.logOut")) {
      return answer(result_of("auth.logOut", tl::dynamic::Object{"auth.loggedOut", {}, {}}));
    }
    return civil(call);
  });
  begin();
  EXPECT_EQ(run(write({"auth.importBotAuthorization",
                       {{"api_id", 1}, {"api_hash", "h"}, {"bot_auth_token", "t"}},
                       {}}))
                .end,
            End::kResult);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(account_->state().user_id(), 4711);
  EXPECT_EQ(listener_.users, std::vector<int64_t>{4711});
  const int changes = listener_.state_changes;
  EXPECT_EQ(run(write({"auth.logOut", {}, {}})).end, End::kResult);
  EXPECT_EQ(account_->condition(), Condition::kNotSignedIn);
  EXPECT_EQ(account_->state().user_id(), 0);
  EXPECT_GT(listener_.state_changes, changes);
  EXPECT_EQ(listener_.users, (std::vector<int64_t>{4711, 0}));
}

TEST_F(AccountCallsTest, ASignInInPlaceOfAnotherOneIsNoticed) {
  add_dc(2, [](const ScriptedCall& call) {
    return call.method == id_of("auth.importBotAuthorization") ? answer(authorization_of(4712))
                                                               : civil(call);
  });
  begin(make_state(2, 4711));
  ASSERT_TRUE(run_until([&] { return account_->condition() == Condition::kSignedIn; }));
  const Bytes sign_in = write({"auth.importBotAuthorization",
                               {{"api_id", 1}, {"api_hash", "h"}, {"bot_auth_token", "t"}},
                               {}});
  EXPECT_EQ(run(sign_in).end, End::kResult);
  EXPECT_EQ(account_->state().user_id(), 4712);
  EXPECT_EQ(run(sign_in).end, End::kResult);
  EXPECT_EQ(listener_.users, std::vector<int64_t>{4712}) << "the second one changed nothing";
  EXPECT_EQ(listener_.conditions, std::vector<Condition>{Condition::kSignedIn});
}

TEST_F(AccountCallsTest, AnAccountMayEndWithCallsUnderWay) {
  add_dc(2, silence());
  begin();
  start(1);
  run_for(50 * kNsPerMs);
  start(2);
  account_.reset();
  run_for(50 * kNsPerMs);
  EXPECT_TRUE(sink_.done.empty());
}

}  // namespace
}  // namespace ringway::testing
