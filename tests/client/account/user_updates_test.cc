// Whose updates they are, and what happens when that changes.
#include "client/account/user_updates.h"

#include <map>

#include "client/account/updates_bench.h"

namespace ringway::client {
namespace {

constexpr int64_t kFirst = 71;
constexpr int64_t kSecond = 72;

class UserUpdatesTest : public ::testing::Test,
                        public UpdatesBench,
                        private Calls,
                        private UpdateSink {
 protected:
  UserUpdatesTest() : loop_(*EventLoop::make()) { make(); }
  ~UserUpdatesTest() override { updates_->stop(); }
  void make() {
    if (updates_) updates_->stop();
    asked_.clear();
    Calls& calls = *this;
    UpdateSink& sink = *this;
    updates_.emplace(
        *loop_, calls, sink, [this](const Bytes& state) { stored_ = std::string(as_text(state)); },
        UserUpdatesOptions{layer, "main", kNsPerSecond});
  }

  struct Asked {
    Bytes tl;
    CallSink* sink = nullptr;
  };
  CallId start(Bytes tl, const CallOptions&, CallSink& sink) override {
    asked_.emplace(++last_call_, Asked{std::move(tl), &sink});
    return last_call_;
  }
  void cancel(CallId) override {}
  void forget(CallId) override {}
  void on_update_event(UpdateEvent event) override { out.events.push_back(std::move(event)); }

  // Of the newest call.
  [[nodiscard]] std::string_view method() const {
    const Bytes& tl = asked_.rbegin()->second.tl;
    const auto query = layer->read(load_le<uint32_t>(tl.data()), ByteView(tl).subspan(4));
    return query->method->name;
  }
  void answer_call(CallId call, Bytes tl) {
    const auto node = asked_.extract(call);
    CallOutcome outcome;
    outcome.end = CallOutcome::End::kResult;
    outcome.result = std::move(tl);
    node.mapped().sink->on_call_done(call, std::move(outcome));
  }
  void answer_newest(Bytes tl) { answer_call(last_call_, std::move(tl)); }
  [[nodiscard]] Bytes state_at(int32_t pts) const { return write("updates.State", state(pts)); }
  static Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

  std::unique_ptr<EventLoop> loop_;
  std::map<CallId, Asked> asked_;
  CallId last_call_ = 0;
  std::string stored_;
  std::optional<UserUpdates> updates_;
};

TEST_F(UserUpdatesTest, AnotherUserBeginsAnewBehindAGap) {
  updates_->begin(kFirst, false, {});
  EXPECT_EQ(method(), "updates.getState");
  answer_newest(state_at(10));
  updates_->on_updates(brief(deleted(1, 11)), {});
  EXPECT_EQ(told(), Texts{"1"});
  // A question of the old one is on the way when the new one comes.
  updates_->on_gap();
  const CallId old = last_call_;
  EXPECT_EQ(method(), "updates.getDifference");
  updates_->on_user(kSecond);
  EXPECT_EQ(told(), Texts{"gap 0"});
  EXPECT_EQ(stored_, "user 71\nringway-updates 1\nstate 11 0 3 0\n") << "a last time";
  EXPECT_EQ(method(), "updates.getState") << "nothing is known of this one";
  answer_newest(state_at(500));
  updates_->on_updates(brief(deleted(2, 501)), {});
  EXPECT_EQ(told(), Texts{"2"});
  answer_call(old, difference("updates.difference", {}, {deleted(9, 12)}, state(12)));
  EXPECT_EQ(told(), Texts{}) << "it is of nobody's order any more";
  updates_->on_updates(brief(deleted(3, 12)), {});
  EXPECT_EQ(told(), Texts{}) << "a duplicate in the order of this user";
  updates_->stop();
  EXPECT_EQ(stored_, "user 72\nringway-updates 1\nstate 501 0 3 0\n");
}

TEST_F(UserUpdatesTest, TheSameUserGoesOnWhereItWas) {
  updates_->begin(kFirst, false, {});
  answer_newest(state_at(10));
  updates_->on_user(0);
  updates_->on_user(kFirst);
  updates_->on_updates(brief(deleted(1, 11)), {});
  EXPECT_EQ(told(), Texts{"1"});
  EXPECT_EQ(last_call_, 1U);
}

// Otherwise a program that was killed before anything had happened would never hear of what comes
// while it is away.
TEST_F(UserUpdatesTest, WhereUpdatesBeginIsStoredBeforeThereAreAny) {
  updates_->begin(kFirst, false, {});
  answer_newest(state_at(10));
  const int64_t end_ns = read_clocks().mono_ns + 10 * kNsPerSecond;
  while (stored_.empty() && read_clocks().mono_ns < end_ns) loop_->run_once(20 * kNsPerMs);
  EXPECT_EQ(stored_, "user 71\nringway-updates 1\nstate 10 0 3 0\n");
}

TEST_F(UserUpdatesTest, WhatWasStoredIsItsOwnersOnly) {
  const Bytes stored = bytes("user 71\nringway-updates 1\nstate 10 0 1 0\n");
  updates_->begin(kFirst, false, stored);
  EXPECT_EQ(method(), "updates.getDifference");
  for (const auto& [user, text] : std::map<int64_t, Bytes>{
           {kSecond, stored}, {kFirst, bytes("user 71\nringway-updates 9\n")}}) {
    make();
    updates_->begin(user, false, text);
    EXPECT_EQ(method(), "updates.getState");
  }
}

}  // namespace
}  // namespace ringway::client
