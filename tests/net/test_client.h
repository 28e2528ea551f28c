// A blocking TCP client for tests: every wait is bounded by ten seconds.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::net {

inline bool eventually(const std::function<bool()>& condition,
                       int64_t within_ns = 10 * kNsPerSecond) {
  const int64_t deadline_ns = read_clock_ns(CLOCK_MONOTONIC) + within_ns;
  while (!condition()) {
    if (read_clock_ns(CLOCK_MONOTONIC) > deadline_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class TestClient {
 public:
  TestClient() = default;
  explicit TestClient(const SocketAddress& address, int receive_buffer_bytes = 0)
      : TestClient(OwnedFd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)), address,
                   receive_buffer_bytes) {}
  // With a socket that was made before, for when there will be no descriptor left.
  TestClient(OwnedFd fd, const SocketAddress& address, int receive_buffer_bytes = 0)
      : fd_(std::move(fd)) {
    if (!fd_.valid()) return;
    if (receive_buffer_bytes > 0) {
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
    }
    const timeval timeout{10, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (::connect(fd_.get(), address.get(), address.length) != 0 && !finish_connect()) fd_.reset();
  }

  [[nodiscard]] bool connected() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool write(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
    return true;
  }
  // Up to `size` bytes; fewer when the stream ends. error() tells about resets and timeouts.
  [[nodiscard]] Bytes read(size_t size) {
    Bytes bytes(size);
    size_t have = 0;
    error_ = 0;
    while (have < size) {
      const ssize_t got = ::recv(fd_.get(), bytes.data() + have, size - have, 0);
      // The kernel interrupts a thread that made a ring when that ring goes.
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) error_ = errno;
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    bytes.resize(have);
    return bytes;
  }
  [[nodiscard]] int error() const { return error_; }
  void finish() { ::shutdown(fd_.get(), SHUT_WR); }
  void reset() {
    const linger hard{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.reset();
  }
  void close() { fd_.reset(); }

 private:
  // After an interrupted connect(), which goes on by itself.
  bool finish_connect() {
    if (errno != EINTR) return false;
    pollfd writable{fd_.get(), POLLOUT, 0};
    while (::poll(&writable, 1, 10'000) < 0 && errno == EINTR) {
    }
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
  }

  OwnedFd fd_;
  int error_ = 0;
};

// Bytes that no shifted copy of themselves resembles.
inline Bytes pattern(size_t size, uint64_t seed) {
  Bytes bytes(size);
  uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (uint8_t& byte : bytes) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    byte = static_cast<uint8_t>(x);
  }
  return bytes;
}

}  // namespace ringway::net
