// net/connection: the state of one socket in a ConnectionTable. Plain data; the table holds the
// logic.
//
//   kConnecting --connected--> kOpen; --refused, timeout, close()--> kJoining
//
//   kOpen ----close(kFlush), end of stream---> kFlushing --all sent--> kLingering
//     |  \                                        |  \                    |
//     |   detach()                   kNow, error, |   \ peer finished     | peer finished,
//     |     v                            deadline |    \ and all sent     | deadline
//     |   kDetaching --joined--> kGone             v     v                 v
//     +-----+------close(kNow), error--------> kJoining <-----------------+
//                                                 | no operation in the kernel
//                                                 v
//                                              kClosing --close completed--> kGone
//
// kFlushing sends what is queued; kLingering has sent everything and SHUT_WR, and reads and
// discards until the peer closes or the linger time is over, so that the last bytes (a transport
// error, say) are not destroyed by a reset (which close(kReset) leaves out: a reset is what it
// wants); kJoining cancels what the kernel still holds and waits for it; kDetaching does the same
// but keeps the descriptor and the unsent bytes for another worker.
#pragma once

#include <array>
#include <cstdint>

#include "base/assert.h"
#include "net/address.h"
#include "net/send_queue.h"

namespace ringway::net {

enum class ConnectionState : uint8_t {
  kConnecting,
  kOpen,
  kFlushing,
  kLingering,
  kDetaching,
  kJoining,
  kClosing,
  kGone,
};

// Why a connection ended; the first reason counts.
enum class CloseReason : uint8_t {
  kNone,
  kLocal,       // close() was called
  kPeerClosed,  // end of the stream
  kPeerReset,   // ECONNRESET, EPIPE, ETIMEDOUT ...
  kError,       // any other error of the socket
  kNotReached,  // connect() failed or took too long
};

// Deadlines that a connection may have at the same time. net attaches no meaning to the first five,
// but that the first two belong to a connection's beginning and, once cleared, do not come again.
enum class TimerKind : uint8_t {
  kFirstByte,
  kHandshake,
  kFrame,
  kIdle,
  kKeyLookup,
  kDrain,  // the table's own: bounds kConnecting, kFlushing and kLingering
};
inline constexpr size_t kTimerKinds = 6;

struct Connection {
  explicit Connection(ConnectionState start = ConnectionState::kOpen) noexcept : state_(start) {}

  SendQueue output;
  void* context = nullptr;                             // the owner's, untouched here
  std::array<uint32_t, kTimerKinds> deadline_ticks{};  // 0: none; see ConnectionTable::set_deadline
  uint32_t wheel_tick = 0;                             // where the wheel has us, 0: nowhere
  int fd = -1;
  PeerAddress peer;
  uint16_t listener = 0;
  CloseReason reason = CloseReason::kNone;

  // True exactly while the kernel holds the operation.
  bool receive_in_kernel : 1 = false;
  bool send_in_kernel : 1 = false;
  bool shutdown_in_kernel : 1 = false;
  bool cancel_receive_in_kernel : 1 = false;
  bool cancel_send_in_kernel : 1 = false;
  bool close_in_kernel : 1 = false;
  bool connect_in_kernel : 1 = false;
  bool cancel_connect_in_kernel : 1 = false;

  bool want_receive : 1 = true;    // false: paused, or closing
  bool peer_finished : 1 = false;  // end of stream seen
  bool was_aborted : 1 = false;    // SHUT_RDWR was queued, to end what a cancel did not
  bool in_dirty_list : 1 = false;
  bool in_pending_list : 1 = false;
  bool in_starved_list : 1 = false;
  bool reset_wanted : 1 = false;   // its close is to be a reset
  bool given_away : 1 = false;     // detached for good: closed as far as this table counts
  bool finish_wanted : 1 = false;  // finish_output() was called, and not all is sent
  bool drain_wanted : 1 = false;   // on_send_drained is due once the queue is low

  [[nodiscard]] ConnectionState state() const noexcept { return state_; }
  // Asserts that the diagram has the edge.
  void set_state(ConnectionState to) noexcept;
  [[nodiscard]] bool any_in_kernel() const noexcept {
    return receive_in_kernel || send_in_kernel || shutdown_in_kernel || cancel_receive_in_kernel ||
           cancel_send_in_kernel || close_in_kernel || connect_in_kernel ||
           cancel_connect_in_kernel;
  }

 private:
  ConnectionState state_;
};

static_assert(sizeof(Connection) <= 128, "an idle connection stays small");

}  // namespace ringway::net
