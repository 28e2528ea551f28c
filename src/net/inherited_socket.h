// net/inherited_socket: a listening socket that another process has opened and handed over.
//
// Called on the main thread at start.
#pragma once

#include <string>

#include "net/address.h"
#include "net/listener.h"
#include "net/owned_fd.h"

namespace ringway::net {

struct InheritedSocket {
  OwnedFd fd;
  std::string name;  // what it was handed over under; several may have one name
};

// What such a socket is bound to.
struct InheritedPlace {
  SocketAddress address;
  std::string unix_path;  // of a unix socket with a path
  std::string error;      // not empty: it cannot be accepted from, and why

  // "192.0.2.1:443", "*:443", "unix:/run/s".
  [[nodiscard]] std::string to_string() const;
};

// Looks at a descriptor, which may be anything.
[[nodiscard]] InheritedPlace look_at(const InheritedSocket& socket);

// Whether a listener that is configured with this address means this place. Never for port 0.
[[nodiscard]] bool is_at(const InheritedPlace& place, const SocketAddress& configured) noexcept;

// Makes the socket non-blocking and sets what accepted sockets inherit. Empty, or what failed.
[[nodiscard]] std::string prepare(const InheritedSocket& socket, const InheritedPlace& place,
                                  const ListenerOptions& options);

}  // namespace ringway::net
