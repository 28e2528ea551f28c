// net/ring: the seam between the connection logic and the kernel.
//
// A Ring belongs to one worker thread: everything but waker() is called on the thread that called
// start(). Queued operations go to the kernel with the next turn(); what finished comes back from
// it as completions, in any order. Every operation yields at least one completion. A multishot one
// (accept, receive, wake) yields many and is over with the first that has `more` unset.
//
// Who owns what:
// - The bytes of a send belong to the ring until that send's completion, whatever becomes of the
//   connection. The list of pieces is copied and need not outlive the call.
// - A completion with a buffer hands the buffer to the caller until give_back(), exactly once, also
//   when the connection is gone.
// - A descriptor passed to queue_close() must not be used again; its other operations are over.
//
// UringRing is the real thing; tests drive the same logic with a simulated ring.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/slab.h"
#include "base/waker.h"
#include "net/address.h"

namespace ringway::net {

enum class RingOp : uint8_t {
  kNone = 0,
  kAccept,  // slot: index of the listener
  kReceive,
  kSend,
  kShutdown,
  kClose,
  kCancelAccept,
  kCancelReceive,
  kCancelSend,
  kConnect,
  kCancelConnect,
  kWake,  // never seen outside the ring
};

// Whose operation it is: a worker has one table for its clients, one for its links, and one for the
// connections that it relays to masks.
enum class RingUser : uint8_t { kClients = 0, kLinks = 1, kMasks = 2 };

// user_data of an operation: user (2 bits), op (6 bits), generation (24), slot (32).
[[nodiscard]] constexpr uint64_t make_user_data(RingOp op, SlabHandle handle,
                                                RingUser user = RingUser::kClients) noexcept {
  return static_cast<uint64_t>(user) << 62 | static_cast<uint64_t>(op) << 56 |
         static_cast<uint64_t>(handle.generation & kGenerationMask) << 32 | handle.slot;
}
[[nodiscard]] constexpr RingUser user_of(uint64_t user_data) noexcept {
  return static_cast<RingUser>(user_data >> 62);
}
[[nodiscard]] constexpr RingOp op_of(uint64_t user_data) noexcept {
  return static_cast<RingOp>(user_data >> 56 & 0x3f);
}
[[nodiscard]] constexpr SlabHandle handle_of(uint64_t user_data) noexcept {
  return {static_cast<uint32_t>(user_data),
          static_cast<uint32_t>(user_data >> 32) & kGenerationMask};
}

struct Completion {
  uint64_t user_data = 0;
  int32_t result = 0;      // bytes, a descriptor, or -errno
  uint16_t buffer_id = 0;  // valid with has_buffer
  bool has_buffer = false;
  bool more = false;  // a multishot operation goes on
};

inline constexpr int64_t kWaitForever = -1;

class Ring {
 public:
  virtual ~Ring() = default;

  // The owner's thread, once, before anything is queued. An empty string, or what failed.
  [[nodiscard]] virtual std::string start() = 0;

  // Multishot accept: each completion carries a connected, non-blocking descriptor.
  virtual void queue_accept(int listener_fd, uint64_t user_data) = 0;
  // Multishot receive into provided buffers. A result of 0 is the end of the stream; -ENOBUFS says
  // that no buffer was left, and ends the operation without losing bytes.
  virtual void queue_receive(int fd, uint64_t user_data) = 0;
  // Connects a descriptor of open_socket(). The address is copied; the result is 0 or -errno.
  virtual void queue_connect(int fd, const SocketAddress& address, uint64_t user_data) = 0;
  // One gathered send of at most kSendGatherMax pieces. The result may be short.
  virtual void queue_send(int fd, std::span<const iovec> pieces, uint64_t user_data) = 0;
  // Cancels the operation queued as `target`. The target's own completion still comes; the result
  // here (0, -ENOENT, -EALREADY) only tells how far it was.
  virtual void queue_cancel(uint64_t target, uint64_t user_data) = 0;
  virtual void queue_shutdown(int fd, int how, uint64_t user_data) = 0;
  virtual void queue_close(int fd, uint64_t user_data) = 0;

  // The next turn(), should it wait, lets completions gather for up to `gather_ns` (whole
  // microseconds) from when its wait begins, or until there are kGatherCompletions beside those of
  // the sends that it submits. For an owner that is busy: waking it costs more than most of what it
  // is woken for. A ring may be unable to and wait as always.
  virtual void gather(int64_t gather_ns) { (void)gather_ns; }

  // Submits what is queued and waits until something completed, waker() was used, or `timeout_ns`
  // passed (0: does not wait; kWaitForever). Writes up to out.size() completions and returns how
  // many; what did not fit comes with the next call, which then does not wait.
  [[nodiscard]] virtual size_t turn(std::span<Completion> out, int64_t timeout_ns) = 0;

  // The first `length` bytes of a received buffer; writable, valid until give_back().
  [[nodiscard]] virtual ByteSpan buffer(uint16_t buffer_id, size_t length) = 0;
  virtual void give_back(std::span<const uint16_t> buffer_ids) = 0;

  // Submits what is queued, then takes back everything that the kernel holds: afterwards it touches
  // none of our memory, and only close_now() may be called. Completions that were not reaped are
  // lost.
  virtual void stop() = 0;

  // Synchronous, cheap: a socket of the address's family, to be given to queue_connect(). Small
  // writes leave at once, and what the peer does not acknowledge for `user_timeout_ms` ends it.
  // A descriptor, or -errno.
  [[nodiscard]] virtual int open_socket(const SocketAddress& address, int user_timeout_ms) = 0;
  // Synchronous, cheap: the address of the peer of a connected descriptor. None: the peer has
  // already reset the connection, and nobody knows any more who it was.
  [[nodiscard]] virtual std::optional<PeerAddress> peer_address(int fd) = 0;
  // Synchronous, cheap, and only a hint: a receive of the descriptor completes when there are so
  // many bytes or its stream is over; 0: with any.
  virtual void set_receive_low(int fd, size_t bytes) noexcept {
    (void)fd;
    (void)bytes;
  }
  // Synchronous, cheap: the descriptor's close, when it comes, will be a reset for its peer.
  virtual void reset_on_close(int fd) noexcept = 0;
  // Closes at once, for descriptors whose operations are over because no turn follows any more.
  virtual void close_now(int fd) = 0;

  // May be used by any thread while the ring lives.
  [[nodiscard]] virtual Waker& waker() = 0;
  // One line for the start-up log: "single_issuer, defer_taskrun, 4096 entries, ...".
  [[nodiscard]] virtual std::string features() const = 0;
};

}  // namespace ringway::net
