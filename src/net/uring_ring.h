// net/uring_ring: the Ring on Linux io_uring.
//
// create() may run on any thread (the ring starts disabled); start() binds it to the thread that
// calls it, and from then on only that thread may touch it, waker() excepted. The set-up asks for
// SINGLE_ISSUER and DEFER_TASKRUN and falls back step by step on what an older kernel lacks. Needed
// in any case: multishot accept (5.19), provided-buffer rings (5.19) and multishot receive (6.0).
// Submission polling excludes DEFER_TASKRUN: the kernel's thread then does the work of operations.
//
// Gathering needs Linux 6.12; on an older kernel every completion ends the wait, as without it.
//
// Wakes: while the owner is awake a wake only sets a flag, which the next turn() looks at before it
// sleeps; the eventfd is written only for a sleeping owner, once however many threads wake it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/ring.h"

namespace ringway::net {

struct UringOptions {
  unsigned entries = 4096;  // submission queue; rounded up to a power of two
  unsigned buffers = 2048;  // provided receive buffers; rounded up to a power of two
  size_t buffer_bytes = 4096;
  uint32_t busy_poll_us = 0;      // NAPI busy polling before a sleep; 0: off
  bool submission_poll = false;   // a thread of the kernel takes the submissions
  int submission_poll_core = -1;  // where that thread runs; below 0: anywhere
  uint32_t submission_poll_idle_ms = 50;
};

class UringRing final : public Ring {
 public:
  struct Created {
    std::unique_ptr<UringRing> ring;  // null on failure
    std::string error;                // what to tell the operator, with the remedy
  };
  [[nodiscard]] static Created create(const UringOptions& options);
  ~UringRing() override;
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  [[nodiscard]] std::string start() override;
  void queue_accept(int listener_fd, uint64_t user_data) override;
  void queue_receive(int fd, uint64_t user_data) override;
  void queue_connect(int fd, const SocketAddress& address, uint64_t user_data) override;
  void queue_send(int fd, std::span<const iovec> pieces, uint64_t user_data) override;
  void queue_cancel(uint64_t target, uint64_t user_data) override;
  void queue_shutdown(int fd, int how, uint64_t user_data) override;
  void queue_close(int fd, uint64_t user_data) override;
  void gather(int64_t gather_ns) override;
  [[nodiscard]] size_t turn(std::span<Completion> out, int64_t timeout_ns) override;
  [[nodiscard]] ByteSpan buffer(uint16_t buffer_id, size_t length) override;
  void give_back(std::span<const uint16_t> buffer_ids) override;
  void stop() override;
  [[nodiscard]] int open_socket(const SocketAddress& address, int user_timeout_ms) override;
  [[nodiscard]] std::optional<PeerAddress> peer_address(int fd) override;
  void set_receive_low(int fd, size_t bytes) noexcept override;
  void reset_on_close(int fd) noexcept override;
  void close_now(int fd) override;
  [[nodiscard]] Waker& waker() override;
  [[nodiscard]] std::string features() const override;

 private:
  struct Impl;
  explicit UringRing(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::net
