// cluster/etcd_task: what discovery and registration have in common: a thread with an EtcdClient
// that goes on through every failure, and says once that etcd is away and once that it is back.
//
// A derived class does its work in run(), on the task's thread, until stopping(). It calls stop()
// in its destructor, before its own members go.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/counters.h"
#include "cluster/backoff.h"
#include "cluster/etcd_client.h"

namespace ringway::cluster {

class EtcdTask {
 public:
  EtcdTask(const EtcdTask&) = delete;
  EtcdTask& operator=(const EtcdTask&) = delete;

  // Any thread.
  [[nodiscard]] const CounterBlock& counters() const noexcept { return counters_; }
  [[nodiscard]] bool connected() const noexcept {
    return connected_.load(std::memory_order_acquire);
  }

 protected:
  EtcdTask(EtcdOptions options, std::string thread_name);
  virtual ~EtcdTask() = default;

  void start();
  // Ends what is under way, and the thread. Twice is fine.
  void stop();

  virtual void run() = 0;
  // For the log: what etcd's absence means, and what its return has brought.
  [[nodiscard]] virtual std::string when_away() const = 0;
  [[nodiscard]] virtual std::string when_back() const = 0;

  // The task's thread.
  [[nodiscard]] bool stopping();
  // etcd has done what was asked of it.
  void succeeded();
  // It has not: the next attempt goes to the next host, after a pause. Says so once until
  // succeeded().
  void failed(const EtcdStatus& status);
  // A short pause, so that nothing here can spin.
  void breathe();

  EtcdClient client_;
  CounterBlock counters_;  // the task's thread counts

 private:
  void pause(int64_t ns);

  const std::string thread_name_;
  Backoff backoff_;
  size_t failures_ = 0;  // in a row
  bool said_away_ = false;
  std::atomic<bool> connected_{false};

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace ringway::cluster
