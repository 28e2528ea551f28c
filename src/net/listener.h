// net/listener: listening TCP sockets, one per worker and address.
//
// Every worker opens its own socket on the same address (SO_REUSEPORT); the kernel spreads new
// connections over them. Where the port is 0 the first worker's open() tells the port it got, and
// the others open that one. Options that accepted sockets inherit (TCP_NODELAY, buffer sizes) are
// set here, so that accepting costs no further system call.
#pragma once

#include <cstdint>
#include <string>

#include "base/limits.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::net {

struct ListenerOptions {
  int backlog = kListenBacklog;
  int send_buffer_bytes = 0;  // 0: what the kernel decides
  int receive_buffer_bytes = 0;
};

struct ListenerResult {
  OwnedFd fd;             // invalid on failure
  SocketAddress address;  // as bound: the port is the real one
  std::string error;      // "cannot listen on 0.0.0.0:443: Permission denied (EACCES)..."
};

[[nodiscard]] ListenerResult open_listener(const SocketAddress& address,
                                           const ListenerOptions& options);

// Whether a connection to `target` arrives at a socket of this machine that is bound to
// `listening`.
[[nodiscard]] bool leads_to(const SocketAddress& target, const SocketAddress& listening) noexcept;

struct ConnectResult {
  OwnedFd fd;
  std::string error;
};

// Starts a non-blocking connect with TCP_NODELAY. The descriptor may be adopted by a
// ConnectionTable at once: its first receive or send waits for the connection, or fails with its
// error.
[[nodiscard]] ConnectResult start_connect(const SocketAddress& address);

// Raises the soft limit of open files up to `wanted`, as far as the hard limit allows. Returns the
// soft limit in force.
[[nodiscard]] uint64_t raise_open_files(uint64_t wanted) noexcept;

}  // namespace ringway::net
