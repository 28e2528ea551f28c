#include "net/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringway::net {
namespace {

std::string remedy(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another program listens there already";
    case EADDRNOTAVAIL:
      return "; this machine has no such address";
    case EACCES:
      return "; ports below 1024 need CAP_NET_BIND_SERVICE";
    case EAFNOSUPPORT:
      return "; the kernel has no IPv6, name an IPv4 address";
    case EMFILE:
      return "; raise the limit of open files (ulimit -n)";
    default:
      return "";
  }
}

std::string describe(const char* what, const SocketAddress& address, int error) {
  return fmt::format("cannot {} {}: {} ({}){}", what, address.to_string(), std::strerror(error),
                     strerrorname_np(error), remedy(error));
}

bool set_option(int fd, int level, int option, int value) noexcept {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool set_listener_options(int fd, const SocketAddress& address, const ListenerOptions& options) {
  bool ok = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
            set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
            set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // Set in both directions: the system's default (net.ipv6.bindv6only) may be either.
  if (address.family() == AF_INET6) {
    ok = ok && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, address.dual_stack ? 0 : 1);
  }
  if (options.send_buffer_bytes > 0) {
    ok = ok && set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  }
  if (options.receive_buffer_bytes > 0) {
    ok = ok && set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  }
  return ok;
}

}  // namespace

ListenerResult open_listener(const SocketAddress& address, const ListenerOptions& options) {
  ListenerResult result;
  result.address = address;
  OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    result.error = describe("open a socket for", address, errno);
    return result;
  }
  if (!set_listener_options(fd.get(), address, options)) {
    result.error = describe("set the socket options of", address, errno);
    return result;
  }
  if (::bind(fd.get(), address.get(), address.length) != 0 ||
      ::listen(fd.get(), options.backlog) != 0) {
    result.error = describe("listen on", address, errno);
    return result;
  }
  result.address.length = sizeof result.address.storage;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&result.address.storage),
                    &result.address.length) != 0) {
    result.error = describe("read the address of", address, errno);
    return result;
  }
  result.fd = std::move(fd);
  return result;
}

ConnectResult start_connect(const SocketAddress& address) {
  ConnectResult result;
  OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() || !set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1) ||
      (::connect(fd.get(), address.get(), address.length) != 0 && errno != EINPROGRESS)) {
    result.error = describe("connect to", address, errno);
    return result;
  }
  result.fd = std::move(fd);
  return result;
}

uint64_t raise_open_files(uint64_t wanted) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlimit raised = limit;
  raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &raised) != 0) return limit.rlim_cur;
  return raised.rlim_cur;
}

}  // namespace ringway::net
