#include "gateway/crypto_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

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
  task.connection.set_serial(serial);
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
  EXPECT_LE(queued, 4U);  // one may have been taken up already
  CryptoTask other = client_dh(100, 2);
  EXPECT_EQ(pool.submit(other), PoolAnswer::kQueued) << "another address has its own share";
  sink.open();
  EXPECT_EQ(sink.wait(queued + 1).size(), queued + 1);
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
