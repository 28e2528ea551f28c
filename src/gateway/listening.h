// gateway/listening: the listening sockets of all listeners, of each kind.
//
// A TCP listener has a socket for each worker (SO_REUSEPORT). A unix socket, and what systemd hands
// over, is there once: the Acceptor takes those. A handed-over socket goes to the listener that
// names it (systemd:NAME), or to one whose address is the socket's own: so a file need not change
// when systemd begins to listen in the gateway's place.
//
// Used by the main thread at start and at the end. The files of unix sockets are removed by
// remove_files(), and at the latest with this object.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "gateway/acceptor.h"
#include "net/address.h"
#include "net/inherited_socket.h"
#include "net/listener.h"
#include "net/owned_fd.h"
#include "net/unix_listener.h"

namespace ringway::gateway {

class ListeningSockets {
 public:
  // `config` outlives it.
  ListeningSockets(const config::Config& config, std::vector<net::InheritedSocket> inherited);

  // First: the sockets that are there once. What is asked for by its name goes to who asks, before
  // addresses are compared. Empty, or what failed.
  [[nodiscard]] std::string open_shared();
  // Then, for each worker: a socket for each listener, invalid for those that the acceptor serves.
  [[nodiscard]] std::string open_for_worker(std::vector<net::OwnedFd>& sockets);
  // For the Acceptor, once; may be empty.
  [[nodiscard]] std::vector<SharedSocket> take_shared() { return std::move(shared_); }
  // By listener, with real ports; known once a worker's are open.
  [[nodiscard]] const std::vector<std::string>& addresses() const noexcept { return addresses_; }

  // Where TCP connections come from; the same.
  [[nodiscard]] const std::vector<net::SocketAddress>& tcp_places() const noexcept {
    return tcp_places_;
  }

  void remove_files() noexcept { files_.clear(); }

 private:
  // One of `inherited_` and where it is.
  struct Handed {
    net::InheritedSocket socket;
    net::InheritedPlace place;
    bool taken = false;
  };

  [[nodiscard]] std::string parse_addresses();
  // Takes what was handed over for this listener; sets its address if there is any.
  [[nodiscard]] std::string take_handed(size_t listener);
  [[nodiscard]] bool is_for(const Handed& handed, size_t listener) const;
  [[nodiscard]] std::string open_unix(size_t listener);
  void warn_of_leftovers() const;

  const config::Config& config_;
  const net::ListenerOptions options_;
  std::vector<Handed> handed_;
  std::vector<net::SocketAddress> bound_;  // by listener; TCP alone
  std::vector<std::string> addresses_;     // by listener; empty until it is known
  std::vector<net::SocketAddress> tcp_places_;
  std::vector<bool> is_shared_;  // by listener
  std::vector<SharedSocket> shared_;
  std::vector<net::UnixSocketFile> files_;
};

}  // namespace ringway::gateway
