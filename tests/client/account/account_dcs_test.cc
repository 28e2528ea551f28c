// An account among several DCs: redirects, and the sign-in that is taken along.
#include <fmt/format.h>

#include <atomic>

#include "client/account/account_testing.h"

namespace ringway::testing {
namespace {

using client::CallOutcome;
using client::Condition;

constexpr int64_t kUser = 77;

Reaction exported(const ScriptedCall&) {
  return answer(result_of(
      "auth.exportAuthorization",
      tl::dynamic::Object{"auth.exportedAuthorization", {{"id", kUser}, {"bytes", "a pass"}}, {}}));
}

// Sends numbered calls to another DC, and exports sign-ins.
ScriptServer::Script redirect_to(int32_t dc, const std::string& prefix) {
  return [text = fmt::format("{}_MIGRATE_{}", prefix, dc)](const ScriptedCall& call) {
    if (call.method == kNumbered) return refuse(303, text);
    if (call.method == id_of("auth.exportAuthorization")) return exported(call);
    return civil(call);
  };
}

// Serves those that somebody has signed in for there.
ScriptServer::Script wants_import() {
  return [imported = false](const ScriptedCall& call) mutable {
    if (call.method == id_of("auth.importAuthorization")) {
      imported = true;
      return answer(authorization_of(kUser));
    }
    if (call.method == kNumbered && !imported) return refuse(401, "AUTH_KEY_UNREGISTERED");
    return civil(call);
  };
}

class AccountDcsTest : public AccountTest {};

TEST_F(AccountDcsTest, APhoneOfAnotherDcMakesThatOneHome) {
  add_dc(2, redirect_to(4, "PHONE"));
  ScriptServer& home = add_dc(4);
  begin();
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->state().main_dc, 4);
  EXPECT_EQ(account_->condition(), Condition::kNotSignedIn);
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(home.taken(kNumbered), 2U);
  EXPECT_EQ(servers_[2]->taken(kNumbered), 1U) << "later calls go home at once";
  EXPECT_EQ(account_->state().keys.size(), 2U);
  EXPECT_EQ(account_->state().port, home.port());
  EXPECT_EQ(account_->counts().redirects, 1U);
}

TEST_F(AccountDcsTest, AUserWhoMovedTakesTheSignInAlong) {
  ScriptServer& before = add_dc(2, redirect_to(4, "USER"));
  ScriptServer& home = add_dc(4, wants_import());
  begin(make_state(2, kUser));
  const auto first = start(1);
  const auto second = start(2);
  EXPECT_EQ(outcome(first).end, End::kResult) << outcome(first).text;
  EXPECT_EQ(outcome(second).end, End::kResult) << outcome(second).text;
  EXPECT_EQ(account_->state().main_dc, 4);
  EXPECT_EQ(account_->state().user_id(), kUser);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(before.taken(id_of("auth.exportAuthorization")), 1U);
  EXPECT_EQ(home.taken(id_of("auth.importAuthorization")), 1U);
  EXPECT_EQ(outcome(start(3)).end, End::kResult);
  EXPECT_EQ(before.taken(kNumbered), 2U);
}

TEST_F(AccountDcsTest, AUserMovesToADcThatHasTheSignInAlready) {
  ScriptServer& before = add_dc(2, [](const ScriptedCall& call) {
    if (call.method == id_of("auth.exportAuthorization")) return exported(call);
    if (call.method != kNumbered) return civil(call);
    return refuse(303, number_of(call.object) == 1 ? "FILE_MIGRATE_4" : "USER_MIGRATE_4");
  });
  ScriptServer& home = add_dc(4, wants_import());
  begin(make_state(2, kUser));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->state().main_dc, 2);
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(account_->state().main_dc, 4);
  EXPECT_EQ(account_->state().port, home.port());
  EXPECT_EQ(account_->state().user_id(), kUser);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(outcome(start(3)).end, End::kResult);
  EXPECT_EQ(before.taken(kNumbered), 2U) << "later calls go home at once";
  EXPECT_EQ(home.taken(id_of("auth.importAuthorization")), 1U);
}

// What an earlier run took there may have been forgotten since, and home must not: it is taken
// again.
TEST_F(AccountDcsTest, AUserMovesToADcThatHadTheSignInInAnEarlierRun) {
  add_dc(2, redirect_to(4, "USER"));
  ScriptServer& home = add_dc(4, [](const ScriptedCall& call) {
    if (call.method == id_of("auth.importAuthorization")) return answer(authorization_of(kUser));
    return civil(call);
  });
  client::AccountState state = make_state(2, kUser);
  state.keys[4] = make_state(4, kUser).keys.at(4);
  begin(std::move(state));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(account_->state().main_dc, 4);
  EXPECT_EQ(account_->state().user_id(), kUser);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(home.taken(id_of("auth.importAuthorization")), 1U);
}

TEST_F(AccountDcsTest, CallsThatWaitForTheOldHomeGoToTheNewOne) {
  struct {
    std::atomic<bool> asked = false;
    std::atomic<bool> go_on = false;
  } import;
  ScriptServer& before = add_dc(2, redirect_to(4, "USER"));
  ScriptServer& home = add_dc(4, [&, serve = wants_import()](const ScriptedCall& call) mutable {
    if (call.method == id_of("auth.importAuthorization")) {
      import.asked = true;
      import.go_on.wait(false);
    }
    return serve(call);
  });
  begin(make_state(2, kUser));
  const auto moved = start(1);
  EXPECT_TRUE(run_until([&] { return import.asked.load(); }));
  before.refuse_connections(-429);
  before.cut();
  EXPECT_TRUE(run_until([&] { return account_->condition() == Condition::kConnecting; }));
  const auto waiting = start(2);
  const auto cancelled = start(3);
  account_->cancel(cancelled);
  import.go_on = true;
  import.go_on.notify_all();
  EXPECT_TRUE(run_until([&] { return account_->state().main_dc == 4; }));
  EXPECT_EQ(outcome(moved).end, End::kResult);
  EXPECT_EQ(outcome(waiting).end, End::kResult) << outcome(waiting).text;
  EXPECT_EQ(outcome(cancelled).end, End::kCancelled);
  EXPECT_FALSE(outcome(cancelled).sent);
  EXPECT_EQ(home.taken(kNumbered), 2U);
}

TEST_F(AccountDcsTest, AFileOfAnotherDcIsFetchedThereAndTheLinkKept) {
  ScriptServer& main = add_dc(2, redirect_to(4, "FILE"));
  ScriptServer& files = add_dc(4, wants_import());
  begin(make_state(2, kUser));
  for (int64_t number = 1; number <= 3; ++number) {
    EXPECT_EQ(outcome(start(number)).end, End::kResult);
  }
  EXPECT_EQ(account_->state().main_dc, 2);
  EXPECT_EQ(main.taken(id_of("auth.exportAuthorization")), 1U);
  EXPECT_EQ(files.taken(id_of("auth.importAuthorization")), 1U);
  EXPECT_EQ(files.connections(), 1);
  EXPECT_EQ(account_->state().keys.at(4).user_id, kUser);
  // The next run has the key and knows that it is signed in there.
  const client::AccountState state = account_->state();
  account_.reset();
  begin(state);
  EXPECT_EQ(outcome(start(4)).end, End::kResult);
  EXPECT_EQ(files.taken(id_of("auth.importAuthorization")), 1U);
  EXPECT_EQ(files.exchanges(false), 1);
}

TEST_F(AccountDcsTest, ALinkToAnotherDcIsClosedAfterFiveIdleMinutes) {
  ScriptServer& main = add_dc(2, redirect_to(4, "FILE"));
  ScriptServer& files = add_dc(4, wants_import());
  begin(make_state(2, kUser));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  const auto quarter = [&] {
    // Both servers are heard in between.
    const int pings = main.pings();
    pass(75 * kNsPerSecond);
    ASSERT_TRUE(run_until([&] { return main.pings() > pings; }));
    run_for(50 * kNsPerMs);
  };
  for (int i = 0; i < 3; ++i) quarter();
  EXPECT_EQ(files.open_connections(), 1U);
  // A call begins the time anew.
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  for (int i = 0; i < 3; ++i) quarter();
  EXPECT_EQ(files.open_connections(), 1U);
  for (int i = 0; i < 2; ++i) quarter();
  EXPECT_TRUE(run_until([&] { return files.open_connections() == 0; }));
  EXPECT_EQ(main.open_connections(), 1U) << "home stays";
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(outcome(start(3)).end, End::kResult);
  EXPECT_EQ(files.connections(), 2);
  EXPECT_EQ(files.taken(id_of("auth.importAuthorization")), 1U);
  EXPECT_EQ(files.exchanges(false), 1);
}

TEST_F(AccountDcsTest, ADcThatForgotTheUserIsToldAgain) {
  add_dc(2, redirect_to(4, "STATS"));
  ScriptServer& stats = add_dc(4, wants_import());
  begin(make_state(2, kUser));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  stats.set_script(wants_import());
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(stats.taken(id_of("auth.importAuthorization")), 2U);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
}

TEST_F(AccountDcsTest, AConnectionThatBreaksDuringTheImportIsMadeAgain) {
  add_dc(2, redirect_to(4, "FILE"));
  ScriptServer& files =
      add_dc(4, [first = true, serve = wants_import()](const ScriptedCall& call) mutable {
        if (call.method == id_of("auth.importAuthorization") && std::exchange(first, false)) {
          return Reaction{.kind = Reaction::Kind::kCut};
        }
        return serve(call);
      });
  begin(make_state(2, kUser));
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_EQ(files.connections(), 2);
}

TEST_F(AccountDcsTest, ASignInThatIsNotExportedFailsTheCallsThatNeedIt) {
  add_dc(2, [](const ScriptedCall& call) {
    if (call.method == kNumbered) return refuse(303, "FILE_MIGRATE_4");
    if (call.method == id_of("auth.exportAuthorization")) return refuse(400, "DC_ID_INVALID");
    return civil(call);
  });
  add_dc(4, wants_import());
  begin(make_state(2, kUser));
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kRpcError);
  EXPECT_EQ(done.text, "DC_ID_INVALID");
}

TEST_F(AccountDcsTest, DcsThatPointAtEachOtherAreLeftAlone) {
  add_dc(2, redirect_to(4, "FILE"));
  ScriptServer& other = add_dc(4, redirect_to(2, "FILE"));
  begin();
  const CallOutcome& done = outcome(start(1));
  EXPECT_EQ(done.end, End::kUnavailable);
  EXPECT_NE(done.text.find("circles"), std::string::npos) << done.text;
  EXPECT_EQ(servers_[2]->taken(kNumbered) + other.taken(kNumbered), 4U);
}

TEST_F(AccountDcsTest, ARedirectToNowhereIsNotFollowed) {
  for (const char* text : {"FILE_MIGRATE_", "FILE_MIGRATE_0", "FILE_MIGRATE_x", "GO_AWAY",
                           "FILE_MIGRATE_99999999999"}) {
    account_.reset();
    options_.addresses.clear();
    add_dc(2, [text](const ScriptedCall& call) {
      return call.method == kNumbered ? refuse(303, text) : civil(call);
    });
    begin();
    EXPECT_EQ(outcome(start(1)).end, End::kUnavailable) << text;
  }
}

TEST_F(AccountDcsTest, ALoginTokenOfAnotherDcIsImportedThere) {
  const Bytes exported_token = result_of(
      "auth.exportLoginToken",
      tl::dynamic::Object{"auth.loginTokenMigrateTo", {{"dc_id", 4}, {"token", "t0ken"}}, {}});
  const tl::dynamic::Object user{"user", {{"id", kUser}, {"self", true}}, {}};
  const tl::dynamic::Object authorization{"auth.authorization", {{"user", user}}, {}};
  const Bytes success = result_of(
      "auth.importLoginToken",
      tl::dynamic::Object{"auth.loginTokenSuccess", {{"authorization", authorization}}, {}});
  add_dc(2, [exported_token](const ScriptedCall& call) {
    return call.method == id_of("auth.exportLoginToken") ? answer(exported_token) : civil(call);
  });
  ScriptServer& home = add_dc(4, [success](const ScriptedCall& call) {
    return call.method == id_of("auth.importLoginToken") ? answer(success) : civil(call);
  });
  begin();
  const CallOutcome& done =
      run(write({"auth.exportLoginToken", {{"api_id", 1}, {"api_hash", "h"}}, {}}));
  EXPECT_EQ(done.result, success);
  EXPECT_EQ(account_->state().main_dc, 4);
  EXPECT_EQ(account_->state().user_id(), kUser);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(home.taken(id_of("auth.importLoginToken")), 1U);
}

TEST_F(AccountDcsTest, ANameThatIsNotAnsweredHoldsUpNobodyElse) {
  add_dc(2, redirect_to(4, "FILE"));
  ScriptServer& found = add_dc(5);
  // DC 4 and DC 5 have names; that of DC 4 hangs until the test is over.
  std::atomic<bool> over = false;
  options_.addresses.erase(options_.addresses.begin() + 1, options_.addresses.end());
  options_.addresses.push_back({.dc = 4, .host = "hanging.invalid", .port = 443});
  options_.addresses.push_back({.dc = 5, .host = "found.invalid", .port = found.port()});
  options_.resolve = [&, port = found.port()](const std::string& text, std::string& why) {
    if (text.starts_with("hanging")) {
      over.wait(false);
      why = "nobody answered";
      return Result<net::SocketAddress>(Error::kNotFound);
    }
    return client::resolve(fmt::format("127.0.0.1:{}", port), why);
  };
  begin();
  const auto waiting = start(1);
  EXPECT_TRUE(run_until([&] { return account_->counts().redirects == 1; }));
  servers_[2]->set_script(redirect_to(5, "FILE"));
  // A lookup, then a key exchange.
  EXPECT_EQ(outcome(start(2, within(20 * kNsPerSecond))).end, End::kResult);
  EXPECT_EQ(found.exchanges(false), 1);
  EXPECT_FALSE(sink_.done.contains(waiting));
  over = true;
  over.notify_all();
  account_.reset();
}

// --- A home of which only the address is known

// What a file without dc_id makes of a key.
client::AccountState without_number(client::AccountState state, const ScriptServer& server) {
  auto key = state.keys.extract(state.main_dc);
  key.key() = 0;
  state.keys.insert(std::move(key));
  state.main_dc = 0;
  state.host = "127.0.0.1";
  state.port = server.port();
  return state;
}

ScriptServer::Script says_it_is(int32_t dc) {
  const Bytes config =
      result_of("help.getConfig",
                tl::dynamic::Object{
                    "config",
                    {{"test_mode", false}, {"this_dc", dc}, {"dc_options", tl::dynamic::List{}}},
                    {}});
  return [config](const ScriptedCall& call) {
    return call.method == kGetConfig ? answer(config) : civil(call);
  };
}

TEST_F(AccountDcsTest, AHomeWithoutANumberLearnsItFromItsConfigurationAndKeepsIt) {
  ScriptServer& two = add_dc(2);
  ScriptServer& home = add_dc(4, says_it_is(4));
  const client::AccountState state = without_number(make_state(4, kUser), home);
  begin(state);
  EXPECT_EQ(outcome(start(1)).end, End::kResult);
  EXPECT_TRUE(run_until([&] { return account_->state().main_dc == 4; }));
  const client::AccountState learned = account_->state();
  EXPECT_EQ(learned.user_id(), kUser);
  EXPECT_EQ(learned.keys.size(), 1U);
  EXPECT_EQ(learned.keys.at(4).auth_key_id, state.keys.at(0).auth_key_id);
  EXPECT_GE(listener_.state_changes, 1);
  EXPECT_EQ(account_->counts().time_offsets_ns.count(4), 1U);
  // It goes on as any other.
  home.cut();
  EXPECT_EQ(outcome(start(2)).end, End::kResult);
  EXPECT_EQ(account_->condition(), Condition::kSignedIn);
  EXPECT_EQ(home.exchanges(false), 1);
  EXPECT_EQ(two.connections(), 0);
}

TEST_F(AccountDcsTest, AHomeWithoutANumberIsNowhereButAtItsAddress) {
  ScriptServer& two = add_dc(2);
  ScriptServer& home = add_dc(4, says_it_is(4));
  const client::AccountState state = without_number(make_state(4, kUser), home);
  home.refuse_connections(-429);
  begin(state);
  EXPECT_TRUE(run_until([&] { return account_->counts().connection_failures >= 3; }));
  EXPECT_EQ(two.connections(), 0) << "its key is none of that one's business";
  EXPECT_EQ(account_->state().main_dc, 0);
}

TEST_F(AccountDcsTest, TheConfigurationsAddressesAreUsedUnlessToldOtherwise) {
  ScriptServer other(civil);
  const auto option = [](int32_t dc, uint16_t port, const char* more) {
    tl::dynamic::Object made{
        "dcOption", {{"id", dc}, {"ip_address", "127.0.0.1"}, {"port", port}}, {}};
    if (more != nullptr) made.fields.push_back({more, true});
    return made;
  };
  // Those for other purposes name a port where nobody listens.
  const tl::dynamic::Object config{
      "config",
      {{"test_mode", false},
       {"dc_options", tl::dynamic::List{option(4, 1, "cdn"), option(4, 1, "media_only"),
                                        option(4, other.port(), nullptr)}}},
      {}};
  const Bytes configured = result_of("help.getConfig", config);
  for (const bool follow : {true, false}) {
    account_.reset();
    options_.follow_config = follow;
    options_.addresses.clear();
    add_dc(2, [configured](const ScriptedCall& call) {
      if (call.method == kNumbered) return refuse(303, "FILE_MIGRATE_4");
      return answer(configured);
    });
    begin();
    ASSERT_EQ(run(write({"help.getConfig", {}, {}})).end, End::kResult);
    const CallOutcome& done = outcome(start(1, within(2 * kNsPerSecond)));
    EXPECT_EQ(done.end, follow ? End::kResult : End::kDeadline);
  }
  EXPECT_EQ(other.taken(kNumbered), 1U);
}

}  // namespace
}  // namespace ringway::testing
