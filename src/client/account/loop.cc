#include "client/account/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "net/owned_fd.h"

namespace ringway::client {
namespace {

constexpr int kEventsPerTurn = 64;
// Between two looks at the clock when nothing happens.
constexpr int64_t kIdleTurnNs = 10 * kNsPerSecond;

}  // namespace

struct EventLoop::Impl {
  // Deadline, then order of making.
  using TimerKey = std::pair<int64_t, TimerId>;

  net::OwnedFd epoll;
  net::OwnedFd wake;
  Clock clock;
  Now now;
  std::unordered_map<int, FdHandler*> handlers;
  std::map<TimerKey, Task> timers;
  std::unordered_map<TimerId, int64_t> deadlines;  // of each timer
  TimerId next_timer = 1;
  std::vector<Task> turn_end;

  std::mutex mutex;
  std::vector<Task> posted;  // guarded by mutex
  bool stopping = false;     // likewise
  std::vector<Task> taken;   // reused from turn to turn

  void signal() const noexcept {
    const uint64_t one = 1;
    // Full only when it is signalled already.
    static_cast<void>(::write(wake.get(), &one, sizeof one));
  }
  void run_posted() {
    {
      const std::lock_guard lock(mutex);
      std::swap(posted, taken);
    }
    for (Task& task : taken) task();
    taken.clear();
  }
  // What they set for a time that has come already is of the next turn: between two of them sockets
  // are looked at, whoever sets what.
  void run_timers() {
    const TimerId made_now = next_timer;
    auto at = timers.begin();
    while (at != timers.end() && at->first.first <= now.mono_ns) {
      if (at->first.second >= made_now) {
        ++at;
        continue;
      }
      auto node = timers.extract(at);
      deadlines.erase(node.key().second);
      node.mapped()();
      at = timers.upper_bound(node.key());
    }
  }
  // What they start belongs to the same turn, and so does what they ask to be done at its end.
  void run_turn_end() {
    for (size_t i = 0; i < turn_end.size(); ++i) {
      const Task task = std::move(turn_end[i]);
      task();
    }
    turn_end.clear();
  }
  [[nodiscard]] int wait_ms(int64_t timeout_ns) const noexcept {
    // Something was asked for between two turns.
    if (!turn_end.empty()) return 0;
    int64_t wait_ns = timeout_ns;
    if (!timers.empty()) {
      wait_ns = std::min(wait_ns, timers.begin()->first.first - clock().mono_ns);
    }
    // Rounded up: a timer's turn that comes too early would be a turn for nothing.
    return static_cast<int>((std::max<int64_t>(wait_ns, 0) + kNsPerMs - 1) / kNsPerMs);
  }
};

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::make(Clock clock) {
  auto impl = std::make_unique<Impl>();
  impl->clock = std::move(clock);
  impl->epoll = net::OwnedFd(epoll_create1(EPOLL_CLOEXEC));
  impl->wake = net::OwnedFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->epoll.valid() || !impl->wake.valid()) return Error::kIo;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = impl->wake.get();
  if (epoll_ctl(impl->epoll.get(), EPOLL_CTL_ADD, impl->wake.get(), &event) != 0) return Error::kIo;
  impl->now = impl->clock();
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
}

void EventLoop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(impl_->mutex);
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(task));
  }
  if (first) impl_->signal();
}

void EventLoop::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->signal();
}

void EventLoop::run() {
  while (true) {
    run_once(kIdleTurnNs);
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping && impl_->posted.empty()) return;
  }
}

void EventLoop::run_once(int64_t timeout_ns) {
  Impl& impl = *impl_;
  std::array<epoll_event, kEventsPerTurn> events{};
  const int count =
      epoll_wait(impl.epoll.get(), events.data(), kEventsPerTurn, impl.wait_ms(timeout_ns));
  impl.now = impl.clock();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<size_t>(i));
    if (event.data.fd == impl.wake.get()) {
      uint64_t signals = 0;
      static_cast<void>(::read(impl.wake.get(), &signals, sizeof signals));
      continue;
    }
    const auto handler = impl.handlers.find(event.data.fd);
    if (handler != impl.handlers.end()) handler->second->on_ready(event.events);
  }
  impl.run_posted();
  impl.run_timers();
  impl.run_turn_end();
}

Now EventLoop::now() const noexcept { return impl_->now; }

EventLoop::TimerId EventLoop::at(int64_t mono_ns, Task task) {
  const TimerId timer = impl_->next_timer++;
  impl_->timers.emplace(Impl::TimerKey(mono_ns, timer), std::move(task));
  impl_->deadlines.emplace(timer, mono_ns);
  return timer;
}

void EventLoop::cancel(TimerId timer) {
  const auto deadline = impl_->deadlines.find(timer);
  if (deadline == impl_->deadlines.end()) return;
  impl_->timers.erase(Impl::TimerKey(deadline->second, timer));
  impl_->deadlines.erase(deadline);
}

void EventLoop::at_turn_end(Task task) { impl_->turn_end.push_back(std::move(task)); }

void EventLoop::watch(int fd, uint32_t events, FdHandler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  const int added = epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, fd, &event);
  RW_ASSERT(added == 0);
  impl_->handlers[fd] = &handler;
}

void EventLoop::change(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  const int changed = epoll_ctl(impl_->epoll.get(), EPOLL_CTL_MOD, fd, &event);
  RW_ASSERT(changed == 0);
}

void EventLoop::unwatch(int fd) {
  if (impl_->handlers.erase(fd) == 0) return;
  epoll_ctl(impl_->epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
}

}  // namespace ringway::client
