// proxy/update_hub: the thread that wakes listeners when their journal has something new.
//
// One thread for all listeners of a server. The loop only says that something happened; what is
// read and written for a listener happens here and on gRPC's threads, so neither the loop nor
// another listener waits for one that is slow.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace ringway::proxy {

// Its functions are called on the hub's thread, or by who calls the hub, and must not wait.
class HubListener {
 public:
  virtual ~HubListener() = default;
  // Whose it is: each has only so many.
  [[nodiscard]] virtual const std::string& caller() const noexcept = 0;
  // Sends what there is, unless it is sending already.
  virtual void advance(int64_t now_ns) = 0;
  // The server stops.
  virtual void stop() = 0;
  // Who may listen has changed: ends where the caller no longer may.
  virtual void judge() = 0;
  // How many events it is behind.
  [[nodiscard]] virtual uint64_t lag() const = 0;
};

class UpdateHub {
 public:
  // After how long a silence a listener gets a heartbeat.
  explicit UpdateHub(int64_t heartbeat_ns);
  ~UpdateHub();
  UpdateHub(const UpdateHub&) = delete;
  UpdateHub& operator=(const UpdateHub&) = delete;

  enum class Admission : uint8_t { kAdmitted, kCallerFull, kFull, kStopping };
  // Any thread. What was admitted is kept until it is removed.
  [[nodiscard]] Admission add(std::shared_ptr<HubListener> listener);
  void remove(HubListener& listener);
  // Any thread; costs next to nothing while a wake is under way already.
  void wake();
  // Has every listener judge. Any thread.
  void judge();
  // Stops every listener and takes no more.
  void stop();

  [[nodiscard]] int64_t heartbeat_ns() const noexcept { return heartbeat_ns_; }
  [[nodiscard]] size_t listeners() const;
  [[nodiscard]] uint64_t lag_max() const;
  [[nodiscard]] uint64_t refused_full() const noexcept {
    return refused_full_.load(std::memory_order_relaxed);
  }

 private:
  void run();
  [[nodiscard]] std::vector<std::shared_ptr<HubListener>> all() const;

  const int64_t heartbeat_ns_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::unordered_map<HubListener*, std::shared_ptr<HubListener>> listeners_;
  std::unordered_map<std::string, size_t> of_caller_;  // how many of each
  bool stopping_ = false;

  std::atomic<uint64_t> refused_full_ = 0;
  std::atomic<bool> woken_ = false;
  std::thread thread_;
};

}  // namespace ringway::proxy
