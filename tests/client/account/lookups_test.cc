// Names that are looked up side by side, and one that hangs.
#include "client/account/lookups.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "client/account/limits.h"

namespace ringway::client {
namespace {

class LookupsTest : public ::testing::Test {
 protected:
  LookupsTest() : loop_(*EventLoop::make()) {
    lookups_.emplace(*loop_, [this](const std::string& text, std::string& why) {
      ++asked_;
      if (text.starts_with("hang")) over_.wait(false);
      why = "no " + text;
      return Result<net::SocketAddress>(Error::kNotFound);
    });
  }
  ~LookupsTest() override { let_go(); }
  void let_go() {
    over_ = true;
    over_.notify_all();
  }
  void find(const std::string& text) {
    lookups_->find(text, [this](const Result<net::SocketAddress>& found, const std::string& why) {
      EXPECT_FALSE(found.ok());
      told_.push_back(why);
    });
  }
  void turn_until_told(size_t count) {
    while (told_.size() < count) loop_->run_once(kNsPerSecond);
  }

  std::unique_ptr<EventLoop> loop_;
  std::atomic<bool> over_ = false;
  std::atomic<size_t> asked_ = 0;
  std::vector<std::string> told_;
  std::optional<Lookups> lookups_;
};

TEST_F(LookupsTest, OneThatHangsHoldsUpNoOther) {
  find("hanging:1");
  find("other:1");
  find("other:2");
  EXPECT_TRUE(told_.empty()) << "not from inside";
  turn_until_told(2);
  EXPECT_EQ(asked_, 3U);
  let_go();
  turn_until_told(3);
  EXPECT_EQ(told_.back(), "no hanging:1");
}

TEST_F(LookupsTest, WhoAsksForTheSameNameGetsTheSameAnswer) {
  find("hanging:1");
  find("hanging:1");
  let_go();
  turn_until_told(2);
  EXPECT_EQ(asked_, 1U);
  find("hanging:1");
  turn_until_told(3);
  EXPECT_EQ(asked_, 2U) << "answers are not kept";
}

TEST_F(LookupsTest, ThereIsAnEndToTheirNumber) {
  for (size_t i = 0; i < kLookupsMax; ++i) find("hanging:" + std::to_string(i));
  find("other:1");
  EXPECT_TRUE(told_.empty());
  turn_until_told(1);
  EXPECT_EQ(told_.front(), "too many names are being looked up already");
  let_go();
  turn_until_told(1 + kLookupsMax);
}

TEST_F(LookupsTest, NobodyIsToldWhenItHasEnded) {
  find("other:1");
  lookups_.reset();
  loop_->run_once(0);
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace ringway::client
