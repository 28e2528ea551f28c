// Several workers, each on a thread of its own, over one threaded transport in memory: what the
// race detector is run on. Pushes are answered on threads that own none of the links.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "cluster/recorder.h"
#include "cluster/sleeping_waker.h"
#include "support/memory_transport.h"

namespace ringway::cluster {
namespace {

constexpr const char* kShards[] = {"10.0.0.1:20120", "10.0.0.2:20120"};
constexpr uint32_t kMessages = 400;
constexpr int64_t kKeysPerWorker = 8;

// Answers pushes on its own thread, as a worker does that is home to another's key.
class Answerer {
 public:
  Answerer() : thread_([this] { run(); }) {}
  ~Answerer() {
    stop_ = true;
    thread_.join();
  }
  void take(PushRequest push) {
    const std::lock_guard lock(mutex_);
    pushes_.push_back(std::move(push));
  }

 private:
  void run() {
    while (!stop_) {
      std::vector<PushRequest> taken;
      {
        const std::lock_guard lock(mutex_);
        taken.swap(pushes_);
      }
      for (PushRequest& push : taken) push.reply->done(true);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  std::mutex mutex_;
  std::vector<PushRequest> pushes_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class WorkerThread final : public DispatcherEvents {
 public:
  WorkerThread(uint32_t number, MemoryTransport& transport, Answerer& answerer)
      : number_(number),
        answerer_(answerer),
        dispatcher_(std::make_unique<Dispatcher>(
            DispatcherOptions{.worker = number, .server_id = "g:1", .window_messages_max = 256},
            transport, *this, waker_, counters_)) {
    dispatcher_->set_shards({std::begin(kShards), std::end(kShards)}, {});
    thread_ = std::thread([this] { run(); });
  }
  ~WorkerThread() override { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  void on_window_open(uint32_t) override {}
  void on_key_answer(int64_t, KeyAnswer answer, const AuthKeyRecord*) override {
    found += answer == KeyAnswer::kFound ? 1 : 0;
  }
  void on_store_answer(uint64_t, StoreAnswer answer) override {
    stored += answer == StoreAnswer::kStored ? 1 : 0;
  }
  void on_key_unregistered(int64_t) override {}
  void on_no_shard() override {}
  void on_push(PushRequest push) override {
    ++pushed;
    answerer_.take(std::move(push));
  }

  [[nodiscard]] int64_t key(int64_t i) const { return number_ * 1000 + i; }

  int found = 0;
  int stored = 0;
  size_t pushed = 0;

 private:
  void run() {
    for (int64_t i = 0; i < kKeysPerWorker; ++i) {
      EXPECT_TRUE(dispatcher_->set_auth_key(make_key(key(i)), 1, 0, static_cast<uint64_t>(i),
                                            read_clocks()));
    }
    uint32_t sent = 0;
    const int64_t give_up = read_clocks().mono_ns + 60 * kNsPerSecond;
    while (sent < kMessages * kKeysPerWorker || dispatcher_->unacknowledged() > 0) {
      const Now now = read_clocks();
      ASSERT_LT(now.mono_ns, give_up);
      dispatcher_->poll(now);
      for (int n = 0; n < 64 && sent < kMessages * kKeysPerWorker; ++n) {
        const NumberedMessage m(key(sent % kKeysPerWorker), sent / uint32_t{kKeysPerWorker});
        if (dispatcher_->send(m.message) != Submit::kAccepted) break;
        ++sent;
        if (sent % 97 != 0) continue;
        EXPECT_TRUE(dispatcher_->query_auth_key(m.message.auth_key_id, now));
      }
      dispatcher_->flush(now);
      if (!dispatcher_->has_work()) waker_.sleep();
    }
  }

  const uint32_t number_;
  Answerer& answerer_;
  SleepingWaker waker_;
  CounterBlock counters_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::thread thread_;
};

class ThreadsTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadsTest, WorkersShareATransportAndLoseNothing) {
  MemoryTransport transport(MemoryTransport::Mode::kThreaded);
  for (const char* address : kShards) {
    transport.shard(address).set_wires(GetParam() == 0, GetParam() <= 1, true);
    transport.shard(address).on_message([](MemoryShard& shard, const ShardMessage& m) {
      if (!m.close) (void)shard.push(m.auth_key_id, m.session_id, m.payload);
    });
  }
  Answerer answerer;
  std::vector<std::unique_ptr<WorkerThread>> workers;
  for (uint32_t i = 1; i <= 3; ++i) {
    workers.push_back(std::make_unique<WorkerThread>(i, transport, answerer));
  }
  for (int i = 0; i < 6; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    transport.shard(kShards[i % 2]).break_streams(kStatusUnavailable);
  }
  for (auto& worker : workers) worker->join();

  std::map<int64_t, std::set<uint32_t>> numbers;
  for (const char* address : kShards) {
    std::map<int64_t, uint32_t> next;
    for (const ShardMessage& m : transport.shard(address).received()) {
      const uint32_t n = number_of(m.payload);
      // What comes a second time has been there before; what is new comes in order.
      EXPECT_LE(n, next[m.auth_key_id]);
      if (n == next[m.auth_key_id]) ++next[m.auth_key_id];
      numbers[m.auth_key_id].insert(n);
    }
  }
  for (const auto& worker : workers) {
    for (int64_t i = 0; i < kKeysPerWorker; ++i) {
      EXPECT_EQ(numbers[worker->key(i)].size(), kMessages);
    }
    EXPECT_EQ(worker->stored, kKeysPerWorker);
    EXPECT_GT(worker->found, 0);
    EXPECT_EQ(worker->pushed > 0, GetParam() == 0) << "only the batched stream carries pushes";
  }
}

INSTANTIATE_TEST_SUITE_P(Wires, ThreadsTest, ::testing::Values(0, 1, 2));

}  // namespace
}  // namespace ringway::cluster
