// One thread's sockets, timers and posted tasks.
#include "client/account/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "net/owned_fd.h"

namespace ringway::client {
namespace {

class LoopTest : public ::testing::Test {
 protected:
  LoopTest() : loop_(*EventLoop::make()) {}
  std::unique_ptr<EventLoop> loop_;
};

TEST_F(LoopTest, TimersRunInTheOrderOfTheirDeadlines) {
  std::vector<int> ran;
  const int64_t now_ns = loop_->now().mono_ns;
  loop_->at(now_ns + 2, [&] { ran.push_back(3); });
  loop_->at(now_ns, [&] { ran.push_back(1); });
  const auto cancelled = loop_->at(now_ns + 1, [&] { ran.push_back(9); });
  loop_->at(now_ns + 1, [&] { ran.push_back(2); });
  loop_->cancel(cancelled);
  while (ran.size() < 3) loop_->run_once(kNsPerSecond);
  loop_->cancel(cancelled);
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
}

TEST_F(LoopTest, ATimerThatSetsAnotherForNowLeavesRoomForOtherThingsBetweenThem) {
  int ran = 0;
  std::function<void()> again = [&] {
    if (++ran < 1000) loop_->at(loop_->now().mono_ns - 1, again);
  };
  loop_->at(loop_->now().mono_ns, again);
  loop_->at(loop_->now().mono_ns, [&] { ran += 10; });
  loop_->run_once(0);
  EXPECT_EQ(ran, 11) << "both of before, and nothing that was set meanwhile";
  loop_->run_once(1000 * kNsPerSecond);
  EXPECT_EQ(ran, 12);
}

TEST_F(LoopTest, ATurnsEndSeesWhatTheTurnStartedAndWhatItAddsItself) {
  std::vector<int> ran;
  loop_->at(loop_->now().mono_ns, [&] {
    loop_->at_turn_end([&] {
      ran.push_back(2);
      loop_->at_turn_end([&] { ran.push_back(3); });
    });
    ran.push_back(1);
  });
  loop_->run_once(kNsPerSecond);
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
}

TEST_F(LoopTest, WhatIsAskedForBetweenTurnsDoesNotWaitForAnything) {
  bool ran = false;
  loop_->at_turn_end([&] { ran = true; });
  // Without a limit this would not come back.
  loop_->run_once(1000 * kNsPerSecond);
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, TasksOfOtherThreadsRunInTheirOrderAndStopEnds) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 1000;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  std::atomic<int> finished{0};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int task = 0; task < kTasks; ++task) {
        loop_->post([&, thread, task] { seen[static_cast<size_t>(thread)].push_back(task); });
      }
      if (++finished == kThreads) loop_->stop();
    });
  }
  loop_->run();
  for (std::thread& thread : threads) thread.join();
  for (const auto& tasks : seen) {
    ASSERT_EQ(tasks.size(), static_cast<size_t>(kTasks));
    EXPECT_TRUE(std::is_sorted(tasks.begin(), tasks.end()));
  }
}

struct Handler final : EventLoop::FdHandler {
  void on_ready(uint32_t events) override {
    seen |= events;
    ++calls;
    if (then) then();
  }
  uint32_t seen = 0;
  int calls = 0;
  std::function<void()> then;
};

TEST_F(LoopTest, DescriptorsAreWatchedForWhatIsAskedAndNotAfterwards) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const net::OwnedFd near(ends[0]);
  const net::OwnedFd far(ends[1]);
  Handler handler;
  loop_->watch(near.get(), EPOLLIN, handler);
  loop_->run_once(0);
  EXPECT_EQ(handler.calls, 0);
  loop_->change(near.get(), EPOLLIN | EPOLLOUT);
  loop_->run_once(kNsPerSecond);
  EXPECT_EQ(handler.seen, uint32_t{EPOLLOUT});
  ASSERT_EQ(::write(far.get(), "x", 1), 1);
  loop_->run_once(kNsPerSecond);
  EXPECT_EQ(handler.seen, uint32_t{EPOLLIN | EPOLLOUT});
  loop_->unwatch(near.get());
  const int calls = handler.calls;
  loop_->run_once(0);
  EXPECT_EQ(handler.calls, calls);
}

TEST_F(LoopTest, WhoIsUnwatchedInATurnHearsNothingMoreInIt) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const net::OwnedFd one(ends[0]);
  const net::OwnedFd other(ends[1]);
  Handler first;
  Handler second;
  first.then = [&] { loop_->unwatch(other.get()); };
  second.then = [&] { loop_->unwatch(one.get()); };
  loop_->watch(one.get(), EPOLLOUT, first);
  loop_->watch(other.get(), EPOLLOUT, second);
  loop_->run_once(kNsPerSecond);
  EXPECT_EQ(first.calls + second.calls, 1);
}

}  // namespace
}  // namespace ringway::client
