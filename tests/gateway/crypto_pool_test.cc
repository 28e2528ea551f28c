#include "gateway/crypto_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/limits.h"
#include "crypto/dh.h"
#include "crypto/random.h"

namespace ringway::gateway {
namespace {

CryptoTask client_dh(uint64_t serial, uint64_t address) {
  CryptoTask task;
  task.job = std::make_unique<mtproto::HandshakeJob>();
  task.job->kind = mtproto::HandshakeJob::Kind::kClientDh;
  crypto::random_bytes(task.job->a.span());
  Secret<256> b;
  crypto::random_bytes(b.span());
  task.job->g_b.resize(256);
  crypto::dh_public(b.view(), std::span<uint8_t, 256>(task.job->g_b.data(), 256));
  task.connection.serial = serial;
  task.address_key = address;
  return task;
}

// Collects results; can hold the pool's threads back.
class Sink {
 public:
  bool take(CryptoTask& task) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
    if (refusals_ > 0) {
      --refusals_;
      return false;
    }
    results_.push_back(std::move(task));
    changed_.notify_all();
    return true;
  }
  void refuse(int times) { refusals_ = times; }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::vector<CryptoTask> wait(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return results_.size() >= count; });
    return std::move(results_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int refusals_ = 0;
  std::vector<CryptoTask> results_;
};

TEST(CryptoPool, RunsJobsAndHandsThemBack) {
  Sink sink;
  CryptoPool pool(2, 64, [&](CryptoTask& task) { return sink.take(task); });
  for (uint64_t i = 0; i < 8; ++i) {
    CryptoTask task = client_dh(i, 1);
    ASSERT_EQ(pool.submit(task), PoolAnswer::kQueued);
  }
  const auto results = sink.wait(8);
  ASSERT_EQ(results.size(), 8U);
  for (const CryptoTask& task : results) {
    EXPECT_EQ(task.job->error, Error::kNone);
    Secret<256> expected;
    ASSERT_TRUE(crypto::dh_power(task.job->g_b, task.job->a.view(), expected.span()).ok());
    EXPECT_TRUE(equal(expected.view(), task.job->auth_key.view()));
  }
}

TEST(CryptoPool, OneAddressMayQueueOnlySoMuch) {
  Sink sink;
  sink.close();
  CryptoPool pool(1, 3, [&](CryptoTask& task) { return sink.take(task); });
  size_t queued = 0;
  for (uint64_t i = 0; i < 10; ++i) {
    CryptoTask task = client_dh(i, 1);
    const PoolAnswer answer = pool.submit(task);
    if (answer == PoolAnswer::kQueued) {
      ++queued;
    } else {
      EXPECT_EQ(answer, PoolAnswer::kAddressFull);
      EXPECT_NE(task.job, nullptr) << "a refused task stays with its owner";
    }
  }
  EXPECT_GE(queued, 3U);
  EXPECT_LE(queued, 5U);  // each thread may have taken one up already
  CryptoTask other = client_dh(100, 2);
  EXPECT_EQ(pool.submit(other), PoolAnswer::kQueued) << "another address has its own share";
  sink.open();
  EXPECT_EQ(sink.wait(queued + 1).size(), queued + 1);
}

TEST(CryptoPool, AnAddressHasItsShareAgainWhenItsJobsAreDone) {
  Sink sink;
  CryptoPool pool(1, 2, [&](CryptoTask& task) { return sink.take(task); });
  for (uint64_t i = 0; i < 20; i += 2) {
    CryptoTask first = client_dh(i, 7);
    CryptoTask second = client_dh(i + 1, 7);
    ASSERT_EQ(pool.submit(first), PoolAnswer::kQueued);
    ASSERT_EQ(pool.submit(second), PoolAnswer::kQueued);
    ASSERT_EQ(sink.wait(2).size(), 2U);
  }
}

TEST(CryptoPool, MoreAddressesThanItRemembersAreStillCounted) {
  std::atomic<size_t> done{0};
  CryptoPool pool(2, 1, [&](CryptoTask&) {
    ++done;
    return true;
  });
  size_t queued = 0;
  for (uint64_t i = 0; i < kCryptoPoolAddressesMax + 100; ++i) {
    CryptoTask task;  // its job fails at once, for want of g_b
    task.job = std::make_unique<mtproto::HandshakeJob>();
    task.job->kind = mtproto::HandshakeJob::Kind::kClientDh;
    task.address_key = i;
    while (pool.submit(task) == PoolAnswer::kFull) std::this_thread::yield();
    ++queued;
  }
  while (done != queued) std::this_thread::yield();
}

TEST(CryptoPool, WhatIsMoreThanASmallShareGivesWayToEverybody) {
  std::mutex mutex;
  std::condition_variable changed;
  size_t prompt = 0;
  size_t idle = 0;
  CryptoPool pool(1, 100, [&](CryptoTask&) {
    std::unique_lock lock(mutex);
    ++(sched_getscheduler(0) == SCHED_IDLE ? idle : prompt);
    changed.notify_all();
    // The first prompt one is held back until others have gone to the idle thread.
    changed.wait(lock, [&] { return idle > 0; });
    return true;
  });
  for (uint64_t i = 0; i < 12; ++i) {
    CryptoTask task = client_dh(i, 1);
    ASSERT_EQ(pool.submit(task), PoolAnswer::kQueued);
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return prompt + idle == 12; });
  EXPECT_GE(prompt, 1U);
  EXPECT_GE(idle, 1U);
}

TEST(CryptoPool, AFullInboxDelaysAResultAndLosesNone) {
  Sink sink;
  sink.refuse(5);
  CryptoPool pool(1, 64, [&](CryptoTask& task) { return sink.take(task); });
  CryptoTask task = client_dh(1, 1);
  ASSERT_EQ(pool.submit(task), PoolAnswer::kQueued);
  EXPECT_EQ(sink.wait(1).size(), 1U);
}

TEST(CryptoPool, StopsWithWorkQueued) {
  Sink sink;
  CryptoPool pool(1, 1000, [&](CryptoTask& task) { return sink.take(task); });
  for (uint64_t i = 0; i < 100; ++i) {
    CryptoTask task = client_dh(i, 1);
    ASSERT_EQ(pool.submit(task), PoolAnswer::kQueued);
  }
  pool.stop();
  CryptoTask late = client_dh(1, 1);
  EXPECT_EQ(pool.submit(late), PoolAnswer::kFull);
}

}  // namespace
}  // namespace ringway::gateway
