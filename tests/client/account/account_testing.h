// What the account's tests share: an account at scripted DCs, and a record of what it says.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/account/account.h"
#include "client/account/script_server.h"
#include "client/objects.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::testing {

inline constexpr uint32_t kNumbered = 0x0badca11;  // of no layer: a call with a number
inline constexpr uint32_t kNumber = 0x600dd0d0;    // its result
inline constexpr uint32_t kGetConfig = client::constructor::kHelpGetConfig;

inline std::shared_ptr<const tl::dynamic::Layer> modern_layer() {
  static const auto layer = [] {
    auto parsed = tl::parse_schema(*tl::embedded_schema(tl::kModernLayer));
    return std::make_shared<const tl::dynamic::Layer>(tl::kModernLayer, std::move(parsed.schema));
  }();
  return layer;
}

inline Bytes write(const tl::dynamic::Object& call) {
  Bytes tl;
  ByteAppender out(tl);
  EXPECT_TRUE(modern_layer()->write_call(call, out)) << call.name;
  return tl;
}

inline Bytes result_of(const char* method, const tl::dynamic::Value& result) {
  Bytes tl;
  ByteAppender out(tl);
  EXPECT_TRUE(modern_layer()->write_answer(*modern_layer()->method(method), result, out)) << method;
  return tl;
}

inline uint32_t id_of(const char* method) { return modern_layer()->method(method)->id; }

inline Bytes numbered(uint32_t constructor, int64_t number) {
  Bytes tl;
  ByteAppender out(tl);
  out.u32(constructor);
  out.i64(number);
  return tl;
}
inline int64_t number_of(ByteView tl) { return load_le<int64_t>(tl.data() + 4); }

inline Bytes authorization_of(int64_t user_id) {
  const tl::dynamic::Object user{"user", {{"id", user_id}, {"self", true}}, {}};
  return result_of("auth.importAuthorization",
                   tl::dynamic::Object{"auth.authorization", {{"user", user}}, {}});
}

// Numbered calls get their numbers; the configuration is refused, which harms nobody.
inline Reaction civil(const ScriptedCall& call) {
  if (call.method == kNumbered) return answer(numbered(kNumber, number_of(call.object)));
  return refuse(400, "METHOD_INVALID");
}

struct Sink final : client::CallSink {
  void on_call_done(client::CallId call, client::CallOutcome outcome) override {
    EXPECT_TRUE(done.emplace(call, std::move(outcome)).second) << "told twice";
    order.push_back(call);
    if (then) then(call);
  }
  void on_call_held(client::CallId call, bool is_held) override { held[call].push_back(is_held); }
  void on_call_settled(client::CallId call) override {
    EXPECT_TRUE(done.contains(call));
    EXPECT_TRUE(settled.insert(call).second) << "told twice";
  }

  std::map<client::CallId, client::CallOutcome> done;
  std::vector<client::CallId> order;
  std::map<client::CallId, std::vector<bool>> held;
  std::set<client::CallId> settled;
  std::function<void(client::CallId)> then;
};

struct Listener final : client::AccountListener {
  void on_updates(ByteView tl, ByteView call) override {
    updates.emplace_back(tl.begin(), tl.end());
    calls.emplace_back(call.begin(), call.end());
  }
  void on_affected(ByteView result, ByteView call) override {
    affected.emplace_back(result.begin(), result.end());
    calls.emplace_back(call.begin(), call.end());
  }
  void on_gap() override {
    ++gaps;
    if (at_gap) at_gap();
  }
  void on_condition(client::Condition condition) override { conditions.push_back(condition); }
  void on_state_changed() override { ++state_changes; }
  void on_user(int64_t user_id) override { users.push_back(user_id); }

  std::vector<Bytes> updates;
  std::vector<Bytes> affected;
  std::vector<Bytes> calls;  // of both, in order
  int gaps = 0;
  std::function<void()> at_gap;
  std::vector<client::Condition> conditions;
  std::vector<int64_t> users;
  int state_changes = 0;
};

class AccountTest : public ::testing::Test {
 protected:
  using End = client::CallOutcome::End;

  AccountTest() {
    auto made = client::EventLoop::make([this] {
      const Now now = read_clocks();
      return Now{now.mono_ns + ahead_ns_, now.unix_ns + ahead_ns_};
    });
    EXPECT_TRUE(made.ok());
    loop_ = *std::move(made);
    options_.layer = modern_layer();
    options_.api_id = 1;
    options_.server_keys = {{ScriptServer::key(), ScriptServer::key()->fingerprint()}};
  }

  ScriptServer& add_dc(int32_t dc, ScriptServer::Script script = civil) {
    servers_[dc] = std::make_unique<ScriptServer>(std::move(script));
    options_.addresses.push_back({.dc = dc, .host = "127.0.0.1", .port = servers_[dc]->port()});
    return *servers_[dc];
  }
  void begin(client::AccountState state = {}) {
    sink_.done.clear();
    sink_.settled.clear();  // each account numbers its calls from the start
    account_ = std::make_unique<client::Account>(*loop_, options_, std::move(state), listener_);
  }
  // A state with a key for `dc`, of somebody who is signed in when `user_id` is not 0.
  client::AccountState make_state(int32_t dc, int64_t user_id) {
    Listener unheard;
    client::AccountState fresh;
    fresh.main_dc = dc;
    client::Account account(*loop_, options_, fresh, unheard);
    EXPECT_TRUE(run_until([&] {
      return account.state().keys.contains(dc) &&
             account.condition() == client::Condition::kNotSignedIn;
    }));
    client::AccountState state = account.state();
    state.keys.at(dc).user_id = user_id;
    return state;
  }

  bool run_until(const std::function<bool()>& found, int seconds = 30) {
    const int64_t end_ns = read_clocks().mono_ns + seconds * kNsPerSecond;
    while (!found()) {
      if (read_clocks().mono_ns > end_ns) return false;
      loop_->run_once(20 * kNsPerMs);
    }
    return true;
  }
  // Everybody's clocks go forward at once.
  void pass(int64_t duration_ns) {
    ahead_ns_ += duration_ns;
    for (const auto& [dc, server] : servers_) server->set_clock(ahead_ns_);
    // What is begun next counts its time from now.
    loop_->run_once(0);
  }
  void run_for(int64_t duration_ns) {
    const int64_t end_ns = read_clocks().mono_ns + duration_ns;
    while (read_clocks().mono_ns < end_ns) loop_->run_once(10 * kNsPerMs);
  }

  client::CallId start(Bytes tl, const client::CallOptions& options = {}) {
    return account_->start(std::move(tl), options, sink_);
  }
  client::CallId start(int64_t number, const client::CallOptions& options = {}) {
    return start(numbered(kNumbered, number), options);
  }
  [[nodiscard]] client::CallOptions within(int64_t duration_ns) const {
    return {.deadline_ns = loop_->now().mono_ns + duration_ns};
  }
  const client::CallOutcome& outcome(client::CallId call) {
    EXPECT_TRUE(run_until([&] { return sink_.done.contains(call); })) << "call " << call;
    return sink_.done[call];
  }
  // Starts a call and waits for what comes of it.
  const client::CallOutcome& run(Bytes tl, const client::CallOptions& options = {}) {
    return outcome(start(std::move(tl), options));
  }

  int64_t ahead_ns_ = 0;  // the loop's clock of the real one
  std::unique_ptr<client::EventLoop> loop_;
  client::AccountOptions options_;
  std::map<int32_t, std::unique_ptr<ScriptServer>> servers_;
  Listener listener_;
  Sink sink_;
  std::unique_ptr<client::Account> account_;
};

}  // namespace ringway::testing
