#include "cluster/etcd_task.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/hash_ring.h"

namespace ringway::cluster {

EtcdTask::EtcdTask(EtcdOptions options, std::string thread_name)
    : client_(std::move(options)),
      thread_name_(std::move(thread_name)),
      backoff_(kEtcdBackoffMinNs, kEtcdBackoffMaxNs,
               ring_hash(thread_name_) + reinterpret_cast<uintptr_t>(this)) {}

void EtcdTask::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), thread_name_.c_str());
    run();
  });
}

void EtcdTask::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  client_.interrupt();
  if (thread_.joinable()) thread_.join();
}

bool EtcdTask::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void EtcdTask::succeeded() {
  failures_ = 0;
  backoff_.reset();
  connected_.store(true, std::memory_order_release);
  if (!std::exchange(said_away_, false)) return;
  log_info("etcd", "{} is back: {}", client_.host(), when_back());
}

void EtcdTask::failed(const EtcdStatus& status) {
  connected_.store(false, std::memory_order_release);
  if (stopping()) return;
  counters_.add(Counter::kEtcdErrors);
  log_debug("etcd", "{}: {} {}", client_.host(), status.code, status.text);
  client_.next_host();
  // The other hosts are asked at once; only when all have failed is it time to wait, and to speak.
  if (++failures_ % client_.host_count() != 0) {
    breathe();
    return;
  }
  if (!std::exchange(said_away_, true)) {
    log_warning("etcd", "no host serves ({} {}): {}; trying on", status.code, status.text,
                when_away());
  }
  pause(backoff_.next());
}

void EtcdTask::breathe() { pause(kEtcdBackoffMinNs); }

void EtcdTask::pause(int64_t ns) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, std::chrono::nanoseconds(ns), [this] { return stopping_; });
}

}  // namespace ringway::cluster
