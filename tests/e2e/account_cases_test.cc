// An account, its keys and its calls against the real gateway and the real messenger.
#include <gtest/gtest.h>
#include <signal.h>

#include "client/account/account.h"
#include "e2e/stack.h"
#include "e2e/sync_caller.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::testing {
namespace {

using client::Account;
using client::Condition;
using tl::dynamic::Layer;
using tl::dynamic::Object;

constexpr const char* kUsers =
    "15550001 Alice alice\n"
    "15550002 Bob bob correct-horse\n";

std::shared_ptr<const Layer> layer_of(int number) {
  auto parsed = tl::parse_schema(*tl::embedded_schema(number));
  return std::make_shared<Layer>(number, std::move(parsed.schema));
}

// Everything that an account says, for looking at.
struct Listener final : client::AccountListener {
  void on_updates(ByteView tl, ByteView) override { updates.emplace_back(tl.begin(), tl.end()); }
  void on_affected(ByteView, ByteView) override {}
  void on_gap() override { ++gaps; }
  void on_condition(Condition condition) override { conditions.push_back(condition); }
  void on_state_changed() override { ++state_changes; }
  void on_user(int64_t) override {}

  std::vector<Bytes> updates;
  int gaps = 0;
  std::vector<Condition> conditions;
  int state_changes = 0;
};

class AccountCases : public ::testing::Test {
 protected:
  AccountCases() {
    StackOptions options;
    write_text(users_.file("users"), kUsers);
    options.shard_arguments = {"--messenger", "--messenger-users", users_.file("users"),
                               "--messenger-code", "12345"};
    stack_ = std::make_unique<Stack>(std::move(options));
    auto made = client::EventLoop::make();
    EXPECT_TRUE(made.ok());
    loop_ = *std::move(made);
  }

  client::AccountOptions options(const std::string& name = "intermediate", int layer = 228) {
    client::AccountOptions options;
    options.layer = layer_of(layer);
    options.api_id = 1;
    options.transport = transport(name);
    options.server_keys = stack_->handshake().keys;
    options.addresses = {{.dc = 0, .host = "127.0.0.1", .port = stack_->port()}};
    options.follow_config = false;
    return options;
  }

  bool run_until(const std::function<bool()>& found, int seconds = 20) {
    const int64_t end_ns = read_clocks().mono_ns + seconds * kNsPerSecond;
    while (!found()) {
      if (read_clocks().mono_ns > end_ns) return false;
      loop_->run_once(50 * kNsPerMs);
    }
    return true;
  }

  // As somebody with no password.
  void sign_in(client::SyncCaller& caller, const std::string& phone) {
    Object send{"auth.sendCode",
                {{"phone_number", phone},
                 {"api_id", 1},
                 {"api_hash", "hash"},
                 {"settings", Object{"codeSettings", {}, {}}}},
                {}};
    const client::Answer sent = caller.call(send);
    ASSERT_NE(sent.object(), nullptr) << sent.problem();
    const client::Answer signed_in =
        caller.call({"auth.signIn",
                     {{"phone_number", phone},
                      {"phone_code_hash", sent.object()->text("phone_code_hash")},
                      {"phone_code", "12345"}},
                     {}});
    ASSERT_TRUE(signed_in.ok()) << signed_in.problem();
  }

  TempDir users_;
  std::unique_ptr<Stack> stack_;
  std::unique_ptr<client::EventLoop> loop_;
};

TEST_F(AccountCases, MakesAKeyAndCallsOverEveryTransport) {
  for (const char* name : kTransports) {
    Listener listener;
    const auto account_options = options(name);
    Account account(*loop_, account_options, {}, listener);
    client::SyncCaller caller(*loop_, account, account_options.layer);
    const client::Answer config = caller.call({"help.getConfig", {}, {}});
    ASSERT_NE(config.object(), nullptr) << name << ": " << config.problem();
    EXPECT_EQ(config.object()->name, "config");
    EXPECT_EQ(account.condition(), Condition::kNotSignedIn);
    EXPECT_EQ(account.counts().keys_made, 1U);
    EXPECT_EQ(account.state().keys.size(), 1U);
    EXPECT_GE(listener.state_changes, 1);
  }
}

TEST_F(AccountCases, SpeaksOldLayersToo) {
  for (const int layer : {71, 144}) {
    Listener listener;
    const auto account_options = options("abridged", layer);
    Account account(*loop_, account_options, {}, listener);
    client::SyncCaller caller(*loop_, account, account_options.layer);
    const client::CallOutcome outcome = [&] {
      Bytes tl;
      ByteAppender out(tl);
      EXPECT_TRUE(account_options.layer->write_call({"help.getConfig", {}, {}}, out));
      return caller.call_tl(std::move(tl));
    }();
    EXPECT_EQ(outcome.end, client::CallOutcome::End::kResult) << layer << ' ' << outcome.text;
  }
}

TEST_F(AccountCases, SignsInSendsAndComesBackWithTheSameKey) {
  Listener listener;
  const auto account_options = options();
  client::AccountState state;
  {
    Account account(*loop_, account_options, {}, listener);
    client::SyncCaller caller(*loop_, account, account_options.layer);
    sign_in(caller, "15550001");
    EXPECT_EQ(account.condition(), Condition::kSignedIn);
    const client::Answer self = caller.call(
        {"users.getUsers", {{"id", tl::dynamic::List{Object{"inputUserSelf", {}, {}}}}}, {}});
    ASSERT_TRUE(self.ok()) << self.problem();
    state = account.state();
    EXPECT_NE(state.user_id(), 0);
    EXPECT_EQ(state.port, stack_->port());
  }
  Listener second;
  Account account(*loop_, account_options, state, second);
  client::SyncCaller caller(*loop_, account, account_options.layer);
  const client::Answer dialogs =
      caller.call({"messages.getDialogs",
                   {{"offset_peer", Object{"inputPeerEmpty", {}, {}}}, {"limit", 10}},
                   {}});
  EXPECT_TRUE(dialogs.ok()) << dialogs.problem();
  EXPECT_EQ(account.counts().keys_made, 0U);
  EXPECT_EQ(account.condition(), Condition::kSignedIn);
  EXPECT_EQ(account.state().keys.at(2).auth_key_id, state.keys.at(2).auth_key_id);
  EXPECT_EQ(second.gaps, 1);
}

struct Sink final : client::CallSink {
  void on_call_done(client::CallId, client::CallOutcome outcome) override {
    ++done;
    if (outcome.end != client::CallOutcome::End::kResult) problems.push_back(outcome.text);
    if (then) then();
  }
  int done = 0;
  std::vector<std::string> problems;
  std::function<void()> then;
};

TEST_F(AccountCases, EveryMessageArrivesOnceThoughTheGatewayIsKilled) {
  constexpr int kMessages = 200;
  Listener listener;
  const auto account_options = options();
  Account account(*loop_, account_options, {}, listener);
  client::SyncCaller caller(*loop_, account, account_options.layer);
  sign_in(caller, "15550001");
  Sink sink;
  int next = 0;
  const auto send = [&] {
    if (next == kMessages) return;
    Bytes tl;
    ByteAppender out(tl);
    ASSERT_TRUE(account_options.layer->write_call({"messages.sendMessage",
                                                   {{"peer", Object{"inputPeerSelf", {}, {}}},
                                                    {"message", "message " + std::to_string(next)},
                                                    {"random_id", 1000 + next}},
                                                   {}},
                                                  out));
    ++next;
    account.start(std::move(tl), {}, sink);
  };
  sink.then = send;
  for (int i = 0; i < 8; ++i) send();
  for (const int at : {40, 120}) {
    ASSERT_TRUE(run_until([&] { return sink.done >= at; }));
    stack_->gateway().signal(SIGKILL);
    ASSERT_TRUE(stack_->gateway().wait(10'000).has_value());
    stack_->start_gateway();
  }
  ASSERT_TRUE(run_until([&] { return sink.done == kMessages; }, 90)) << sink.done;
  EXPECT_TRUE(sink.problems.empty()) << sink.problems.front();
  const client::Answer history = caller.call(
      {"messages.getHistory", {{"peer", Object{"inputPeerSelf", {}, {}}}, {"limit", 1}}, {}});
  ASSERT_NE(history.object(), nullptr) << history.problem();
  // A slice says how many there are in all.
  EXPECT_EQ(history.object()->number("count"), kMessages);
  EXPECT_GE(account.counts().connects, 3U);
}

}  // namespace
}  // namespace ringway::testing
