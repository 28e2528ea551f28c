// net/socket_option: options of sockets that listen, for whoever opens or is handed them.
#pragma once

#include <sys/socket.h>

#include "net/listener.h"

namespace ringway::net {

// False with errno.
[[nodiscard]] inline bool set_option(int fd, int level, int option, int value) noexcept {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// The buffers that accepted sockets inherit. False with errno.
[[nodiscard]] inline bool set_buffers(int fd, const ListenerOptions& options) noexcept {
  const bool sent = options.send_buffer_bytes == 0 ||
                    set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  return sent && (options.receive_buffer_bytes == 0 ||
                  set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes));
}

}  // namespace ringway::net
