// net/connection_table: the sockets of one worker.
//
// Owned and called by the worker's thread only. The table turns completions into events for a
// ConnectionHandler and calls into queued operations; it knows bytes, not what they mean. Handles
// are generation-checked: every call with the handle of a connection that is gone does nothing, or
// returns what an ended connection would.
//
// The worker's turn:
//   n = ring.turn(completions, timeout until next_wake_ns())
//   table.process(completions, now)   events: on_accept, on_bytes, on_send_drained, on_closed,
//   on_detached
//   ... open, route, inbox, seal: reserve()/commit(), pause(), close(), set_deadline() ...
//   table.release_received()          every receive buffer of the turn goes back, once
//   table.flush_sends()               one gathered send per connection with something to send
//   table.expire(now)                 events: on_timer
//
// No call of the worker leads to an event before that call has returned: events come from process()
// and expire() alone. Inside events all calls are allowed.
//
// Bytes given to on_bytes are writable and stay valid until release_received(). Spans returned by
// reserve() stay valid until commit() and beyond, until they were sent or the connection ended; a
// connection ends (on_closed) in a later process() than the one in which close() was called or its
// last bytes were given.
//
// Life of a connection as the handler sees it: on_accept(), a successful adopt(), or connect() and
// on_connected(); then any number of events; then exactly one of on_closed() or on_detached(). In
// either of these the handle is still good for context() and peer(); afterwards it is stale.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/limits.h"
#include "base/slab.h"
#include "net/accept_backoff.h"
#include "net/chunk_pool.h"
#include "net/connection.h"
#include "net/owned_fd.h"
#include "net/ring.h"
#include "net/timing_wheel.h"

namespace ringway::net {

using ConnectionHandle = SlabHandle;

enum class CloseMode : uint8_t {
  kFlush,  // send what is committed first, then let the peer read it
  kReset,  // send it, and then tell the peer by a reset
  kNow,
};

// What becomes of a connection that leaves its table, for the counters.
enum class DetachAs : uint8_t {
  kMoved,   // it goes on in a table of the same user
  kClosed,  // it is something else from now on
};

// A socket between two tables. Dropping it closes the socket.
struct DetachedSocket {
  OwnedFd fd;
  PeerAddress peer;
  uint16_t listener = 0;
  Bytes unsent;               // committed, in order; the new table sends it first
  bool drain_wanted = false;  // an on_send_drained is still due: it moves along
};

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // A new connection; reading starts when this returns, unless it was paused or closed.
  virtual void on_accept(ConnectionHandle handle, uint16_t listener) = 0;
  virtual void on_bytes(ConnectionHandle handle, ByteSpan bytes) = 0;
  // The output queue is below output_low_bytes again, after it was above output_high_bytes or a
  // reserve() was refused.
  virtual void on_send_drained(ConnectionHandle handle) = 0;
  virtual void on_timer(ConnectionHandle handle, TimerKind kind) = 0;
  virtual void on_closed(ConnectionHandle handle, CloseReason reason) = 0;
  virtual void on_detached(ConnectionHandle handle, DetachedSocket&& socket) = 0;
  // What connect() began is open; only a table that connects needs it. When it failed, on_closed()
  // comes instead.
  virtual void on_connected(ConnectionHandle handle) { (void)handle; }
  // The peer sends no more. True: the connection stays open for output, until close() or an error;
  // false, as most want it: what is committed is flushed, then on_closed() comes.
  virtual bool on_end(ConnectionHandle handle) {
    (void)handle;
    return false;
  }
};

struct ConnectionTableOptions {
  uint32_t connections_max = 16 * 1024;
  size_t output_bytes_max = kOutputBytesPerConnection;  // 0: no limit
  size_t output_high_bytes = kOutputBytesPerConnection / 2;
  size_t output_low_bytes = kOutputBytesPerConnection / 4;
  int64_t drain_ns = 10 * kNsPerSecond;  // longest kFlushing
  int64_t linger_ns = kLingerNs;         // longest kLingering
  int64_t connect_ns = kLinkConnectTimeoutNs;
  int connect_user_timeout_ms = 0;  // TCP_USER_TIMEOUT of what connect() makes; 0: the system's
  // Tables may share a ring when they differ in this; each takes the completions of its own.
  RingUser user = RingUser::kClients;
  // Output is overwritten once it is sent: it may hold secrets.
  bool cleanse_output = false;
};

class ConnectionTable {
 public:
  // All references outlive the table. `now` starts the clock of the deadlines.
  ConnectionTable(const ConnectionTableOptions& options, Ring& ring, ConnectionHandler& handler,
                  CounterBlock& counters, Now now);
  // Closes what is left, without events. The ring must not be turned any more, and must already
  // have given up its operations where a send is in the kernel: destroy the UringRing first, or
  // close_all() and turn until size() is 0.
  ~ConnectionTable();
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  // Starts accepting; the table owns the descriptor. Returns the listener's index. With an invalid
  // descriptor the index is taken all the same: its connections come by take_accepted().
  uint16_t add_listener(OwnedFd fd);
  // No on_accept follows. The listening sockets are closed once their accepts are cancelled.
  void stop_accepting();

  // --- The turn.
  void process(std::span<const Completion> completions, Now now);
  void release_received();
  void flush_sends();
  void expire(Now now);
  // The monotonic time at which the table needs a turn without completions: 0 for at once,
  // kNoDeadline for never.
  [[nodiscard]] int64_t next_wake_ns() const noexcept;

  // --- One connection.
  // True while it takes output: open, or on its way to another table.
  [[nodiscard]] bool is_open(ConnectionHandle handle) noexcept;
  [[nodiscard]] PeerAddress peer(ConnectionHandle handle) noexcept;
  [[nodiscard]] uint16_t listener(ConnectionHandle handle) noexcept;
  void set_context(ConnectionHandle handle, void* context) noexcept;
  [[nodiscard]] void* context(ConnectionHandle handle) noexcept;  // null when stale

  // Stops and restarts reading. Bytes that the kernel has already taken still come by on_bytes.
  void pause(ConnectionHandle handle);
  void resume(ConnectionHandle handle);

  // A hint: on_bytes() may wait until there are so many bytes; 0: for any, as at first.
  void set_receive_low(ConnectionHandle handle, size_t bytes) noexcept;

  // `size` contiguous bytes at the end of the output; they belong to the caller until commit().
  // Empty when the connection is not open or the queue would exceed output_bytes_max (counted).
  [[nodiscard]] ByteSpan reserve(ConnectionHandle handle, size_t size);
  // Everything reserved on this connection so far is filled: the next flush_sends() sends it.
  void commit(ConnectionHandle handle);
  // reserve(), copy, commit(). False when reserve() refused.
  [[nodiscard]] bool write(ConnectionHandle handle, ByteView bytes);
  // The same, also while a connection whose peer has finished is sent what it is owed.
  [[nodiscard]] bool write_owed(ConnectionHandle handle, ByteView bytes);
  // What reserve() would still take; 0 when the connection is not open.
  [[nodiscard]] size_t output_room(ConnectionHandle handle) noexcept;
  // Reserved or committed, and not yet sent.
  [[nodiscard]] size_t queued_bytes(ConnectionHandle handle) noexcept;

  // Sends the end of our stream once what is committed is sent; reading goes on. Nothing may be
  // reserved on it any more.
  void finish_output(ConnectionHandle handle);

  // Ends the connection; on_closed(kLocal) follows in a later process(). Uncommitted bytes are
  // lost. A second close with kReset or kNow hurries up a first one with kFlush.
  void close(ConnectionHandle handle, CloseMode mode);
  void close_all(CloseMode mode);

  // Begins a connection; it takes output from on_connected() on. Before that close() gives it up.
  // An invalid handle when the table is full or the process has no descriptor left (counted).
  [[nodiscard]] ConnectionHandle connect(const SocketAddress& address);

  // Takes the connection out of this table: reading stops, what arrives meanwhile still comes by
  // on_bytes, then on_detached() hands the socket over (or on_closed(), when it was closed
  // meanwhile). Waits for commit() of what is reserved.
  void detach(ConnectionHandle handle, DetachAs as = DetachAs::kMoved);
  // The other side of it. Reading starts at once; bytes come with later turns. An invalid handle
  // when the table is full: `socket` is then untouched.
  [[nodiscard]] ConnectionHandle adopt(DetachedSocket&& socket);

  // A connection that was accepted elsewhere, non-blocking, for one of the listeners. No on_accept
  // follows: the caller knows. An invalid handle when the table is full: `fd` is then closed
  // (counted).
  [[nodiscard]] ConnectionHandle take_accepted(OwnedFd fd, const PeerAddress& peer,
                                               uint16_t listener);

  // One deadline per kind (not kDrain); kNoDeadline clears it. Accurate to kWheelTickNs, never
  // early, cleared when it fires and when the connection starts to close.
  void set_deadline(ConnectionHandle handle, TimerKind kind, int64_t deadline_ns);

  [[nodiscard]] uint32_t size() const noexcept { return slab_.size(); }
  [[nodiscard]] uint32_t capacity() const noexcept { return slab_.capacity(); }
  [[nodiscard]] size_t output_bytes() const noexcept { return pool_.bytes_in_use(); }
  // Calls visit(handle) for every connection, whatever its state.
  template <typename Visit>
  void for_each(Visit&& visit) {
    slab_.for_each([&](ConnectionHandle handle, Connection&) { visit(handle); });
  }
  // Calls visit(handle) for every connection that is open.
  template <typename Visit>
  void for_each_open(Visit&& visit) {
    slab_.for_each([&](ConnectionHandle handle, Connection& connection) {
      if (connection.state() == ConnectionState::kOpen) visit(handle);
    });
  }

 private:
  struct Listener {
    OwnedFd fd;
    bool accept_in_kernel = false;
    bool cancel_in_kernel = false;
    AcceptBackoff backoff;
    int64_t retry_at_ns = kNoDeadline;
  };

  // connection_table.cc: the turn, output, deadlines.
  [[nodiscard]] ByteSpan reserve(Connection& connection, size_t size);
  [[nodiscard]] bool fill(ConnectionHandle handle, ByteSpan space, ByteView bytes);
  void on_completion(const Completion& completion);
  void on_receive_completion(ConnectionHandle handle, Connection& connection,
                             const Completion& completion);
  void on_send_completion(ConnectionHandle handle, Connection& connection, int32_t result);
  void on_connect_completion(ConnectionHandle handle, Connection& connection, int32_t result);
  void start_send(ConnectionHandle handle, Connection& connection);
  void mark_dirty(ConnectionHandle handle, Connection& connection);
  void tell_drained(ConnectionHandle handle, Connection& connection);
  void set_timer(uint32_t slot, Connection& connection, TimerKind kind, int64_t deadline_ns);
  void clear_timers(uint32_t slot, Connection& connection);
  void place_earliest(uint32_t slot, Connection& connection);
  void fire_timers(uint32_t slot);
  void on_drain_timer(ConnectionHandle handle, Connection& connection);

  // connection_table_accept.cc: how connections come.
  void on_accept_completion(uint16_t index, const Completion& completion);
  void on_accept_error(Listener& listener, int error);
  void settle_listener(Listener& listener, uint16_t index);
  void retry_accepts();
  ConnectionHandle admit(int fd, const PeerAddress& peer, uint16_t listener,
                         ConnectionState state = ConnectionState::kOpen);

  // connection_table_close.cc: how they go. settle_*() reconcile what the kernel does with what the
  // state wants, without events; only advance(), which process() alone calls, may lead to one.
  void advance(ConnectionHandle handle, Connection& connection);
  void settle_receive(ConnectionHandle handle, Connection& connection);
  void settle_flush(ConnectionHandle handle, Connection& connection);
  void settle_finish(ConnectionHandle handle, Connection& connection);
  void settle_join(ConnectionHandle handle, Connection& connection);
  void cancel_send(ConnectionHandle handle, Connection& connection);
  void cancel_connect(ConnectionHandle handle, Connection& connection);
  void begin_close(ConnectionHandle handle, Connection& connection, CloseReason reason,
                   CloseMode mode);
  void begin_join(ConnectionHandle handle, Connection& connection);
  void on_cancel_completion(ConnectionHandle handle, Connection& connection, bool target_in_kernel,
                            int32_t result);
  void settle_pending();
  void mark_pending(ConnectionHandle handle, Connection& connection);
  void finish_detach(ConnectionHandle handle, Connection& connection);
  void finish_close(ConnectionHandle handle, Connection& connection);
  void recycle(ConnectionHandle handle, Connection& connection);

  [[nodiscard]] uint64_t user_data(RingOp op, ConnectionHandle handle) const noexcept {
    return make_user_data(op, handle, options_.user);
  }
  [[nodiscard]] Counter of_user(Counter clients, Counter links, Counter masks) const noexcept {
    if (options_.user == RingUser::kMasks) return masks;
    return options_.user == RingUser::kLinks ? links : clients;
  }

  void count_connect_error() noexcept {
    counters_.add(
        of_user(Counter::kConnectErrors, Counter::kConnectErrors, Counter::kMaskConnectErrors));
  }

  const ConnectionTableOptions options_;
  Ring& ring_;
  ConnectionHandler& handler_;
  CounterBlock& counters_;
  Now now_;  // of the current turn
  Slab<Connection> slab_;
  ChunkPool pool_;
  TimingWheel wheel_;
  std::vector<uint32_t> generations_;  // by slot: the wheel knows slots only
  std::vector<Listener> listeners_;
  bool accepting_ = true;
  std::vector<uint16_t> received_buffers_;  // of this turn, to be given back
  std::vector<ConnectionHandle> dirty_;     // have something to send
  std::vector<ConnectionHandle> pending_;   // settled by the next process()
  std::vector<ConnectionHandle> starved_;   // lost their receive to ENOBUFS
  std::vector<ConnectionHandle> scratch_;
};

}  // namespace ringway::net
