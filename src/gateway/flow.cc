#include "gateway/flow.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"

namespace ringway::gateway {

using net::TimerKind;

namespace {

DecodeReason reason_of(Error error) noexcept {
  switch (error) {
    case Error::kBadTransport:
      return DecodeReason::kBadMagic;
    case Error::kBadLength:
    case Error::kTooLarge:
    case Error::kTruncated:
      return DecodeReason::kBadLength;
    case Error::kBadChecksum:
      return DecodeReason::kBadChecksum;
    case Error::kBadSequence:
      return DecodeReason::kBadSequence;
    default:
      return DecodeReason::kOther;
  }
}

}  // namespace

Flow::Flow(uint32_t worker, size_t key_cache_entries, const SharedContext& shared,
           CounterBlock& counters, WorkerStatusBoard& status)
    : worker_(worker),
      shared_(shared),
      counters_(counters),
      status_(status),
      keys_(key_cache_entries, counters),
      http_exchanges_(&shared.handshake, shared.config.timeouts.handshake_ns),
      backlog_(shared.workers) {}

Flow::~Flow() = default;

void Flow::abandon() noexcept {
  if (table_ == nullptr) return;
  table_->for_each([&](net::ConnectionHandle handle) {
    delete client_at(handle);
    table_->set_context(handle, nullptr);
  });
}

void Flow::attach(net::ConnectionTable& table, cluster::Dispatcher& dispatcher) {
  table_ = &table;
  dispatcher_ = &dispatcher;
  outbox_ = std::make_unique<Outbox>(table, counters_, status_);
}

// --- finding

Client* Flow::client_at(net::ConnectionHandle handle) noexcept {
  return static_cast<Client*>(table_->context(handle));
}

Client* Flow::client_of(const ConnectionRef& ref) noexcept {
  if (ref.worker != worker_) return nullptr;
  Client* client = client_at(ref.handle);
  return client != nullptr && client->ref == ref && !client->gone ? client : nullptr;
}

Inlet* Flow::inlet_of(const ConnectionRef& ref) noexcept {
  if (ref.worker == worker_) return client_of(ref);
  const auto found = remote_inlets_.find(ref.serial);
  return found == remote_inlets_.end() ? nullptr : found->second.get();
}

Held& Flow::held(Inlet& inlet) {
  if (inlet.held == nullptr) {
    inlet.held = std::make_unique<Held>();
    inlet.held->since_ns = arrived_ns_;
  }
  return *inlet.held;
}

// --- the beginning

void Flow::on_accept(net::ConnectionHandle handle, uint16_t listener) {
  const ListenerDoors& doors = *shared_.doors[listener];
  const net::PeerAddress peer = table_->peer(handle);
  auto client = std::make_unique<Client>(&doors.plain);
  client->peer = peer;
  client->listener = listener;
  client->ref.set_serial(next_serial_++ * shared_.workers + worker_);
  const bool believed = doors.listener.believes_proxy_header(
      peer.by_unix_socket ? std::nullopt : std::optional(peer.ip));
  if (doors.any()) client->doors = std::make_unique<Doors>(doors, believed);
  bool refused = !count_for_listener(*client);
  // Who comes by a proxy counts for the address that its header names.
  client->uncounted = refused || (client->doors != nullptr && client->doors->wants_proxy_header());
  if (!client->uncounted) refused = !count_for_address(*client);
  status_.listener(listener).opened();
  Client& started = *client;
  start_client(std::move(client), handle);
  if (refused || draining_) {
    started.close_now = true;
    fail(started, 0);
    return;
  }
  table_->set_deadline(handle, TimerKind::kFirstByte,
                       now_.mono_ns + shared_.config.timeouts.first_byte_ns);
}

// Of a socket that the workers share.
void Flow::take_accepted(AcceptedSocket&& accepted) {
  const uint16_t listener = accepted.listener;
  const net::ConnectionHandle handle =
      table_->take_accepted(std::move(accepted.fd), accepted.peer, listener);
  if (handle.valid()) on_accept(handle, listener);
}

bool Flow::count_for_listener(Client& client) {
  const ListenerDoors& doors = *shared_.doors[client.listener];
  if (doors.listener.max_connections == 0) return true;
  client.of_listener = true;
  if (doors.open.fetch_add(1, std::memory_order_relaxed) < doors.listener.max_connections) {
    return true;
  }
  counters_.add(Counter::kConnectionsRefusedListener);
  return false;
}

bool Flow::count_for_address(Client& client) {
  const uint32_t limit = shared_.config.limits.connections_per_address;
  client.uncounted = limit != config::kNoLimit &&
                     !shared_.budget->open_connection(client.peer, limit, now_.mono_ns);
  if (client.uncounted) counters_.add(Counter::kConnectionsRefusedAddress);
  return !client.uncounted;
}

void Flow::start_client(std::unique_ptr<Client> client, net::ConnectionHandle handle) {
  client->ref.set_worker(worker_);
  client->ref.handle = handle;
  client->last_input_ms = short_ms(now_.mono_ns);
  ++clients_count_;
  table_->set_context(handle, client.release());  // comes back in on_closed or on_detached
}

// --- bytes

void Flow::on_bytes(net::ConnectionHandle handle, ByteSpan bytes) {
  Client* client = client_at(handle);
  if (client == nullptr) return;
  if (client->masked) client->doors->keep_start(bytes);
  if (client->failed) return;
  status_.listener(client->listener).received(bytes.size());
  if (!client->got_bytes) {
    client->got_bytes = true;
    const auto& timeouts = shared_.config.timeouts;
    table_->set_deadline(handle, TimerKind::kFirstByte, now_.mono_ns + timeouts.detection_ns);
    if (!client->proven) {
      table_->set_deadline(handle, TimerKind::kHandshake, now_.mono_ns + timeouts.handshake_ns);
    }
    table_->set_deadline(handle, TimerKind::kIdle, now_.mono_ns + timeouts.idle_ns);
  }
  if (client->doors == nullptr) {
    take_stream(*client, bytes, false);
    return;
  }
  door_reply_.clear();
  take_doors(*client, client->doors->receive(bytes, now_, turn_bytes_, counters_, door_reply_));
}

void Flow::take_stream(Client& client, ByteSpan bytes, bool is_last) {
  client.transport.receive(bytes);
  if (client.held != nullptr) {
    park_input(client);
  } else {
    pump(client);
    // What was kept for a mask counts no more once the transport is known.
    const bool decided = client.transport.kind() != mtproto::TransportKind::kUndecided;
    if (decided && client.doors != nullptr) client.doors->forget_start();
    after_input(client);
  }
  if (is_last) fail(client, 0);
}

// What the doors made of a read. Their answers go out at once: nothing of the transport's lies in
// the queue of such a connection before the end of the turn.
void Flow::take_doors(Client& client, Doors::Outcome outcome) {
  if (!door_reply_.empty() && !table_->write(client.ref.handle, door_reply_)) fail(client, 0);
  if (outcome.proxy_header_done) {
    if (outcome.peer) client.peer = *outcome.peer;
    if (!count_for_address(client)) {
      client.close_now = true;
      fail(client, 0);
    }
  }
  if (client.failed) return;
  if (outcome.masked) {
    start_mask(client);
    return;
  }
  if (outcome.handshake != nullptr && !may_begin_tls(client)) {
    counters_.add(Counter::kTlsHandshakesRefused);
    client.close_now = true;
    fail(client, 0);
    return;
  }
  if (outcome.handshake != nullptr && !start_step(client, std::move(outcome.handshake))) {
    counters_.add(Counter::kTlsHandshakesLimited);
    waiting_for_pool_.push_back(client.ref);
  }
  if (client.doors->awaits_step() && !outcome.failed) {
    // What comes meanwhile rests, within limits.
    count_input(client);
    if (client.failed || client.paused || client.doors->buffered_bytes() <= kParkedBytesUnpaused) {
      return;
    }
    client.paused = true;
    table_->pause(client.ref.handle);
    return;
  }
  if (outcome.begins != nullptr) {
    client.transport = mtproto::ServerTransport(outcome.begins);
    if (client.doors->is_http()) {
      table_->set_deadline(client.ref.handle, TimerKind::kIdle, now_.mono_ns + idle_ns_of(client));
    }
  }
  // An answer that is laid out already still goes by them.
  if (outcome.plain && client.doors->staged_bytes() == 0) client.doors.reset();
  // More requests that the doors answer themselves, or more of an upload.
  if (client.doors != nullptr && client.doors->may_go_on()) ready_.push_back(client.ref);
  take_stream(client, outcome.stream, outcome.failed);
}

// A handshake counts once, with its first step.
bool Flow::may_begin_tls(Client& client) {
  if (client.tls_begun) return true;
  client.tls_begun = true;
  return shared_.budget->take(BudgetKind::kTlsHandshake, client.peer, now_.mono_ns);
}

// Hands a step of TLS's handshake to the pool. False: it has no room, and the doors keep the step.
bool Flow::start_step(Client& client, std::unique_ptr<tls::TlsStream> handshake) {
  CryptoTask task;
  task.tls = std::move(handshake);
  task.connection = client.ref;
  task.arrived_ns = now_.mono_ns;
  task.address_key = AddressBudget::key_of(client.peer, client.ref.serial);
  if (shared_.submit_crypto(task) == PoolAnswer::kQueued) return true;
  client.doors->keep_step(std::move(task.tls));
  return false;
}

// Each connection stands there once at most.
void Flow::retry_steps() {
  for (size_t left = waiting_for_pool_.size(); left > 0; --left) {
    const ConnectionRef ref = waiting_for_pool_.front();
    waiting_for_pool_.pop_front();
    Client* client = client_of(ref);
    if (client == nullptr || client->failed) continue;
    if (!start_step(*client, client->doors->take_step())) waiting_for_pool_.push_back(ref);
  }
}

void Flow::resume_doors(Client& client, CryptoTask&& task) {
  door_reply_.clear();
  take_doors(client, client.doors->resume(std::move(task.tls), task.tls_ok, now_, turn_bytes_,
                                          counters_, door_reply_));
  if (!client.failed && client.paused &&
      (client.doors == nullptr || !client.doors->awaits_step())) {
    set_pause(client);
  }
}

// What came while a request was worked on, or more of an upload than one turn takes.
void Flow::go_on_doors(Client& client) {
  door_reply_.clear();
  take_doors(client, client.doors->go_on(now_, turn_bytes_, counters_, door_reply_));
  if (!client.failed) set_pause(client);
}

// Cuts frames until the input is used up or something stands in the way.
void Flow::pump(Client& client) {
  while (client.held == nullptr && !client.failed) {
    mtproto::Frame frame;
    switch (client.transport.next(frame)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return;
      case mtproto::ServerTransport::Event::kError:
        counters_.add(Counter::kTransportErrors);
        count_decode_error(client, reason_of(client.transport.error()));
        if (may_mask(client)) {
          start_mask(client);
        } else {
          fail(client, 0, kHttpBadRequest);
        }
        return;
      case mtproto::ServerTransport::Event::kFrame:
        take_frame(client, frame);
        break;
    }
  }
}

void Flow::take_frame(Client& client, mtproto::Frame& frame) {
  counters_.add(Counter::kFramesReceived);
  status_.listener(client.listener).frame();
  client.last_input_ms = short_ms(now_.mono_ns);
  client.frame_timer = false;  // the next frame has a deadline of its own
  const auto content = mtproto::read_frame(client.transport.kind(), frame.payload);
  if (!content) {
    counters_.add(Counter::kTransportErrors);
    count_decode_error(client, reason_of(content.error()));
    fail(client, 0, kHttpBadRequest);
    return;
  }
  if (content->encrypted) {
    take_encrypted(client, content->bytes, std::move(frame.storage), frame.quick_ack);
  } else {
    take_unencrypted(client, content->bytes);
  }
}

void Flow::after_input(Client& client) {
  if (client.failed) return;
  if (client.transport.kind() != mtproto::TransportKind::kUndecided) {
    table_->set_deadline(client.ref.handle, TimerKind::kFirstByte, net::kNoDeadline);
  }
  if (client.held != nullptr) {
    park_input(client);
  } else {
    update_frame_timer(client);
    count_input(client);
    if (client.doors != nullptr && client.doors->awaits_answer()) set_pause(client);
  }
}

// It has a key, so it is no longer held to the time that making one may take.
void Flow::set_proven(Client& client) {
  if (client.proven) return;
  client.proven = true;
  table_->set_deadline(client.ref.handle, TimerKind::kHandshake, net::kNoDeadline);
}

// The connection has to wait: what it sends meanwhile rests in the tail, within limits.
void Flow::park_input(Client& client) {
  client.transport.park();
  update_frame_timer(client);
  count_input(client);
  if (!client.failed) set_pause(client);
}

// What a connection has sent and we have not worked off is limited, for it and for the worker as a
// whole. Where the worker's share is used up, those who hold much of it have to go.
void Flow::count_input(Client& client) {
  size_t bytes = client.transport.buffered_bytes();
  if (client.doors != nullptr) bytes += client.doors->buffered_bytes();
  if (client.held != nullptr) {
    bytes += client.held->remote_bytes + client.held->payloads.size();
    for (const ParkedFrame& frame : client.held->frames) bytes += frame.frame.size();
    if (client.held->large != nullptr) bytes += client.held->large->frame.frame.size();
  }
  input_bytes_ += bytes - client.input_bytes;
  client.input_bytes = static_cast<uint32_t>(bytes);
  const bool too_much = bytes > shared_.config.limits.input_bytes_per_connection;
  const bool worker_full = input_bytes_ > kInputBytesPerWorker && bytes > kParkedBytesUnpaused;
  if (!too_much && !worker_full) return;
  counters_.add(Counter::kInputLimited);
  fail(client, 0);
}

// Reading stops while a connection waits, but for a short wait that little is read in: stopping
// costs two system calls, and most look-ups are over before anything else arrives.
void Flow::set_pause(Client& client) {
  const bool for_doors = client.doors != nullptr &&
                         (client.doors->awaits_answer() || client.doors->may_go_on()) &&
                         client.doors->buffered_bytes() > kParkedBytesUnpaused;
  const bool waits_long =
      for_doors ||
      (client.held != nullptr &&
       (client.held->opened_left() > 0 || client.held->waits_for_move ||
        client.held->waits_for_shard || client.transport.buffered_bytes() > kParkedBytesUnpaused));
  if (waits_long == client.paused || client.failed) return;
  client.paused = waits_long;
  if (waits_long) {
    table_->pause(client.ref.handle);
  } else {
    table_->resume(client.ref.handle);
  }
}

// A frame that has begun must end; a connection that waits for us has no deadline of its own.
void Flow::update_frame_timer(Client& client) {
  const bool begun =
      client.transport.mid_frame() || (client.doors != nullptr && client.doors->mid_request());
  const bool wanted = client.held == nullptr && begun;
  if (wanted == client.frame_timer) return;
  client.frame_timer = wanted;
  table_->set_deadline(client.ref.handle, TimerKind::kFrame,
                       wanted ? now_.mono_ns + shared_.config.timeouts.frame_ns : net::kNoDeadline);
}

// Something an inlet waited for has come: works off what it holds, in order, as far as it goes.
void Flow::resume(Inlet& inlet) {
  if (inlet.failed) return;
  if (inlet.held != nullptr) inlet.held->waits_for_turn = false;
  while (inlet.held != nullptr) {
    Held& wait = *inlet.held;
    if (wait.waits_for_move || wait.waits_for_remote || wait.waits_for_key) return;
    if (wait.waits_for_turn) return;
    if (wait.http != nullptr && (wait.http->cookie != 0 || wait.http->given)) return;
    if (wait.opened_left() > 0) {
      const OpenedMessage& message = wait.opened[wait.opened_done];
      const auto payload =
          ByteView(wait.payloads).subspan(message.payload_at, message.payload_bytes);
      // It may have been held while its key was not bound, and not looked at for this.
      const bool is_temporary = message.entry->record.key_type != 0;
      if (is_temporary && !message.entry->unbound()) note_rebind(*message.entry, payload);
      const bool served = message.entry->unbound()
                              ? serve_unbound(inlet, message, payload)
                              : route(inlet, *message.entry, message.header, payload,
                                      message.quick_ack, message.quick_ack_token);
      if (!served || inlet.failed) return;
      note_taken_over(message.arrived_ns);
      ++wait.opened_done;
      if (wait.opened_left() == 0) wait.forget_opened();
      continue;
    }
    if (wait.large != nullptr) return;
    if (wait.http != nullptr) {
      give_gathered(static_cast<Client&>(inlet));
      return;
    }
    if (!wait.frames.empty()) {
      ParkedFrame frame = std::move(wait.frames.front());
      wait.frames.pop_front();
      std::deque<ParkedFrame> rest = std::move(wait.frames);
      const int64_t since_ns = wait.since_ns;
      inlet.held.reset();
      const ByteSpan bytes(frame.frame);
      arrived_ns_ = since_ns;
      if (load_le<int64_t>(bytes.data()) == 0) {
        take_unencrypted(static_cast<Client&>(inlet), bytes);
      } else {
        take_encrypted(inlet, bytes, std::move(frame.frame), frame.quick_ack);
      }
      arrived_ns_ = now_.mono_ns;
      if (inlet.failed) return;
      if (!rest.empty()) {
        Held& again = held(inlet);
        again.since_ns = since_ns;
        again.frames.insert(again.frames.end(), std::make_move_iterator(rest.begin()),
                            std::make_move_iterator(rest.end()));
      }
      continue;
    }
    inlet.held.reset();
  }
  if (inlet.remote) return;
  auto& client = static_cast<Client&>(inlet);
  if (client.doors != nullptr && client.doors->may_go_on()) {
    go_on_doors(client);
    return;
  }
  pump(client);
  after_input(client);
  set_pause(client);
}

void Flow::resume_waiting() {
  retry_steps();
  wake_for_windows();
  resuming_.swap(ready_);
  for (const ConnectionRef& ref : resuming_) {
    if (Inlet* inlet = inlet_of(ref)) resume(*inlet);
  }
  resuming_.clear();
}

bool Flow::has_work() const noexcept {
  if (!ready_.empty() || !large_.empty() || !open_windows_.empty() || !failed_.empty()) return true;
  return dispatcher_->has_work();
}

bool Flow::has_backlog() const noexcept {
  if (!waiting_for_pool_.empty()) return true;
  return std::any_of(backlog_.begin(), backlog_.end(),
                     [](const auto& messages) { return !messages.empty(); });
}

// --- deadlines

void Flow::run_timers() {
  run_key_timers();
  http_exchanges_.expire(now_);
  refuse_unanswered();
}

void Flow::on_timer(net::ConnectionHandle handle, TimerKind kind) {
  Client* client = client_at(handle);
  if (client == nullptr || client->failed) return;
  uint16_t status = kHttpTimeout;
  switch (kind) {
    case TimerKind::kFirstByte:
      // The time that it waits for us is not its own; kHandshake bounds it.
      if (client->doors != nullptr && client->doors->awaits_step()) {
        table_->set_deadline(handle, kind, now_.mono_ns + shared_.config.timeouts.detection_ns);
        return;
      }
      counters_.add(Counter::kTimeoutFirstByte);
      // Our patience is not to be told from the mask's.
      if (may_mask(*client)) {
        start_mask(*client);
        return;
      }
      break;
    case TimerKind::kHandshake:
      if (lacks_shard(*client)) {
        table_->set_deadline(handle, kind, now_.mono_ns + shared_.config.timeouts.handshake_ns);
        return;
      }
      counters_.add(Counter::kTimeoutHandshake);
      break;
    case TimerKind::kFrame:
      if (!client->frame_timer) return;
      counters_.add(Counter::kTimeoutFrame);
      break;
    case TimerKind::kIdle: {
      // Set once and looked at when it fires: input only notes the time.
      const uint32_t silent_ms = short_ms(now_.mono_ns) - client->last_input_ms;
      int64_t left_ns = idle_ns_of(*client) - silent_ms * kNsPerMs;
      // The time that it waits for us is not its own. What it waits for has deadlines, and all of
      // it together has this one.
      if (client->doors != nullptr && client->doors->awaits_answer()) {
        left_ns = std::min(kHttpAnswerNs - silent_ms * kNsPerMs, idle_ns_of(*client));
        status = kHttpUnavailable;
      }
      if (left_ns > 0) {
        table_->set_deadline(handle, TimerKind::kIdle, now_.mono_ns + left_ns);
        return;
      }
      counters_.add(Counter::kTimeoutIdle);
      break;
    }
    case TimerKind::kKeyLookup:
      status = kHttpBadGateway;
      if (draining_) {  // see drain_http()
        status = kHttpUnavailable;
        break;
      }
      if (lacks_shard(*client)) {
        table_->set_deadline(handle, kind, now_.mono_ns + shared_.config.timeouts.key_lookup_ns);
        return;
      }
      counters_.add(Counter::kTimeoutKeyLookup);
      break;
    case TimerKind::kDrain:
      return;
  }
  fail(*client, 0, status);
}

int64_t Flow::idle_ns_of(const Client& client) const noexcept {
  const int64_t configured_ns = shared_.config.timeouts.idle_ns;
  const bool http = client.doors != nullptr && client.doors->is_http();
  return http ? std::min(configured_ns, kHttpIdleNs) : configured_ns;
}

// It waits for a shard that would know its key: it is not the one that is late, and on_no_shard()
// bounds its wait.
bool Flow::lacks_shard(const Client& client) const noexcept {
  if (client.held == nullptr) return false;
  return client.held->waits_for_shard ||
         (client.held->waits_for_key && dispatcher_->shard_of(0) == cluster::kAnyShard);
}

void Flow::on_send_drained(net::ConnectionHandle handle) { (void)handle; }

// --- the end

// No further frame is taken; the connection is closed at the end of the turn, after what it is
// owed.
void Flow::fail(Inlet& inlet, int32_t transport_error, uint16_t http_status) {
  if (inlet.failed) return;
  inlet.failed = true;
  if (!inlet.remote) refuse_http(static_cast<Client&>(inlet), transport_error, http_status);
  if (inlet.held != nullptr) {
    counters_.add(Counter::kMessagesAbandoned,
                  inlet.held->opened_left() + inlet.held->frames.size());
  }
  if (inlet.remote) {
    RemoteDone done;
    done.to = inlet.ref;
    done.close = true;
    done.transport_error = transport_error;
    static_cast<RemoteInlet&>(inlet).owes_answer = false;
    if (!inlet.gone) post(inlet.ref.worker, std::move(done));
    return;
  }
  auto& client = static_cast<Client&>(inlet);
  client.closing_error = transport_error;
  failed_.push_back(&client);
}

void Flow::count_decode_error(const Client& client, DecodeReason reason) noexcept {
  status_.listener(client.listener).decode_error(reason);
}

void Flow::close_failed() {
  for (Client* client : failed_) {
    if (client->gone) continue;
    if (client->closing_error != 0) (void)outbox_->transport_error(*client, client->closing_error);
  }
}

void Flow::on_closed(net::ConnectionHandle handle, net::CloseReason reason) {
  std::unique_ptr<Client> client(client_at(handle));
  if (client == nullptr) return;
  log_debug("gateway", "{} closed ({})", client->peer.to_string(), static_cast<int>(reason));
  table_->set_context(handle, nullptr);
  status_.listener(client->listener).closed();
  // The transport of a client that failed may still refer to a read of an earlier turn.
  const bool begun =
      !client->failed && (client->transport.kind() == mtproto::TransportKind::kUndecided
                              ? client->transport.buffered_bytes() > 0
                              : client->transport.mid_frame());
  if (begun && reason != net::CloseReason::kLocal) {
    count_decode_error(*client, DecodeReason::kUnexpectedEnd);
  }
  client->gone = true;
  client->failed = true;
  cancel_call(*client);
  if (client->held != nullptr) {
    counters_.add(Counter::kMessagesAbandoned,
                  client->held->opened_left() + client->held->frames.size());
  }
  departed_.push_back(std::move(client));
}

// Sessions end and pins go with the connection. Called once nothing of the turn refers to it.
void Flow::take_apart(Client& client) {
  tell_homes_gone(client);
  release_inlet(client);
  if (client.mask_place) masks_->give_place(client.peer);
  count_out(client);
  input_bytes_ -= client.input_bytes;
  --clients_count_;
}

// It is no longer one of its address's connections, nor of its listener's.
void Flow::count_out(const Client& client) {
  if (!client.uncounted && shared_.config.limits.connections_per_address != config::kNoLimit) {
    shared_.budget->close_connection(client.peer);
  }
  if (client.of_listener) {
    shared_.doors[client.listener]->open.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Flow::release_inlet(Inlet& inlet) {
  while (!inlet.sessions.empty()) leave_session(inlet, inlet.sessions.front()->first);
  inlet.held.reset();
  inlet.large_seal.reset();
  release_keys(inlet);
}

void Flow::release_keys(Inlet& inlet) {
  for (KeyUse& use : inlet.keys) {
    if (use.entry == nullptr) continue;
    if (use.entry->users.size() == 1) drop_binding(*use.entry);
    keys_.unpin(*use.entry, inlet.ref);
  }
  inlet.keys.clear();
}

void Flow::finish_turn() {
  answer_remote_inlets();
  close_failed();
  outbox_->finish_turn();
  for (Client* client : outbox_->answered()) finish_request(*client);
  for (Client* client : failed_) {
    if (client->gone) continue;
    if (client->doors != nullptr) say_goodbye(*client);
    table_->close(client->ref.handle,
                  client->close_now ? net::CloseMode::kNow : net::CloseMode::kFlush);
  }
  failed_.clear();
  for (Client* client : moving_) {
    if (!client->gone && !client->failed) table_->detach(client->ref.handle);
  }
  moving_.clear();
  for (const auto& client : departed_) take_apart(*client);
  departed_.clear();
  for (const auto& inlet : departed_remote_) release_inlet(*inlet);
  departed_remote_.clear();
  turn_bytes_.clear();
  retry_posts();
}

void Flow::say_goodbye(Client& client) {
  Bytes last;
  client.doors->close(last);
  if (!last.empty()) (void)table_->write(client.ref.handle, last);
}

void Flow::note_duration(int64_t duration_ns) noexcept {
  const auto duration = static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0));
  counters_.observe(Distribution::kTurnDuration, duration);
  if (turn_messages_ > 0) {
    counters_.observe(Distribution::kMessageDuration, duration, turn_messages_);
  }
  if (turn_exchanges_ > 0) {
    counters_.observe(Distribution::kKeyExchangeDuration, duration, turn_exchanges_);
  }
  turn_messages_ = 0;
  turn_exchanges_ = 0;
}

void Flow::drain() {
  if (draining_) return;
  draining_ = true;
  table_->stop_accepting();
  table_->for_each_open([&](net::ConnectionHandle handle) {
    Client* client = client_at(handle);
    if (client != nullptr && !drain_http(*client)) fail(*client, 0, kHttpUnavailable);
  });
  if (masks_ != nullptr) masks_->drain();
}

bool Flow::drained() const noexcept {
  return clients_count_ == 0 && remote_inlets_.empty() && dispatcher_->unacknowledged() == 0;
}

void Flow::settle_posts() noexcept {
  if (posts_taken_ == 0) return;
  shared_.posts_in_flight.fetch_sub(posts_taken_, std::memory_order_acq_rel);
  posts_taken_ = 0;
}

}  // namespace ringway::gateway
