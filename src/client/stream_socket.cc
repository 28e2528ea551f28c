#include "client/stream_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "client/load_source.h"

namespace ringway::client {

Result<net::SocketAddress> resolve(const std::string& address, std::string& why) {
  if (auto ready = net::parse_connect_address(address); ready.ok()) return ready;
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    why = fmt::format("'{}' is not HOST:PORT", address);
    return Error::kInvalidArgument;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(address.substr(0, colon).c_str(),
                                 address.substr(colon + 1).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, [](addrinfo* list) {
    if (list != nullptr) freeaddrinfo(list);
  });
  if (status != 0 || found == nullptr) {
    why = fmt::format("cannot resolve '{}': {}", address, gai_strerror(status));
    return Error::kNotFound;
  }
  net::SocketAddress result;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  return result;
}

Result<net::OwnedFd> begin_connect(const net::SocketAddress& address,
                                   std::optional<uint32_t> source) noexcept {
  net::OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error::kIo;
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source) RW_TRY(bind_source(fd.get(), *source));
  if (::connect(fd.get(), address.get(), address.length) != 0 && errno != EINPROGRESS) {
    return Error::kIo;
  }
  return fd;
}

int connect_error(int fd) noexcept {
  int error_number = 0;
  socklen_t length = sizeof error_number;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &length) != 0) return errno;
  return error_number;
}

Error StreamSocket::fail(int error_number, std::string_view what) {
  last_error_ = fmt::format("{}: {}", what, std::strerror(error_number));
  return Error::kIo;
}

Result<void> StreamSocket::connect(const std::string& address, int64_t timeout_ns) {
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  RW_TRY_ASSIGN(const net::SocketAddress target, resolve(address, last_error_));
  auto fd = begin_connect(target);
  if (!fd.ok()) {
    static_cast<void>(fail(errno, fmt::format("cannot connect to {}", address)));
    return Error::kUnavailable;
  }
  fd_ = *std::move(fd);
  if (!wait_for(POLLOUT, deadline_ns).ok()) {
    fd_.reset();
    last_error_ = fmt::format("cannot connect to {}: no answer", address);
    return Error::kTimeout;
  }
  if (const int error_number = connect_error(fd_.get()); error_number != 0) {
    fd_.reset();
    static_cast<void>(fail(error_number, fmt::format("cannot connect to {}", address)));
    return Error::kUnavailable;
  }
  return {};
}

Result<void> StreamSocket::wait_for(short events, int64_t deadline_ns) {
  for (;;) {
    const int64_t left_ns = std::max<int64_t>(0, deadline_ns - read_clocks().mono_ns);
    const int left_ms =
        static_cast<int>(std::min<int64_t>((left_ns + kNsPerMs - 1) / kNsPerMs, 60 * 60 * 1000));
    pollfd entry{fd_.get(), events, 0};
    const int ready = ::poll(&entry, 1, left_ms);
    if (ready > 0) return {};
    if (ready == 0) {
      last_error_ = "timed out";
      return Error::kTimeout;
    }
    if (errno != EINTR) return fail(errno, "poll");
  }
}

Result<void> StreamSocket::send_all(ByteView bytes, int64_t timeout_ns) {
  if (!fd_.valid()) return Error::kIo;
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      RW_TRY(wait_for(POLLOUT, deadline_ns));
    } else if (errno != EINTR) {
      return fail(errno, "send");
    }
  }
  return {};
}

Result<size_t> StreamSocket::receive(ByteSpan out, int64_t timeout_ns) {
  if (!fd_.valid()) return Error::kIo;
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), out.data(), out.size(), 0);
    if (got > 0) return static_cast<size_t>(got);
    if (got == 0) {
      last_error_ = "the server closed the connection";
      return Error::kNotFound;
    }
    if (errno == EAGAIN) {
      RW_TRY(wait_for(POLLIN, deadline_ns));
    } else if (errno != EINTR) {
      return fail(errno, "receive");
    }
  }
}

void StreamSocket::finish_sending() noexcept {
  if (fd_.valid()) ::shutdown(fd_.get(), SHUT_WR);
}

void StreamSocket::abort() noexcept {
  if (!fd_.valid()) return;
  const linger hard{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

}  // namespace ringway::client
