#include "net/connection_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringway::net {
namespace {

CloseReason reason_of(int error) noexcept {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
    case ENOTCONN:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return CloseReason::kPeerReset;
    default:
      return CloseReason::kError;
  }
}

bool is_retry(int error) noexcept { return error == EINTR || error == EAGAIN; }

bool is_live(const Connection& connection) noexcept {
  return connection.state() == ConnectionState::kOpen ||
         connection.state() == ConnectionState::kDetaching;
}

// Ticks are compared as 32-bit serial numbers; 0 is taken for "none".
uint32_t tick_at_or_after(int64_t deadline_ns) noexcept {
  const int64_t tick = (std::max<int64_t>(deadline_ns, 0) + kWheelTickNs - 1) >> kWheelTickShift;
  return std::max<uint32_t>(static_cast<uint32_t>(tick), 1);
}
bool is_before(uint32_t a, uint32_t b) noexcept { return static_cast<int32_t>(a - b) < 0; }

// Deadlines of a connection's beginning: once cleared they do not come again.
bool is_once(TimerKind kind) noexcept {
  return kind == TimerKind::kFirstByte || kind == TimerKind::kHandshake;
}

// Far enough for any timeout, near enough for serial numbers.
constexpr int64_t kDeadlineHorizonNs = kWheelTickNs << 29;

}  // namespace

ConnectionTable::ConnectionTable(const ConnectionTableOptions& options, Ring& ring,
                                 ConnectionHandler& handler, CounterBlock& counters, Now now)
    : options_(options),
      ring_(ring),
      handler_(handler),
      counters_(counters),
      now_(now),
      slab_(options.connections_max),
      pool_(options.cleanse_output),
      wheel_(now.mono_ns) {}

ConnectionTable::~ConnectionTable() {
  slab_.for_each([&](ConnectionHandle, Connection& connection) {
    if (connection.fd >= 0 && !connection.close_in_kernel) ring_.close_now(connection.fd);
    connection.output.clear(pool_);
  });
  for (Listener& listener : listeners_) {
    if (listener.fd.valid()) ring_.close_now(listener.fd.release());
  }
}

// --- The turn.

void ConnectionTable::process(std::span<const Completion> completions, Now now) {
  now_ = now;
  retry_accepts();
  settle_pending();
  for (const Completion& completion : completions) {
    if (user_of(completion.user_data) == options_.user) on_completion(completion);
  }
}

void ConnectionTable::on_completion(const Completion& completion) {
  if (completion.has_buffer) received_buffers_.push_back(completion.buffer_id);
  const RingOp op = op_of(completion.user_data);
  const ConnectionHandle handle = handle_of(completion.user_data);
  if (op == RingOp::kAccept) {
    on_accept_completion(static_cast<uint16_t>(handle.slot), completion);
    return;
  }
  if (op == RingOp::kCancelAccept) {
    listeners_[handle.slot].cancel_in_kernel = false;
    if (!listeners_[handle.slot].accept_in_kernel) {
      settle_listener(listeners_[handle.slot], static_cast<uint16_t>(handle.slot));
    }
    return;
  }
  // Every operation of a connection is joined before its slot is recycled, so only closes of
  // refused sockets and of listeners find nobody.
  Connection* found = slab_.get(handle);
  if (found == nullptr) return;
  Connection& connection = *found;
  switch (op) {
    case RingOp::kReceive:
      on_receive_completion(handle, connection, completion);
      break;
    case RingOp::kSend:
      connection.send_in_kernel = false;
      on_send_completion(handle, connection, completion.result);
      break;
    case RingOp::kShutdown:
      connection.shutdown_in_kernel = false;
      advance(handle, connection);
      break;
    case RingOp::kCancelReceive:
      connection.cancel_receive_in_kernel = false;
      on_cancel_completion(handle, connection, connection.receive_in_kernel, completion.result);
      break;
    case RingOp::kCancelSend:
      connection.cancel_send_in_kernel = false;
      on_cancel_completion(handle, connection, connection.send_in_kernel, completion.result);
      break;
    case RingOp::kConnect:
      connection.connect_in_kernel = false;
      on_connect_completion(handle, connection, completion.result);
      break;
    case RingOp::kCancelConnect:
      connection.cancel_connect_in_kernel = false;
      on_cancel_completion(handle, connection, connection.connect_in_kernel, completion.result);
      break;
    case RingOp::kClose:
      connection.close_in_kernel = false;
      advance(handle, connection);
      break;
    default:
      RW_ASSERT(false);
  }
}

void ConnectionTable::on_receive_completion(ConnectionHandle handle, Connection& connection,
                                            const Completion& completion) {
  if (!completion.more) connection.receive_in_kernel = false;
  if (completion.result > 0) {
    const auto size = static_cast<size_t>(completion.result);
    counters_.add(
        of_user(Counter::kBytesReceived, Counter::kLinkBytesReceived, Counter::kMaskBytesReceived),
        size);
    if (is_live(connection)) handler_.on_bytes(handle, ring_.buffer(completion.buffer_id, size));
  } else if (completion.result == 0) {
    connection.peer_finished = true;
    if (connection.state() == ConnectionState::kOpen && !handler_.on_end(handle)) {
      begin_close(handle, connection, CloseReason::kPeerClosed, CloseMode::kFlush);
    }
  } else if (completion.result == -ENOBUFS) {
    counters_.add(Counter::kReceiveBuffersExhausted);
    if (!connection.in_starved_list) {
      connection.in_starved_list = true;
      starved_.push_back(handle);
    }
  } else if (completion.result != -ECANCELED && !is_retry(-completion.result)) {
    // The stream is broken; what was to be flushed cannot arrive any more.
    connection.peer_finished = true;
    if (is_live(connection) || connection.state() == ConnectionState::kFlushing) {
      begin_close(handle, connection, reason_of(-completion.result), CloseMode::kNow);
    }
  }
  advance(handle, connection);
}

void ConnectionTable::on_send_completion(ConnectionHandle handle, Connection& connection,
                                         int32_t result) {
  const ConnectionState state = connection.state();
  if (result > 0) {
    counters_.add(of_user(Counter::kBytesSent, Counter::kLinkBytesSent, Counter::kMaskBytesSent),
                  static_cast<uint64_t>(result));
    connection.output.consume(pool_, static_cast<size_t>(result));
    if (connection.output.committed_bytes() > 0 || connection.finish_wanted) {
      mark_dirty(handle, connection);
    }
  } else if (result == -ECANCELED || is_retry(-result)) {
    mark_dirty(handle, connection);
  } else {
    counters_.add(Counter::kSendErrors);
    if (is_live(connection) || state == ConnectionState::kFlushing) {
      begin_close(handle, connection, reason_of(-result), CloseMode::kNow);
    }
  }
  advance(handle, connection);
}

void ConnectionTable::on_connect_completion(ConnectionHandle handle, Connection& connection,
                                            int32_t result) {
  if (connection.state() == ConnectionState::kConnecting) {
    clear_timers(handle.slot, connection);
    if (result == 0 || result == -EISCONN) {
      connection.set_state(ConnectionState::kOpen);
      handler_.on_connected(handle);
    } else {
      count_connect_error();
      begin_close(handle, connection, CloseReason::kNotReached, CloseMode::kNow);
    }
  }
  advance(handle, connection);
}

void ConnectionTable::tell_drained(ConnectionHandle handle, Connection& connection) {
  if (!connection.drain_wanted) return;
  if (connection.output.queued_bytes() > options_.output_low_bytes) return;
  connection.drain_wanted = false;
  handler_.on_send_drained(handle);
}

void ConnectionTable::release_received() {
  if (!received_buffers_.empty()) {
    ring_.give_back(received_buffers_);
    received_buffers_.clear();
  }
  scratch_.swap(starved_);
  for (const ConnectionHandle handle : scratch_) {
    if (Connection* connection = slab_.get(handle)) {
      connection->in_starved_list = false;
      settle_receive(handle, *connection);
    }
  }
  scratch_.clear();
}

void ConnectionTable::flush_sends() {
  scratch_.swap(dirty_);
  for (const ConnectionHandle handle : scratch_) {
    Connection* connection = slab_.get(handle);
    if (connection == nullptr) continue;
    connection->in_dirty_list = false;
    const ConnectionState state = connection->state();
    if (state == ConnectionState::kOpen || state == ConnectionState::kFlushing) {
      start_send(handle, *connection);
    }
    if (state == ConnectionState::kFlushing) settle_flush(handle, *connection);
    if (state == ConnectionState::kOpen) settle_finish(handle, *connection);
  }
  scratch_.clear();
}

void ConnectionTable::start_send(ConnectionHandle handle, Connection& connection) {
  if (connection.send_in_kernel) return;
  iovec pieces[kSendGatherMax];
  const size_t count = connection.output.gather(pieces);
  if (count == 0) return;
  ring_.queue_send(connection.fd, std::span(pieces, count), user_data(RingOp::kSend, handle));
  connection.send_in_kernel = true;
}

int64_t ConnectionTable::next_wake_ns() const noexcept {
  // A deadline that closes comes after this turn's sends: its flush belongs to the next turn.
  if (!pending_.empty() || !dirty_.empty()) return 0;
  int64_t wake_ns = wheel_.next_event_ns();
  for (const Listener& listener : listeners_) wake_ns = std::min(wake_ns, listener.retry_at_ns);
  return wake_ns;
}

// --- One connection.

bool ConnectionTable::is_open(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  return connection != nullptr && is_live(*connection);
}

PeerAddress ConnectionTable::peer(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  return connection != nullptr ? connection->peer : PeerAddress{};
}

uint16_t ConnectionTable::listener(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  return connection != nullptr ? connection->listener : uint16_t{0};
}

void ConnectionTable::set_context(ConnectionHandle handle, void* context) noexcept {
  if (Connection* connection = slab_.get(handle)) connection->context = context;
}

void* ConnectionTable::context(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  return connection != nullptr ? connection->context : nullptr;
}

void ConnectionTable::set_receive_low(ConnectionHandle handle, size_t bytes) noexcept {
  const Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  ring_.set_receive_low(connection->fd, bytes);
}

ByteSpan ConnectionTable::reserve(ConnectionHandle handle, size_t size) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || !is_live(*connection)) return {};
  return reserve(*connection, size);
}

ByteSpan ConnectionTable::reserve(Connection& connection, size_t size) {
  if (size == 0) return {};
  const size_t queued = connection.output.queued_bytes();
  if (options_.output_bytes_max != 0 &&
      (size > options_.output_bytes_max || queued > options_.output_bytes_max - size)) {
    counters_.add(Counter::kSendQueueOverflows);
    connection.drain_wanted = true;
    return {};
  }
  if (queued + size > options_.output_high_bytes) connection.drain_wanted = true;
  return connection.output.reserve(pool_, size);
}

void ConnectionTable::commit(ConnectionHandle handle) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr) return;
  if (!is_live(*connection) && connection->state() != ConnectionState::kFlushing) return;
  connection->output.commit();
  if (connection->state() == ConnectionState::kDetaching) {
    mark_pending(handle, *connection);
  } else {
    mark_dirty(handle, *connection);
  }
}

bool ConnectionTable::write(ConnectionHandle handle, ByteView bytes) {
  return bytes.empty() ? is_open(handle) : fill(handle, reserve(handle, bytes.size()), bytes);
}

bool ConnectionTable::write_owed(ConnectionHandle handle, ByteView bytes) {
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kFlushing) {
    return write(handle, bytes);
  }
  return bytes.empty() || fill(handle, reserve(*connection, bytes.size()), bytes);
}

bool ConnectionTable::fill(ConnectionHandle handle, ByteSpan space, ByteView bytes) {
  if (space.empty()) return false;
  std::memcpy(space.data(), bytes.data(), bytes.size());
  commit(handle);
  return true;
}

size_t ConnectionTable::output_room(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  if (connection == nullptr || !is_live(*connection)) return 0;
  if (options_.output_bytes_max == 0) return SIZE_MAX;
  return options_.output_bytes_max -
         std::min(options_.output_bytes_max, connection->output.queued_bytes());
}

size_t ConnectionTable::queued_bytes(ConnectionHandle handle) noexcept {
  const Connection* connection = slab_.get(handle);
  return connection != nullptr ? connection->output.queued_bytes() : 0;
}

void ConnectionTable::mark_dirty(ConnectionHandle handle, Connection& connection) {
  if (connection.in_dirty_list) return;
  connection.in_dirty_list = true;
  dirty_.push_back(handle);
}

// --- Deadlines.

void ConnectionTable::set_deadline(ConnectionHandle handle, TimerKind kind, int64_t deadline_ns) {
  RW_ASSERT(kind != TimerKind::kDrain);
  Connection* connection = slab_.get(handle);
  if (connection == nullptr || connection->state() != ConnectionState::kOpen) return;
  set_timer(handle.slot, *connection, kind, deadline_ns);
}

void ConnectionTable::set_timer(uint32_t slot, Connection& connection, TimerKind kind,
                                int64_t deadline_ns) {
  uint32_t& tick = connection.deadline_ticks[static_cast<size_t>(kind)];
  if (deadline_ns == kNoDeadline) {
    const bool waited_for = tick != 0 && tick == connection.wheel_tick;
    tick = 0;
    // A deadline that comes and goes all the time leaves the wheel as it is: the next one of its
    // kind finds its place there. One that never comes again would only wake us for nothing.
    if (waited_for && is_once(kind)) place_earliest(slot, connection);
    return;
  }
  const int64_t bounded_ns = std::min(deadline_ns, now_.mono_ns + kDeadlineHorizonNs);
  tick = tick_at_or_after(bounded_ns);
  if (connection.wheel_tick != 0 && !is_before(tick, connection.wheel_tick)) return;
  connection.wheel_tick = tick;
  wheel_.set(slot, bounded_ns);
}

void ConnectionTable::clear_timers(uint32_t slot, Connection& connection) {
  connection.deadline_ticks.fill(0);
  connection.wheel_tick = 0;
  wheel_.cancel(slot);
}

void ConnectionTable::expire(Now now) {
  now_ = now;
  wheel_.advance(now.mono_ns, kExpirePerTurnMax, [this](uint32_t slot) { fire_timers(slot); });
}

void ConnectionTable::fire_timers(uint32_t slot) {
  const ConnectionHandle handle{slot, generations_[slot]};
  Connection& connection = *slab_.get(handle);  // recycling takes a slot off the wheel
  connection.wheel_tick = 0;
  const auto now_tick = static_cast<uint32_t>(now_.mono_ns >> kWheelTickShift);
  for (size_t i = 0; i < kTimerKinds; ++i) {
    uint32_t& tick = connection.deadline_ticks[i];
    if (tick == 0 || is_before(now_tick, tick)) continue;
    tick = 0;
    if (static_cast<TimerKind>(i) == TimerKind::kDrain) {
      on_drain_timer(handle, connection);
    } else {
      handler_.on_timer(handle, static_cast<TimerKind>(i));
    }
  }
  // What is left was moved back since the wheel took us in.
  place_earliest(slot, connection);
}

// Puts the connection where its earliest deadline is, or takes it off the wheel.
void ConnectionTable::place_earliest(uint32_t slot, Connection& connection) {
  uint32_t earliest = 0;
  for (const uint32_t tick : connection.deadline_ticks) {
    if (tick != 0 && (earliest == 0 || is_before(tick, earliest))) earliest = tick;
  }
  if (earliest == connection.wheel_tick) return;
  connection.wheel_tick = earliest;
  if (earliest == 0) {
    wheel_.cancel(slot);
    return;
  }
  const int64_t now_tick = now_.mono_ns >> kWheelTickShift;
  const int64_t ticks_left = static_cast<int32_t>(earliest - static_cast<uint32_t>(now_tick));
  wheel_.set(slot, (now_tick + ticks_left) << kWheelTickShift);
}

void ConnectionTable::on_drain_timer(ConnectionHandle handle, Connection& connection) {
  if (connection.state() == ConnectionState::kConnecting) {
    count_connect_error();
    connection.reason = CloseReason::kNotReached;
  } else if (connection.state() != ConnectionState::kLingering) {
    counters_.add(Counter::kTimeoutDrain);
  }
  if (connection.reason == CloseReason::kNone) connection.reason = CloseReason::kLocal;
  begin_join(handle, connection);
}

}  // namespace ringway::net
