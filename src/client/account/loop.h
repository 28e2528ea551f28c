// client/account/loop: one thread's sockets, timers and posted tasks, over epoll.
//
// For the client's role, where a few connections carry everything. run() belongs to one thread, and
// so does all else but post() and stop(). Clocks are read once per turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"

namespace ringway::client {

class EventLoop {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;

  class FdHandler {
   public:
    // `events` as epoll has them. Now and then there is nothing behind them: they were those of
    // the descriptor that had this number before.
    virtual void on_ready(uint32_t events) = 0;

   protected:
    ~FdHandler() = default;
  };

  using Clock = std::function<Now()>;

  // kIo with errno set when the system has no descriptors left. `clock` is what the loop goes by;
  // tests give one that they can turn forward.
  static Result<std::unique_ptr<EventLoop>> make(Clock clock = read_clocks);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Any thread. Tasks run in the order of their posting; a wake costs a system call only when the
  // loop has nothing posted yet. Who posts bounds how many there are.
  void post(Task task);
  // Any thread: run() returns soon, with posted tasks done.
  void stop();

  void run();
  // One turn: waits until something happens, at most `timeout_ns`.
  void run_once(int64_t timeout_ns);

  [[nodiscard]] Now now() const noexcept;
  TimerId at(int64_t mono_ns, Task task);
  // Does nothing for a timer that has run.
  void cancel(TimerId timer);
  // Once, at the end of this turn: what is started in one turn can go out together.
  void at_turn_end(Task task);

  // `handler` must live until unwatch(), after which it is not called any more, even in this turn.
  void watch(int fd, uint32_t events, FdHandler& handler);
  void change(int fd, uint32_t events);
  void unwatch(int fd);

 private:
  struct Impl;
  explicit EventLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::client
