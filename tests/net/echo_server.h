// An echo service on a real ring in a thread of its own, for tests. Back pressure included: what
// the output queue refuses waits in a stash while reading is paused.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/connection_table.h"
#include "net/inbox.h"
#include "net/listener.h"
#include "net/uring_ring.h"

namespace ringway::net {

struct EchoOptions {
  UringOptions ring{.entries = 256, .buffers = 64, .buffer_bytes = 2048};
  ConnectionTableOptions table;
  ListenerOptions listener;
  std::vector<std::string> addresses = {"127.0.0.1:0"};
  // After this many bytes a connection is handed to `next` (0: never).
  size_t move_after_bytes = 0;
  // When set: answer the first bytes with this text and close, instead of echoing.
  std::string only_answer;
  int64_t idle_timeout_ns = 0;
};

class EchoServer final : public ConnectionHandler {
 public:
  struct Moved {
    DetachedSocket socket;
    Bytes stash;
  };

  explicit EchoServer(EchoOptions options) : options_(std::move(options)) {
    auto created = UringRing::create(options_.ring);
    error = created.error;
    ring_ = std::move(created.ring);
    if (ring_ == nullptr) return;
    inbox_ = std::make_unique<Inbox<Moved>>(1024, ring_->waker());
    for (const std::string& text : options_.addresses) {
      auto listener = open_listener(*parse_socket_address(text), options_.listener);
      if (!listener.error.empty()) error = listener.error;
      addresses.push_back(listener.address);
      fds_.push_back(std::move(listener.fd));
    }
  }
  ~EchoServer() override { stop(); }

  // Where connections go after move_after_bytes; set before start().
  EchoServer* next = nullptr;

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    ring_->waker().wake();
    thread_.join();
  }

  [[nodiscard]] uint64_t count(Counter counter) const { return counters_.read(counter); }
  [[nodiscard]] Inbox<Moved>& inbox() { return *inbox_; }
  [[nodiscard]] size_t size() const { return size_.load(); }

  std::string error;
  std::vector<SocketAddress> addresses;
  std::atomic<size_t> closed{0};
  std::atomic<size_t> reset{0};
  std::atomic<size_t> timed_out{0};
  std::vector<PeerAddress> peers;  // read after stop()

 private:
  struct State {
    Bytes stash;
    bool paused = false;
    bool moving = false;
    size_t bytes = 0;
  };

  void on_accept(ConnectionHandle handle, uint16_t) override {
    peers.push_back(table_->peer(handle));
    begin(handle, {});
  }
  void begin(ConnectionHandle handle, Bytes stash) {
    states_[handle.slot] = State{};
    if (options_.idle_timeout_ns > 0) {
      table_->set_deadline(handle, TimerKind::kIdle,
                           read_clocks().mono_ns + options_.idle_timeout_ns);
    }
    if (!stash.empty()) echo(handle, stash);
  }
  void on_bytes(ConnectionHandle handle, ByteSpan bytes) override {
    State& state = states_.at(handle.slot);
    state.bytes += bytes.size();
    if (!options_.only_answer.empty()) {
      (void)table_->write(handle, as_bytes(options_.only_answer));
      table_->close(handle, CloseMode::kFlush);
      return;
    }
    echo(handle, bytes);
    if (options_.move_after_bytes > 0 && state.bytes >= options_.move_after_bytes &&
        !state.moving) {
      state.moving = true;
      table_->detach(handle);
    }
  }
  void echo(ConnectionHandle handle, ByteView bytes) {
    State& state = states_.at(handle.slot);
    // Piece by piece: a stash may be larger than what the output queue can ever take at once.
    while (!bytes.empty() && !state.moving && !state.paused) {
      const ByteView piece = bytes.first(std::min<size_t>(bytes.size(), 4096));
      if (table_->write(handle, piece)) {
        bytes = bytes.subspan(piece.size());
      } else {
        state.paused = true;
        table_->pause(handle);
      }
    }
    state.stash.insert(state.stash.end(), bytes.begin(), bytes.end());
  }
  void on_send_drained(ConnectionHandle handle) override {
    State& state = states_.at(handle.slot);
    if (!state.paused) return;
    state.paused = false;
    Bytes stash;
    stash.swap(state.stash);
    echo(handle, stash);
    if (!state.paused) table_->resume(handle);
  }
  void on_timer(ConnectionHandle handle, TimerKind) override {
    timed_out.fetch_add(1);
    table_->close(handle, CloseMode::kFlush);
  }
  void on_closed(ConnectionHandle handle, CloseReason reason) override {
    if (reason == CloseReason::kPeerReset) reset.fetch_add(1);
    states_.erase(handle.slot);
    closed.fetch_add(1);
  }
  void on_detached(ConnectionHandle handle, DetachedSocket&& socket) override {
    Moved moved{std::move(socket), std::move(states_.at(handle.slot).stash)};
    states_.erase(handle.slot);
    if (!next->inbox().post(std::move(moved))) error = "inbox full";
  }

  void run() {
    error = ring_->start();
    if (!error.empty()) return;
    table_ =
        std::make_unique<ConnectionTable>(options_.table, *ring_, *this, counters_, read_clocks());
    for (OwnedFd& fd : fds_) table_->add_listener(std::move(fd));
    std::vector<Completion> completions(256);
    bool drains = false;
    int64_t give_up_ns = kNoDeadline;
    for (;;) {
      const Now before = read_clocks();
      const int64_t wake_ns = std::min(table_->next_wake_ns(), give_up_ns);
      int64_t timeout_ns =
          wake_ns == kNoDeadline ? kWaitForever : std::max<int64_t>(wake_ns - before.mono_ns, 0);
      if (inbox_->has_message()) timeout_ns = 0;
      const size_t count = ring_->turn(completions, timeout_ns);
      const Now now = read_clocks();
      table_->process(std::span(completions).first(count), now);
      table_->release_received();
      inbox_->drain(64, [&](Moved&& moved) {
        const ConnectionHandle handle = table_->adopt(std::move(moved.socket));
        if (handle.valid()) begin(handle, std::move(moved.stash));
      });
      if (stopping_.load() && !drains) {
        drains = true;
        give_up_ns = now.mono_ns + 5 * kNsPerSecond;
        table_->stop_accepting();
        table_->close_all(CloseMode::kFlush);
      }
      table_->flush_sends();
      table_->expire(now);
      size_.store(table_->size());
      if (drains && (table_->size() == 0 || now.mono_ns >= give_up_ns)) break;
    }
    ring_->stop();
    table_.reset();
  }

  const EchoOptions options_;
  CounterBlock counters_;
  std::unique_ptr<UringRing> ring_;
  std::unique_ptr<ConnectionTable> table_;
  std::unique_ptr<Inbox<Moved>> inbox_;
  std::vector<OwnedFd> fds_;
  std::map<uint32_t, State> states_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> size_{0};
  std::thread thread_;
};

}  // namespace ringway::net
