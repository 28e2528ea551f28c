#include "proxy/update_hub.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "proxy/limits.h"

namespace ringway::proxy {

UpdateHub::UpdateHub(int64_t heartbeat_ns)
    : heartbeat_ns_(heartbeat_ns), thread_([this] { run(); }) {}

UpdateHub::~UpdateHub() {
  stop();
  thread_.join();
}

UpdateHub::Admission UpdateHub::add(std::shared_ptr<HubListener> listener) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return Admission::kStopping;
  HubListener* key = listener.get();
  const auto mine = of_caller_.find(key->caller());
  const bool caller_full = mine != of_caller_.end() && mine->second >= kListenersPerCallerMax;
  if (caller_full || listeners_.size() >= kListenersMax) {
    refused_full_.fetch_add(1, std::memory_order_relaxed);
    return caller_full ? Admission::kCallerFull : Admission::kFull;
  }
  ++of_caller_[key->caller()];
  listeners_.emplace(key, std::move(listener));
  // The first one starts the heartbeats.
  if (listeners_.size() == 1) changed_.notify_one();
  return Admission::kAdmitted;
}

void UpdateHub::remove(HubListener& listener) {
  // Let go of outside of the lock: it may be the last who knows it.
  std::shared_ptr<HubListener> removed;
  const std::lock_guard lock(mutex_);
  const auto found = listeners_.find(&listener);
  if (found == listeners_.end()) return;
  removed = std::move(found->second);
  const auto mine = of_caller_.find(removed->caller());
  if (--mine->second == 0) of_caller_.erase(mine);
  listeners_.erase(found);
}

void UpdateHub::wake() {
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  // With the lock, so that it cannot fall between the other's look and its sleep.
  const std::lock_guard lock(mutex_);
  changed_.notify_one();
}

std::vector<std::shared_ptr<HubListener>> UpdateHub::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<HubListener>> all;
  all.reserve(listeners_.size());
  for (const auto& [key, listener] : listeners_) all.push_back(listener);
  return all;
}

void UpdateHub::judge() {
  for (const auto& listener : all()) listener->judge();
}

void UpdateHub::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    changed_.notify_one();
  }
  for (const auto& listener : all()) listener->stop();
}

void UpdateHub::run() {
  const std::chrono::nanoseconds look(std::min(heartbeat_ns_, kHeartbeatLookNs));
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return stopping_ || woken_.load(std::memory_order_acquire); };
      if (listeners_.empty()) {
        changed_.wait(lock, [&] { return ready() || !listeners_.empty(); });
      } else {
        changed_.wait_for(lock, look, ready);
      }
      if (stopping_) return;
    }
    woken_.store(false, std::memory_order_release);
    const int64_t now_ns = read_clocks().mono_ns;
    // Without the lock: what a listener does may end another one, which then is removed.
    for (const auto& listener : all()) listener->advance(now_ns);
  }
}

size_t UpdateHub::listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_.size();
}

uint64_t UpdateHub::lag_max() const {
  uint64_t most = 0;
  for (const auto& listener : all()) most = std::max(most, listener->lag());
  return most;
}

}  // namespace ringway::proxy
