#include "net/inherited_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "net/socket_option.h"

namespace ringway::net {
namespace {

bool read_option(int fd, int level, int option, int& value) noexcept {
  socklen_t size = sizeof value;
  return getsockopt(fd, level, option, &value, &size) == 0;
}

// Empty, or why nobody can be accepted from it.
std::string check_kind(int fd) {
  int type = 0;
  int listening = 0;
  if (!read_option(fd, SOL_SOCKET, SO_TYPE, type)) return "it is no socket";
  if (type != SOCK_STREAM) return "it is no stream socket (ListenStream= makes one)";
  if (!read_option(fd, SOL_SOCKET, SO_ACCEPTCONN, listening) || listening == 0) {
    return "it does not listen (Accept=no hands over sockets that do)";
  }
  return "";
}

bool is_wildcard(const SocketAddress& address) noexcept {
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address.storage, sizeof v6);
  return std::memcmp(&v6.sin6_addr, &in6addr_any, sizeof v6.sin6_addr) == 0;
}

}  // namespace

std::string InheritedPlace::to_string() const { return address.to_string(); }

InheritedPlace look_at(const InheritedSocket& socket) {
  InheritedPlace place;
  place.error = check_kind(socket.fd.get());
  if (!place.error.empty()) return place;
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) !=
      0) {
    place.error = fmt::format("its address cannot be read: {}", std::strerror(errno));
    return place;
  }
  if (bound.family() == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, &bound.storage, sizeof local);
    place.address = bound;
    place.unix_path.assign(local.sun_path, strnlen(local.sun_path, sizeof local.sun_path));
    return place;
  }
  if (bound.family() != AF_INET && bound.family() != AF_INET6) {
    place.error = "it is of no known family";
    return place;
  }
  int v6_only = 1;
  if (bound.family() == AF_INET6) {
    (void)read_option(socket.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, v6_only);
    bound.dual_stack = v6_only == 0 && is_wildcard(bound);
  }
  place.address = bound;
  return place;
}

bool is_at(const InheritedPlace& place, const SocketAddress& configured) noexcept {
  const SocketAddress& address = place.address;
  const int family = address.family();
  if (family != AF_INET && family != AF_INET6) return false;
  return family == configured.family() && configured.port() != 0 &&
         address.dual_stack == configured.dual_stack &&
         PeerAddress::from_sockaddr(address.get()) == PeerAddress::from_sockaddr(configured.get());
}

std::string prepare(const InheritedSocket& socket, const InheritedPlace& place,
                    const ListenerOptions& options) {
  const int fd = socket.fd.get();
  const int flags = fcntl(fd, F_GETFL);
  bool ok = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
  const int family = place.address.family();
  if (family == AF_INET || family == AF_INET6) {
    ok = ok && set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) && set_buffers(fd, options);
  }
  if (ok) return "";
  return fmt::format("cannot set the options of {}: {}", place.to_string(), std::strerror(errno));
}

}  // namespace ringway::net
