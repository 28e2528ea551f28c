#include "client/account/loop_thread.h"

#include <future>

namespace ringway::client {

std::unique_ptr<LoopThread> LoopThread::start(std::string& problem) {
  auto loop = EventLoop::make();
  if (!loop.ok()) {
    problem = "cannot make an event loop: the system has no file descriptors left";
    return nullptr;
  }
  return std::unique_ptr<LoopThread>(new LoopThread(*std::move(loop)));
}

LoopThread::LoopThread(std::unique_ptr<EventLoop> loop)
    : loop_(std::move(loop)), thread_([this] { loop_->run(); }) {}

LoopThread::~LoopThread() {
  loop_->stop();
  thread_.join();
}

void LoopThread::run(const std::function<void()>& task) {
  std::promise<void> done;
  loop_->post([&] {
    task();
    done.set_value();
  });
  done.get_future().get();
}

}  // namespace ringway::client
