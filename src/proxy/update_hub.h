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
#include <thread>
#include <unordered_map>
#include <vector>

namespace ringway::proxy {

// Its functions are called on the hub's thread, and must not wait.
class HubListener {
 public:
  virtual ~HubListener() = default;
  // Sends what there is, unless it is sending already.
  virtual void advance(int64_t now_ns) = 0;
  // The server stops.
  virtual void stop() = 0;
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

  // Any thread. add() is false when there are too many, or the server stops. What was added is
  // kept until it is removed.
  bool add(std::shared_ptr<HubListener> listener);
  void remove(HubListener& listener);
  // Any thread; costs next to nothing while a wake is under way already.
  void wake();
  // Stops every listener and takes no more.
  void stop();

  [[nodiscard]] int64_t heartbeat_ns() const noexcept { return heartbeat_ns_; }
  [[nodiscard]] size_t listeners() const;
  [[nodiscard]] uint64_t lag_max() const;

 private:
  void run();
  [[nodiscard]] std::vector<std::shared_ptr<HubListener>> all() const;

  const int64_t heartbeat_ns_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::unordered_map<HubListener*, std::shared_ptr<HubListener>> listeners_;
  bool stopping_ = false;

  std::atomic<bool> woken_ = false;
  std::thread thread_;
};

}  // namespace ringway::proxy
