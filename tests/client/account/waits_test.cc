// Waits that servers ask for: how they are told, and which calls sit them out.
#include "client/account/waits.h"

#include <gtest/gtest.h>

#include "client/account/limits.h"

namespace ringway::client {
namespace {

using Kind = Waits::Verdict::Kind;
constexpr int64_t kHour = 3600 * kNsPerSecond;
constexpr uint32_t kMethod = 7;

TEST(ApiErrors, AreReadForWhatTheyAskFor) {
  struct Case {
    int32_t code;
    const char* text;
    ErrorMeaning meaning;
    int32_t dc;
    int64_t seconds;
  };
  const Case cases[] = {
      {420, "FLOOD_WAIT_3", ErrorMeaning::kWait, 0, 3},
      {420, "FLOOD_PREMIUM_WAIT_15", ErrorMeaning::kWait, 0, 15},
      {420, "SLOWMODE_WAIT_10", ErrorMeaning::kWait, 0, 10},
      {420, "TAKEOUT_INIT_DELAY_86400", ErrorMeaning::kWait, 0, 86400},
      {420, "2FA_CONFIRM_WAIT_604800", ErrorMeaning::kWait, 0, 604800},
      {420, "FLOOD_WAIT_", ErrorMeaning::kForCaller, 0, 0},
      {420, "FLOOD_WAIT_-1", ErrorMeaning::kForCaller, 0, 0},
      {420, "FLOOD_WAIT_3x", ErrorMeaning::kForCaller, 0, 0},
      {420, "FLOOD_WAIT_99999999999999999999", ErrorMeaning::kForCaller, 0, 0},
      {400, "FLOOD_WAIT_3", ErrorMeaning::kForCaller, 0, 0},
      {303, "PHONE_MIGRATE_4", ErrorMeaning::kMoveHome, 4, 0},
      {303, "NETWORK_MIGRATE_1", ErrorMeaning::kMoveHome, 1, 0},
      {303, "USER_MIGRATE_10002", ErrorMeaning::kMoveHome, 10002, 0},
      {303, "FILE_MIGRATE_2", ErrorMeaning::kElsewhere, 2, 0},
      {303, "STATS_MIGRATE_2", ErrorMeaning::kElsewhere, 2, 0},
      {303, "TEA_MIGRATE_2", ErrorMeaning::kElsewhere, 2, 0},
      {303, "PHONE_MIGRATE_32768", ErrorMeaning::kLostRedirect, 0, 0},
      {303, "", ErrorMeaning::kLostRedirect, 0, 0},
      {401, "AUTH_KEY_UNREGISTERED", ErrorMeaning::kSignInEnded, 0, 0},
      {401, "AUTH_KEY_INVALID", ErrorMeaning::kSignInEnded, 0, 0},
      {401, "SESSION_REVOKED", ErrorMeaning::kSignInEnded, 0, 0},
      {401, "SESSION_EXPIRED", ErrorMeaning::kSignInEnded, 0, 0},
      {401, "USER_DEACTIVATED", ErrorMeaning::kSignInEnded, 0, 0},
      {406, "AUTH_KEY_DUPLICATED", ErrorMeaning::kSignInEnded, 0, 0},
      {401, "SESSION_PASSWORD_NEEDED", ErrorMeaning::kForCaller, 0, 0},
      {406, "UPDATE_APP_TO_LOGIN", ErrorMeaning::kForCaller, 0, 0},
      {400, "CONNECTION_NOT_INITED", ErrorMeaning::kNotInitialized, 0, 0},
      {401, "AUTH_KEY_PERM_EMPTY", ErrorMeaning::kNotBound, 0, 0},
      {400, "MSG_WAIT_FAILED", ErrorMeaning::kPredecessorFailed, 0, 0},
      {500, "RPC_CALL_FAIL", ErrorMeaning::kForCaller, 0, 0},
  };
  for (const Case& each : cases) {
    const ErrorReading reading = read_error(each.code, each.text);
    EXPECT_EQ(reading.meaning, each.meaning) << each.text;
    EXPECT_EQ(reading.dc, each.dc) << each.text;
    EXPECT_EQ(reading.wait_seconds, each.seconds) << each.text;
    EXPECT_EQ(reading.for_peer, std::string_view(each.text).starts_with("SLOWMODE")) << each.text;
  }
}

class WaitsTest : public ::testing::Test {
 protected:
  static Waits::Subject call(CallId id, int64_t deadline_ns = kHour) {
    return {.call = id, .method = kMethod, .peer = {}, .deadline_ns = deadline_ns};
  }
  static ErrorReading flood(int seconds) {
    return {.meaning = ErrorMeaning::kWait, .wait_seconds = seconds, .wait_prefix = "FLOOD_WAIT_"};
  }
  std::vector<CallId> due(int64_t now_ns) {
    std::vector<CallId> calls;
    for (const Waits::Release& release : waits_.due(now_ns)) {
      if (release.verdict.kind == Kind::kGo) calls.push_back(release.call);
    }
    return calls;
  }

  Waits waits_{30 * kNsPerSecond};
};

TEST_F(WaitsTest, OneProbeGoesFirstAndItsAnswerLetsTheOthersGo) {
  EXPECT_EQ(waits_.before(call(1), 0).kind, Kind::kGo);
  EXPECT_EQ(waits_.asked(call(1), flood(5), 0).kind, Kind::kHold);
  EXPECT_EQ(waits_.before(call(2), kNsPerSecond).kind, Kind::kHold);
  EXPECT_EQ(waits_.before(call(3), kNsPerSecond).kind, Kind::kHold);
  EXPECT_EQ(waits_.next_due_ns(), 5 * kNsPerSecond);
  EXPECT_TRUE(due(5 * kNsPerSecond - 1).empty());
  EXPECT_EQ(due(5 * kNsPerSecond), std::vector<CallId>{1});
  EXPECT_EQ(waits_.before(call(4), 6 * kNsPerSecond).kind, Kind::kHold) << "the probe is out";
  EXPECT_TRUE(due(6 * kNsPerSecond).empty());
  EXPECT_EQ(waits_.next_due_ns(), std::nullopt);
  waits_.answered(1);
  EXPECT_EQ(due(6 * kNsPerSecond), (std::vector<CallId>{2, 3, 4}));
  EXPECT_EQ(waits_.open(), 0U);
  EXPECT_EQ(waits_.before(call(5), 7 * kNsPerSecond).kind, Kind::kGo);
}

TEST_F(WaitsTest, AThousandThatWaitedDoNotComeAllAtOnce) {
  EXPECT_EQ(waits_.asked(call(1), flood(5), 0).kind, Kind::kHold);
  constexpr CallId kLast = 3 * kWaitReleasesMax;
  for (CallId id = 2; id <= kLast; ++id) EXPECT_EQ(waits_.before(call(id), 0).kind, Kind::kHold);
  EXPECT_EQ(due(5 * kNsPerSecond), std::vector<CallId>{1});
  waits_.answered(1);
  EXPECT_EQ(waits_.next_due_ns(), 0);
  auto released = due(5 * kNsPerSecond);
  EXPECT_EQ(released.size(), kWaitReleasesMax);
  EXPECT_EQ(released.front(), 2U);
  EXPECT_EQ(waits_.before(call(100), 5 * kNsPerSecond).kind, Kind::kHold) << "behind the others";
  EXPECT_TRUE(due(6 * kNsPerSecond).empty());
  waits_.answered(2);
  EXPECT_EQ(due(6 * kNsPerSecond).size(), kWaitReleasesMax);
  // One of those that are out is told to wait: the others that are out let nobody go any more.
  EXPECT_EQ(waits_.asked(call(3), flood(5), 6 * kNsPerSecond).kind, Kind::kHold);
  waits_.answered(4);
  EXPECT_TRUE(due(7 * kNsPerSecond).empty());
  EXPECT_EQ(due(11 * kNsPerSecond), std::vector<CallId>{3});
  waits_.answered(3);
  released = due(11 * kNsPerSecond);
  EXPECT_EQ(released.size(), kLast - 1 - 2 * kWaitReleasesMax + 1);
  EXPECT_EQ(released.back(), 100U);
  EXPECT_EQ(waits_.open(), 0U);
}

TEST_F(WaitsTest, ThoseThatWentAheadAndWereGivenUpLeaveTheirPlaceToAProbe) {
  EXPECT_EQ(waits_.asked(call(1), flood(5), 0).kind, Kind::kHold);
  constexpr CallId kLast = 2 + kWaitReleasesMax;
  for (CallId id = 2; id <= kLast; ++id) EXPECT_EQ(waits_.before(call(id), 0).kind, Kind::kHold);
  EXPECT_EQ(due(5 * kNsPerSecond), std::vector<CallId>{1});
  waits_.answered(1);
  EXPECT_EQ(due(5 * kNsPerSecond).size(), kWaitReleasesMax);
  for (CallId id = 2; id < kLast; ++id) waits_.gone(id);
  EXPECT_EQ(due(5 * kNsPerSecond), std::vector<CallId>{kLast});
}

TEST_F(WaitsTest, AWaitOfNothingIsASecond) {
  EXPECT_EQ(waits_.asked(call(1), flood(0), 0).kind, Kind::kHold);
  EXPECT_TRUE(due(0).empty());
  EXPECT_EQ(due(kNsPerSecond), std::vector<CallId>{1});
}

TEST_F(WaitsTest, AProbeThatIsToldToWaitAgainKeepsTheOthersOrRefusesThem) {
  EXPECT_EQ(waits_.asked(call(1), flood(5), 0).kind, Kind::kHold);
  EXPECT_EQ(waits_.before(call(2), 0).kind, Kind::kHold);
  EXPECT_EQ(waits_.before(call(3, 10 * kNsPerSecond), 0).kind, Kind::kHold);
  EXPECT_EQ(due(5 * kNsPerSecond), std::vector<CallId>{1});
  EXPECT_EQ(waits_.asked(call(1), flood(8), 5 * kNsPerSecond).kind, Kind::kHold);
  const auto refused = waits_.due(5 * kNsPerSecond);
  ASSERT_EQ(refused.size(), 1U) << "the one whose deadline comes before";
  EXPECT_EQ(refused[0].call, 3U);
  EXPECT_EQ(refused[0].verdict.kind, Kind::kRefuse);
  EXPECT_EQ(refused[0].verdict.text, "FLOOD_WAIT_8");
  EXPECT_EQ(due(13 * kNsPerSecond), std::vector<CallId>{1});
  waits_.gone(1);
  EXPECT_EQ(due(13 * kNsPerSecond), std::vector<CallId>{2}) << "the next probe";
  waits_.gone(2);
  EXPECT_TRUE(due(13 * kNsPerSecond).empty());
  EXPECT_EQ(waits_.open(), 0U);
}

TEST_F(WaitsTest, WhatCannotWaitIsToldTheSecondsThatAreLeft) {
  EXPECT_EQ(waits_.asked(call(1), flood(600), 0).kind, Kind::kRefuse);
  const auto verdict = waits_.before(call(2), 100 * kNsPerSecond + 1);
  EXPECT_EQ(verdict.kind, Kind::kRefuse);
  EXPECT_EQ(verdict.seconds, 500);
  EXPECT_EQ(verdict.text, "FLOOD_WAIT_500");
  // The end has come near enough to be waited for.
  EXPECT_EQ(waits_.before(call(3), 580 * kNsPerSecond).kind, Kind::kHold);
  EXPECT_EQ(waits_.before(call(4, 590 * kNsPerSecond), 580 * kNsPerSecond).kind, Kind::kRefuse);
  waits_.gone(3);
  EXPECT_EQ(waits_.before(call(5), 601 * kNsPerSecond).kind, Kind::kGo) << "over by itself";
}

TEST_F(WaitsTest, APeersWaitIsNobodyElses) {
  ErrorReading slow = flood(10);
  slow.for_peer = true;
  EXPECT_FALSE(waits_.peer_matters(kMethod));
  Waits::Subject here = call(1);
  here.peer = "here";
  Waits::Subject there = call(2);
  there.peer = "there";
  EXPECT_EQ(waits_.asked(here, slow, 0).kind, Kind::kHold);
  EXPECT_TRUE(waits_.peer_matters(kMethod));
  EXPECT_EQ(waits_.before(there, 0).kind, Kind::kGo);
  here.call = 3;
  EXPECT_EQ(waits_.before(here, 0).kind, Kind::kHold);
  EXPECT_EQ(due(10 * kNsPerSecond), std::vector<CallId>{1});
  waits_.answered(1);
  EXPECT_EQ(due(10 * kNsPerSecond), std::vector<CallId>{3});
  EXPECT_FALSE(waits_.peer_matters(kMethod));
}

TEST_F(WaitsTest, ThereIsAnEndToTheirNumber) {
  for (uint32_t method = 0; method < kOpenWaitsMax; ++method) {
    Waits::Subject subject = call(method + 1);
    subject.method = 1000 + method;
    EXPECT_EQ(waits_.asked(subject, flood(20), 0).kind, Kind::kHold);
  }
  EXPECT_EQ(waits_.asked(call(5000), flood(20), 0).kind, Kind::kRefuse);
  EXPECT_EQ(waits_.open(), kOpenWaitsMax);
  // Those that are over make room.
  for (CallId id = 1; id <= kOpenWaitsMax; ++id) waits_.gone(id);
  EXPECT_EQ(waits_.asked(call(5001), flood(20), 21 * kNsPerSecond).kind, Kind::kHold);
  EXPECT_EQ(waits_.open(), 1U);
}

}  // namespace
}  // namespace ringway::client
