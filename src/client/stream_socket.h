// client/stream_socket: one TCP socket with deadlines, for the synchronous client.
//
// One thread owns it. Every wait is bounded by a timeout in nanoseconds; the monotonic clock is
// read inside, because waiting is what this file is for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::client {

// "HOST:PORT", a name or a number; `why` says what is wrong when the result is an error.
Result<net::SocketAddress> resolve(const std::string& address, std::string& why);

// A non-blocking socket on its way to being connected, with TCP_NODELAY, from `source` (an IPv4
// address in host byte order) if that is given. kIo with errno set.
Result<net::OwnedFd> begin_connect(const net::SocketAddress& address,
                                   std::optional<uint32_t> source = std::nullopt) noexcept;
// The outcome of begin_connect() once the socket is writable: 0 or an errno value.
[[nodiscard]] int connect_error(int fd) noexcept;

class StreamSocket {
 public:
  // kTimeout, kUnavailable (refused, unreachable); last_error() has the text.
  Result<void> connect(const std::string& address, int64_t timeout_ns);
  void adopt(net::OwnedFd fd) noexcept { fd_ = std::move(fd); }
  [[nodiscard]] bool is_open() const noexcept { return fd_.valid(); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  // All of `bytes`, or kTimeout, or kIo when the peer is gone.
  Result<void> send_all(ByteView bytes, int64_t timeout_ns);
  // What has arrived, at least one byte. kTimeout; kNotFound at the end of the stream; kIo after a
  // reset.
  Result<size_t> receive(ByteSpan out, int64_t timeout_ns);
  // No more output; the peer reads the end of the stream.
  void finish_sending() noexcept;
  void close() noexcept { fd_.reset(); }
  // Ends the connection with a reset instead of an orderly end.
  void abort() noexcept;

  [[nodiscard]] const std::string& last_error() const noexcept { return last_error_; }

 private:
  Result<void> wait_for(short events, int64_t deadline_ns);
  Error fail(int error_number, std::string_view what);

  net::OwnedFd fd_;
  std::string last_error_;
};

}  // namespace ringway::client
