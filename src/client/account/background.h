// client/account/background: one thread for what must not hold up an EventLoop: modular
// exponentiation, and storing files.
//
// Jobs run one after the other, in order; who posts them has at most one under way for each
// connection, which bounds them. The destructor waits for the job that runs, drops the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace ringway::client {

class Background {
 public:
  using Job = std::function<void()>;

  Background() = default;
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // The thread is made with the first job.
  void run(Job job);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // likewise
  std::thread thread_;
};

}  // namespace ringway::client
