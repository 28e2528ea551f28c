// How connections go: pausing, flushing, lingering, joining, closing and detaching.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/connection_table.h"

namespace ringway::net {
namespace {

bool is_detachable(const Connection& connection) noexcept {
  return connection.state() == ConnectionState::kDetaching && !connection.any_in_kernel() &&
         connection.output.committed_bytes() == connection.output.queued_bytes();
}

}  // namespace

void ConnectionTable::settle_pending() {
  scratch_.swap(pending_);
  for (const ConnectionHandle handle : scratch_) {
    Connection* connection = slab_.get(handle);
    if (connection == nullptr) continue;
    connection->in_pending_list = false;
    if (is_detachable(*connection)) {
      finish_detach(handle, *connection);
    } else if (connection->state() != ConnectionState::kDetaching) {
      advance(handle, *connection);
    }
  }
  scratch_.clear();
}

void ConnectionTable::pause(ConnectionHandle handle) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  connection->want_receive = false;
  settle_receive(handle, *connection);
}

void ConnectionTable::resume(ConnectionHandle handle) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  connection->want_receive = true;
  settle_receive(handle, *connection);
}

void ConnectionTable::close(ConnectionHandle handle, CloseMode mode) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr) return;
  switch (connection->state()) {
    case ConnectionState::kConnecting:
      begin_close(handle, *connection, CloseReason::kLocal, CloseMode::kNow);
      break;
    case ConnectionState::kOpen:
    case ConnectionState::kDetaching:
      begin_close(handle, *connection, CloseReason::kLocal, mode);
      break;
    case ConnectionState::kFlushing:
    case ConnectionState::kLingering:
      if (mode == CloseMode::kReset) connection->reset_wanted = true;
      // With a reset what is queued still goes first: settle_flush() sees to the rest.
      if (mode == CloseMode::kNow ||
          (connection->reset_wanted && connection->state() == ConnectionState::kLingering)) {
        begin_join(handle, *connection);
      }
      break;
    case ConnectionState::kJoining:
    case ConnectionState::kClosing:
    case ConnectionState::kGone:
      break;
  }
}

void ConnectionTable::close_all(CloseMode mode) {
  slab_.for_each([&](ConnectionHandle handle, Connection&) { close(handle, mode); });
}

void ConnectionTable::detach(ConnectionHandle handle, DetachAs as) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  connection->set_state(ConnectionState::kDetaching);
  connection->given_away = as == DetachAs::kClosed;
  clear_timers(handle.slot, *connection);
  // A worker that never commits, or an operation that never ends, must not hold the socket for
  // ever.
  set_timer(handle.slot, *connection, TimerKind::kDrain, now_.mono_ns + options_.drain_ns);
  settle_receive(handle, *connection);
  cancel_send(handle, *connection);
  mark_pending(handle, *connection);
}

void ConnectionTable::mark_pending(ConnectionHandle handle, Connection& connection) {
  if (connection.in_pending_list) return;
  connection.in_pending_list = true;
  pending_.push_back(handle);
}

void ConnectionTable::begin_close(ConnectionHandle handle, Connection& connection,
                                  CloseReason reason, CloseMode mode) {
  if (connection.reason == CloseReason::kNone) connection.reason = reason;
  if (mode == CloseMode::kNow) {
    begin_join(handle, connection);
    return;
  }
  connection.reset_wanted = mode == CloseMode::kReset;
  connection.set_state(ConnectionState::kFlushing);
  clear_timers(handle.slot, connection);
  set_timer(handle.slot, connection, TimerKind::kDrain, now_.mono_ns + options_.drain_ns);
  // What comes from here on is discarded, but it has to be read: unread bytes turn a close into a
  // reset, which takes our last bytes with it.
  connection.want_receive = true;
  settle_receive(handle, connection);
  mark_dirty(handle, connection);
}

void ConnectionTable::begin_join(ConnectionHandle handle, Connection& connection) {
  connection.set_state(ConnectionState::kJoining);
  clear_timers(handle.slot, connection);
  settle_join(handle, connection);
}

void ConnectionTable::settle_receive(ConnectionHandle handle, Connection& connection) {
  const ConnectionState state = connection.state();
  const bool wanted = connection.want_receive && !connection.peer_finished &&
                      (state == ConnectionState::kOpen || state == ConnectionState::kFlushing ||
                       state == ConnectionState::kLingering);
  // A cancel in the kernel names the receive it was meant for by user_data: a new receive must not
  // be queued before that cancel is over.
  if (connection.cancel_receive_in_kernel) return;
  const uint64_t receive = user_data(RingOp::kReceive, handle);
  if (wanted && !connection.receive_in_kernel && !connection.in_starved_list) {
    ring_.queue_receive(connection.fd, receive);
    connection.receive_in_kernel = true;
  } else if (!wanted && connection.receive_in_kernel) {
    ring_.queue_cancel(receive, user_data(RingOp::kCancelReceive, handle));
    connection.cancel_receive_in_kernel = true;
  }
}

void ConnectionTable::settle_flush(ConnectionHandle handle, Connection& connection) {
  if (connection.send_in_kernel) return;
  RW_ASSERT(connection.output.committed_bytes() == 0);
  if (connection.peer_finished || connection.reset_wanted) {
    begin_join(handle, connection);
    return;
  }
  connection.set_state(ConnectionState::kLingering);
  set_timer(handle.slot, connection, TimerKind::kDrain, now_.mono_ns + options_.linger_ns);
  if (connection.shutdown_in_kernel) return;  // finish_output()'s is on its way
  ring_.queue_shutdown(connection.fd, SHUT_WR, user_data(RingOp::kShutdown, handle));
  connection.shutdown_in_kernel = true;
}

void ConnectionTable::finish_output(ConnectionHandle handle) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  connection->finish_wanted = true;
  mark_dirty(handle, *connection);
}

void ConnectionTable::settle_finish(ConnectionHandle handle, Connection& connection) {
  if (!connection.finish_wanted || connection.send_in_kernel) return;
  connection.finish_wanted = false;
  ring_.queue_shutdown(connection.fd, SHUT_WR, user_data(RingOp::kShutdown, handle));
  connection.shutdown_in_kernel = true;
}

void ConnectionTable::settle_join(ConnectionHandle handle, Connection& connection) {
  settle_receive(handle, connection);
  cancel_send(handle, connection);
  cancel_connect(handle, connection);
  if (connection.any_in_kernel()) return;
  connection.set_state(ConnectionState::kClosing);
  if (connection.reset_wanted) ring_.reset_on_close(connection.fd);
  ring_.queue_close(connection.fd, user_data(RingOp::kClose, handle));
  connection.close_in_kernel = true;
}

void ConnectionTable::cancel_send(ConnectionHandle handle, Connection& connection) {
  if (!connection.send_in_kernel || connection.cancel_send_in_kernel) return;
  ring_.queue_cancel(user_data(RingOp::kSend, handle), user_data(RingOp::kCancelSend, handle));
  connection.cancel_send_in_kernel = true;
}

void ConnectionTable::cancel_connect(ConnectionHandle handle, Connection& connection) {
  if (!connection.connect_in_kernel || connection.cancel_connect_in_kernel) return;
  ring_.queue_cancel(user_data(RingOp::kConnect, handle),
                     user_data(RingOp::kCancelConnect, handle));
  connection.cancel_connect_in_kernel = true;
}

void ConnectionTable::on_cancel_completion(ConnectionHandle handle, Connection& connection,
                                           bool target_in_kernel, int32_t result) {
  if (!target_in_kernel) {
    advance(handle, connection);
    return;
  }
  if (result == 0) return;  // the target's own completion follows
  // -EALREADY: the kernel is at it and the completion comes by itself; asking again would only
  // spin. When the connection is to be closed anyway, shutting the socket ends the operation for
  // certain.
  // (With a shutdown still under way, its completion leads to another cancel, and back to here.)
  if (connection.state() == ConnectionState::kJoining && !connection.was_aborted &&
      !connection.shutdown_in_kernel) {
    connection.was_aborted = true;
    ring_.queue_shutdown(connection.fd, SHUT_RDWR, user_data(RingOp::kShutdown, handle));
    connection.shutdown_in_kernel = true;
  }
}

void ConnectionTable::advance(ConnectionHandle handle, Connection& connection) {
  switch (connection.state()) {
    case ConnectionState::kConnecting:
      break;
    case ConnectionState::kOpen:
      tell_drained(handle, connection);
      settle_receive(handle, connection);
      break;
    case ConnectionState::kFlushing:
      // Whether all is sent is decided at the end of the turn: some of it may be sealed only then.
      settle_receive(handle, connection);
      mark_dirty(handle, connection);
      break;
    case ConnectionState::kLingering:
      if (connection.peer_finished) {
        begin_join(handle, connection);
      } else {
        settle_receive(handle, connection);
      }
      break;
    case ConnectionState::kDetaching:
      // Finished at the start of the next process(): this turn may still hold bytes of it.
      if (is_detachable(connection)) mark_pending(handle, connection);
      break;
    case ConnectionState::kJoining:
      settle_join(handle, connection);
      break;
    case ConnectionState::kClosing:
      if (!connection.close_in_kernel) finish_close(handle, connection);
      break;
    case ConnectionState::kGone:
      break;
  }
}

void ConnectionTable::finish_detach(ConnectionHandle handle, Connection& connection) {
  DetachedSocket socket;
  socket.fd = OwnedFd(connection.fd);
  socket.peer = connection.peer;
  socket.listener = connection.listener;
  socket.drain_wanted = connection.drain_wanted;
  socket.unsent.reserve(connection.output.committed_bytes());
  iovec pieces[kSendGatherMax];
  while (const size_t count = connection.output.gather(pieces)) {
    for (const iovec& piece : std::span(pieces, count)) {
      const auto* bytes = static_cast<const uint8_t*>(piece.iov_base);
      socket.unsent.insert(socket.unsent.end(), bytes, bytes + piece.iov_len);
      connection.output.consume(pool_, piece.iov_len);
    }
  }
  connection.fd = -1;
  connection.set_state(ConnectionState::kGone);
  clear_timers(handle.slot, connection);
  counters_.add(connection.given_away ? Counter::kConnectionsClosed
                                      : Counter::kConnectionsMovedOut);
  handler_.on_detached(handle, std::move(socket));
  recycle(handle, connection);
}

void ConnectionTable::finish_close(ConnectionHandle handle, Connection& connection) {
  connection.fd = -1;
  connection.set_state(ConnectionState::kGone);
  counters_.add(
      of_user(Counter::kConnectionsClosed, Counter::kLinksClosed, Counter::kMaskSocketsClosed));
  handler_.on_closed(handle, connection.reason);
  recycle(handle, connection);
}

void ConnectionTable::recycle(ConnectionHandle handle, Connection& connection) {
  RW_ASSERT(!connection.any_in_kernel());
  connection.output.clear(pool_);
  slab_.release(handle);
}

}  // namespace ringway::net
