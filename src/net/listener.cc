#include "net/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/socket_option.h"

namespace ringway::net {
namespace {

constexpr size_t kMappedPrefixBytes = 12;  // of an IPv4 address kept as an IPv6 one

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

bool set_listener_options(int fd, const SocketAddress& address, const ListenerOptions& options) {
  bool ok = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
            set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
            set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // Set in both directions: the system's default (net.ipv6.bindv6only) may be either.
  if (address.family() == AF_INET6) {
    ok = ok && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, address.dual_stack ? 0 : 1);
  }
  return ok && set_buffers(fd, options);
}

bool is_wildcard(const PeerAddress& address) noexcept {
  if (!address.is_v4()) return address.ip == decltype(address.ip){};
  return std::all_of(address.ip.begin() + kMappedPrefixBytes, address.ip.end(),
                     [](uint8_t byte) { return byte == 0; });
}

bool is_loopback(const PeerAddress& address) noexcept {
  if (address.is_v4()) return address.ip[kMappedPrefixBytes] == 127;
  decltype(address.ip) loopback{};
  loopback.back() = 1;
  return address.ip == loopback;
}

// The kernel lets nobody bind to another machine's address.
bool is_of_this_machine(SocketAddress address) noexcept {
  address.set_port(0);
  const OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && ::bind(fd.get(), address.get(), address.length) == 0;
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

bool leads_to(const SocketAddress& target, const SocketAddress& listening) noexcept {
  if (target.family() == AF_UNIX || listening.family() == AF_UNIX) return false;
  if (target.port() != listening.port()) return false;
  const PeerAddress to = PeerAddress::from_sockaddr(target.get());
  const PeerAddress at = PeerAddress::from_sockaddr(listening.get());
  if (to.ip == at.ip) return true;
  // Connecting to the wildcard means this machine's loopback.
  if (is_wildcard(to) && is_loopback(at) && to.is_v4() == at.is_v4()) return true;
  const bool same_family = to.is_v4() == at.is_v4() || listening.dual_stack;
  return is_wildcard(at) && same_family && is_of_this_machine(target);
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
