// How connections come: accepting with back-off, connecting, and adopting from another table.
#include <algorithm>
#include <cerrno>

#include "net/connection_table.h"

namespace ringway::net {
namespace {

SlabHandle listener_handle(uint16_t index) noexcept { return {index, 0}; }

}  // namespace

uint16_t ConnectionTable::add_listener(OwnedFd fd) {
  RW_ASSERT(listeners_.size() < UINT16_MAX);
  const auto index = static_cast<uint16_t>(listeners_.size());
  Listener& listener = listeners_.emplace_back();
  listener.fd = std::move(fd);
  settle_listener(listener, index);
  return index;
}

void ConnectionTable::stop_accepting() {
  accepting_ = false;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    listeners_[i].retry_at_ns = kNoDeadline;
    settle_listener(listeners_[i], static_cast<uint16_t>(i));
  }
}

void ConnectionTable::settle_listener(Listener& listener, uint16_t index) {
  if (!listener.fd.valid()) return;
  if (accepting_) {
    if (listener.accept_in_kernel || listener.retry_at_ns != kNoDeadline) return;
    ring_.queue_accept(listener.fd.get(), user_data(RingOp::kAccept, listener_handle(index)));
    listener.accept_in_kernel = true;
    return;
  }
  if (listener.accept_in_kernel && !listener.cancel_in_kernel) {
    ring_.queue_cancel(user_data(RingOp::kAccept, listener_handle(index)),
                       user_data(RingOp::kCancelAccept, listener_handle(index)));
    listener.cancel_in_kernel = true;
  }
  if (!listener.accept_in_kernel && !listener.cancel_in_kernel) {
    ring_.queue_close(listener.fd.release(), user_data(RingOp::kClose, {}));
  }
}

void ConnectionTable::on_accept_completion(uint16_t index, const Completion& completion) {
  Listener& listener = listeners_[index];
  if (!completion.more) listener.accept_in_kernel = false;
  if (completion.result < 0) {
    on_accept_error(listener, -completion.result);
  } else {
    const int fd = completion.result;
    listener.backoff.succeeded();
    if (!accepting_ || slab_.full()) {
      // Refused at once rather than left in the backlog: the client learns it and tries again, and
      // with SO_REUSEPORT probably elsewhere.
      if (accepting_) counters_.add(Counter::kConnectionsRefusedFull);
      ring_.queue_close(fd, user_data(RingOp::kClose, {}));
    } else if (const auto peer = ring_.peer_address(fd); !peer) {
      // Reset before it came here: there is nobody to answer, and no address to count it for.
      counters_.add(Counter::kAcceptErrors);
      ring_.queue_close(fd, user_data(RingOp::kClose, {}));
    } else {
      const ConnectionHandle handle = admit(fd, *peer, index);
      counters_.add(Counter::kConnectionsAccepted);
      handler_.on_accept(handle, index);
      settle_receive(handle, *slab_.get(handle));
    }
  }
  // The handler may have added a listener: do not trust the reference across it.
  settle_listener(listeners_[index], index);
}

void ConnectionTable::on_accept_error(Listener& listener, int error) {
  if (error == ECANCELED && !accepting_) return;
  const int64_t pause_ns = listener.backoff.failed(error, counters_);
  if (pause_ns != 0 && accepting_) listener.retry_at_ns = now_.mono_ns + pause_ns;
}

void ConnectionTable::retry_accepts() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i].retry_at_ns > now_.mono_ns) continue;
    listeners_[i].retry_at_ns = kNoDeadline;
    settle_listener(listeners_[i], static_cast<uint16_t>(i));
  }
}

ConnectionHandle ConnectionTable::admit(int fd, const PeerAddress& peer, uint16_t listener,
                                        ConnectionState state) {
  const ConnectionHandle handle = slab_.emplace(state);
  RW_ASSERT(handle.valid());
  Connection& connection = *slab_.get(handle);
  connection.fd = fd;
  connection.peer = peer;
  connection.listener = listener;
  if (handle.slot >= generations_.size()) generations_.resize(handle.slot + 1);
  generations_[handle.slot] = handle.generation;
  return handle;
}

ConnectionHandle ConnectionTable::take_accepted(OwnedFd fd, const PeerAddress& peer,
                                                uint16_t listener) {
  if (slab_.full()) {
    counters_.add(Counter::kConnectionsRefusedFull);
    return {};
  }
  const ConnectionHandle handle = admit(fd.release(), peer, listener);
  counters_.add(Counter::kConnectionsAccepted);
  settle_receive(handle, *slab_.get(handle));
  return handle;
}

ConnectionHandle ConnectionTable::connect(const SocketAddress& address) {
  const int fd =
      slab_.full() ? -EMFILE : ring_.open_socket(address, options_.connect_user_timeout_ms);
  if (fd < 0) {
    count_connect_error();
    return {};
  }
  const ConnectionHandle handle =
      admit(fd, PeerAddress::from_sockaddr(address.get()), 0, ConnectionState::kConnecting);
  Connection& connection = *slab_.get(handle);
  counters_.add(of_user(Counter::kConnects, Counter::kConnects, Counter::kMaskSocketsOpened));
  set_timer(handle.slot, connection, TimerKind::kDrain, now_.mono_ns + options_.connect_ns);
  ring_.queue_connect(fd, address, user_data(RingOp::kConnect, handle));
  connection.connect_in_kernel = true;
  return handle;
}

ConnectionHandle ConnectionTable::adopt(DetachedSocket&& socket) {
  if (slab_.full()) return {};
  const ConnectionHandle handle = admit(socket.fd.release(), socket.peer, socket.listener);
  Connection& connection = *slab_.get(handle);
  counters_.add(of_user(Counter::kConnectionsMovedIn, Counter::kConnectionsMovedIn,
                        Counter::kMaskSocketsOpened));
  if (!socket.unsent.empty()) {
    const ByteSpan space = connection.output.reserve(pool_, socket.unsent.size());
    std::copy(socket.unsent.begin(), socket.unsent.end(), space.begin());
    connection.output.commit();
    mark_dirty(handle, connection);
  }
  connection.drain_wanted = socket.drain_wanted;
  if (connection.drain_wanted) mark_pending(handle, connection);
  settle_receive(handle, connection);
  return handle;
}

}  // namespace ringway::net
