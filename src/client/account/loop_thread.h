// client/account/loop_thread: an event loop with the thread that runs it.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "client/account/loop.h"

namespace ringway::client {

class LoopThread {
 public:
  // Null, and why.
  [[nodiscard]] static std::unique_ptr<LoopThread> start(std::string& problem);
  // Stops it; what was posted is done.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  [[nodiscard]] EventLoop& loop() noexcept { return *loop_; }
  // Runs `task` on the loop's thread and waits until it is done. Never from that thread.
  void run(const std::function<void()>& task);

 private:
  explicit LoopThread(std::unique_ptr<EventLoop> loop);
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

}  // namespace ringway::client
