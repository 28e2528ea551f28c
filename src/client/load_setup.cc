// The set-up of connections: connecting, making or awaiting a key, proving the session, and what
// happens to a connection that is lost.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "client/load_worker.h"
#include "client/objects.h"
#include "client/stream_socket.h"
#include "crypto/random.h"
#include "mtproto/framing.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::client {
namespace {

constexpr int64_t kSweepNs = 20 * kNsPerMs;
// While there is traffic a sweep looks at this part of the clients only.
constexpr size_t kSweepParts = 8;
constexpr int64_t kConnectTimeoutNs = 10 * kNsPerSecond;
constexpr int64_t kProofTimeoutNs = 10 * kNsPerSecond;
constexpr int64_t kExchangeTimeoutNs = 30 * kNsPerSecond;
constexpr int64_t kRetryBaseNs = 100 * kNsPerMs;
constexpr int64_t kRetryMaxNs = 2 * kNsPerSecond;
// A failed set-up is tried again this often; a server that says "flood" is asked until the set-up's
// time is over, because waiting is what it asks for.
constexpr int kAttemptsMax = 5;

}  // namespace

// What does not follow from a completion: time-outs, retries, keys that others have made.
void LoadWorker::sweep() {
  next_sweep_ns_ = now_.mono_ns + kSweepNs;
  start_connects();
  const size_t count = running_ ? clients_.size() / kSweepParts + 1 : clients_.size();
  for (size_t i = 0; i < count; ++i) {
    sweep_client(*clients_[sweep_next_]);
    sweep_next_ = (sweep_next_ + 1) % clients_.size();
  }
}

void LoadWorker::sweep_client(Client& client) {
  const int64_t age_ns = now_.mono_ns - client.step_since_ns;
  switch (client.step) {
    case Step::kAwaitingKey:
      start_session(client);
      break;
    case Step::kKeying:
      if (age_ns > kExchangeTimeoutNs) drop(client, "key exchange timed out");
      break;
    case Step::kProving:
      if (age_ns > kProofTimeoutNs) drop(client, "first ping timed out");
      break;
    case Step::kReady:
      if (client.handshake && age_ns > kExchangeTimeoutNs) drop(client, "key exchange timed out");
      break;
    case Step::kIdle:
    case Step::kConnecting:
    case Step::kFailed:
      break;
  }
  expire_echoes(client);
  if (!client.session) return;
  client.session->expire(now_, events_);
  for (SessionEvent& event : events_) on_event(client, event);
  events_.clear();
  if (client.session && client.session->wants_to_send(now_)) mark_dirty(client);
}

void LoadWorker::start_connects() {
  for (size_t left = idle_.size(); left > 0 && connecting_.size() < kClientConnectsInFlight;
       --left) {
    if (!running_ && connect_pacer_ && connect_pacer_->next_due_ns() > now_.mono_ns) return;
    Client& client = *idle_.front();
    idle_.pop_front();
    if (now_.mono_ns < client.retry_at_ns) {
      idle_.push_back(&client);
      continue;
    }
    if (!running_ && connect_pacer_) connect_pacer_->advance();
    const auto source = options_.sources.empty()
                            ? std::nullopt
                            : std::optional(options_.sources.pick(client.number));
    auto fd = begin_connect(shared_.target, source);
    if (!fd.ok()) {
      lose(client, fmt::format("cannot connect: {}", std::strerror(errno)));
      continue;
    }
    client.connecting = *std::move(fd);
    client.step = Step::kConnecting;
    client.step_since_ns = now_.mono_ns;
    connecting_.push_back(&client);
  }
}

bool LoadWorker::poll_connects() {
  if (connecting_.empty()) return false;
  bool any = false;
  std::vector<pollfd> entries;
  entries.reserve(connecting_.size());
  for (const Client* client : connecting_)
    entries.push_back({client->connecting.get(), POLLOUT, 0});
  if (::poll(entries.data(), entries.size(), 0) < 0)
    return false;  // EINTR: the next turn looks again
  std::vector<Client*> still_connecting;
  for (size_t i = 0; i < entries.size(); ++i) {
    Client& client = *connecting_[i];
    if (entries[i].revents == 0) {
      if (now_.mono_ns - client.step_since_ns < kConnectTimeoutNs) {
        still_connecting.push_back(&client);
      } else {
        client.connecting.reset();
        lose(client, "cannot connect: no answer");
      }
      continue;
    }
    if (const int error = connect_error(client.connecting.get()); error != 0) {
      client.connecting.reset();
      lose(client, fmt::format("cannot connect: {}", std::strerror(error)));
      continue;
    }
    begin_connection(client);
    any = true;
  }
  connecting_ = std::move(still_connecting);
  if (connecting_.size() < kClientConnectsInFlight) start_connects();
  return any;
}

void LoadWorker::begin_connection(Client& client) {
  net::DetachedSocket socket;
  socket.fd = std::move(client.connecting);
  socket.peer = net::PeerAddress::from_sockaddr(shared_.target.get());
  client.handle = table_->adopt(std::move(socket));
  if (!client.handle.valid()) {
    // The place of the lost connection is still being cleared.
    become_idle(client);
    client.retry_at_ns = now_.mono_ns + kRetryBaseNs;
    return;
  }
  table_->set_context(client.handle, &client);
  client.transport.emplace(options_.transports[client.transport_index].transport);
  client.doors.reset();
  if (const TransportShare& share = options_.transports[client.transport_index];
      share.doors.any()) {
    client.doors = std::make_unique<ClientDoors>(share.doors);
    scratch_.clear();
    (void)client.doors->start(now_.unix_seconds(), scratch_);
    (void)table_->write(client.handle, scratch_);
  }
  client.unencrypted_ids.restart();
  client.opened = false;
  client.transport_error.reset();
  shared_.connected.fetch_add(1, std::memory_order_relaxed);

  if (options_.mode == LoadMode::kHandshake) {
    set_ready(client);
    if (running_) mark_dirty(client);
    return;
  }
  const size_t slot = client.number % shared_.keys.size();
  if (client.number == slot && shared_.keys.state(slot) == KeyBoard::State::kAwaited) {
    client.step = Step::kKeying;
    client.exchange_since_ns = now_.mono_ns;
    start_exchange(client, 0);
    return;
  }
  client.step = Step::kAwaitingKey;
  client.step_since_ns = now_.mono_ns;
  start_session(client);
}

void LoadWorker::start_exchange(Client& client, int32_t expires_in) {
  HandshakeOptions options;
  options.keys = options_.server_keys;
  options.padding = options_.padding;
  options.expires_in = expires_in;
  client.handshake = std::make_unique<Handshake>(std::move(options));
  client.step_since_ns = now_.mono_ns;
  send_frame(client,
             mtproto::write_unencrypted(client.unencrypted_ids.next(now_.unix_ns),
                                        client.handshake->start()),
             false);
}

// A temporary key is its connection's own, and is kept for as long as the gateway knows it.
void LoadWorker::start_temporary(Client& client) {
  client.step = Step::kKeying;
  client.making_temporary = true;
  client.exchange_since_ns = now_.mono_ns;
  start_exchange(client, static_cast<int32_t>(options_.temporary_ns / kNsPerSecond));
}

void LoadWorker::on_unencrypted(Client& client, ByteView object) {
  if (!client.handshake) {
    ++stats_.errors["unencrypted message for nothing"];
    return;
  }
  auto outcome = client.handshake->on_answer(object, now_);
  // The steps of an exchange take milliseconds; what is measured after them needs the time of now.
  now_ = read_clocks();
  switch (outcome.kind) {
    case Handshake::Outcome::Kind::kSend:
      send_frame(
          client,
          mtproto::write_unencrypted(client.unencrypted_ids.next(now_.unix_ns), outcome.object),
          false);
      return;
    case Handshake::Outcome::Kind::kDone:
      on_key(client);
      return;
    case Handshake::Outcome::Kind::kWork:
    case Handshake::Outcome::Kind::kFailed:
      drop(client, fmt::format("key exchange: {}", to_string(outcome.error)));
      return;
  }
}

void LoadWorker::on_key(Client& client) {
  shared_.keys_made.fetch_add(1, std::memory_order_relaxed);
  if (options_.mode == LoadMode::kHandshake) {
    on_completed(client, client.exchange_since_ns);
    drop(client, {});
    return;
  }
  stats_.exchange.record(now_.mono_ns - client.exchange_since_ns);
  const SessionKey key = SessionKey::from(client.handshake->result());
  client.handshake.reset();
  if (std::exchange(client.making_temporary, false)) {
    client.temporary = key;
    client.temporary_ends_s =
        (now_.unix_ns + key.time_offset_ns + options_.temporary_ns) / kNsPerSecond;
    client.bound = false;
  } else {
    shared_.keys.put(client.number, key);
  }
  start_session(client);
}

// Begins the session if its key is there.
void LoadWorker::start_session(Client& client) {
  const size_t slot = client.number % shared_.keys.size();
  switch (shared_.keys.state(slot)) {
    case KeyBoard::State::kAwaited:
      return;
    case KeyBoard::State::kFailed:
      drop(client, "its key could not be made");
      return;
    case KeyBoard::State::kMade:
      break;
  }
  if (options_.temporary_ns != 0 && !client.temporary) {
    start_temporary(client);
    return;
  }
  if (client.session) {
    client.session->on_reconnected();
  } else {
    client.session.emplace(client.temporary ? *client.temporary : shared_.keys.get(slot),
                           SessionOptions{});
  }
  client.step = Step::kProving;
  client.step_since_ns = now_.mono_ns;
  prove(client);
}

// A temporary key is bound first, then as any other proven by a ping.
void LoadWorker::prove(Client& client) {
  const bool binds = client.temporary && !client.bound;
  const auto sent =
      binds ? client.session->send_bind(shared_.keys.get(client.number % shared_.keys.size()),
                                        static_cast<int32_t>(client.temporary_ends_s), now_)
            : client.session->send(make_ping(0), {.content_related = false}, now_);
  RW_ASSERT(sent.ok());  // the session is new, or had nothing under way, so its queue has room
  mark_dirty(client);
}

void LoadWorker::on_bound(Client& client, ByteView result) {
  if (constructor_of(result) == mtproto::constructor::kBoolTrue) {
    client.bound = true;
    prove(client);
    return;
  }
  // A permanent key from a file may be forgotten by now.
  const size_t slot = client.number % shared_.keys.size();
  if (shared_.keys.state(slot) == KeyBoard::State::kMade) {
    (void)shared_.keys.renew(slot, shared_.keys.get(slot).auth_key_id);
  }
  const auto error = read_rpc_error(result);
  drop(client, fmt::format("its temporary key was not bound: {}",
                           error ? error->message : "not the answer to a bind"));
}

void LoadWorker::set_ready(Client& client) {
  client.step = Step::kReady;
  client.step_since_ns = now_.mono_ns;
  client.attempts = 0;
  shared_.ready.fetch_add(1, std::memory_order_relaxed);
  if (client.reconnect_since_ns == 0) return;
  client.under_way = 1;  // it went with the old connection
  on_completed(client, client.reconnect_since_ns);
  client.reconnect_since_ns = 0;
}

void LoadWorker::become_idle(Client& client) {
  client.step = Step::kIdle;
  idle_.push_back(&client);
}

// Closes the connection ourselves; `why` is counted unless it is empty.
void LoadWorker::drop(Client& client, std::string why) {
  const net::ConnectionHandle handle = client.handle;
  lose(client, std::move(why));
  table_->close(handle, net::CloseMode::kNow);
}

// The connection is gone: back to kIdle, to be tried again, or to kFailed.
void LoadWorker::lose(Client& client, std::string why) {
  const bool wanted = why.empty();
  if (client.handle.valid()) shared_.connected.fetch_sub(1, std::memory_order_relaxed);
  if (client.step == Step::kReady) shared_.ready.fetch_sub(1, std::memory_order_relaxed);
  const bool flood = client.transport_error == mtproto::kErrorFlood;
  const bool renewed =
      client.transport_error == mtproto::kErrorUnknownKey && client.session &&
      shared_.keys.renew(client.number % shared_.keys.size(), client.session->auth_key_id());
  if (renewed) why = "stored key unknown to the gateway";
  // A gateway that does not know a temporary key any more is given another one.
  if (client.transport_error == mtproto::kErrorUnknownKey) client.temporary.reset();
  client.making_temporary = false;
  if (!wanted) ++stats_.errors[why];
  if (!wanted && client.session && client.under_way > 0) {
    stats_.errors["message lost with its connection"] += client.under_way;
  }
  give_up_work(client, client.under_way);
  end_session(client, wanted);
  client.handle = {};
  client.transport.reset();
  client.handshake.reset();
  client.echoes.clear();
  client.retry_at_ns = now_.mono_ns;
  if (wanted || renewed) {
    become_idle(client);
    if (running_) next_sweep_ns_ = now_.mono_ns;  // no pause before it connects again
    return;
  }

  if (!flood) ++client.attempts;
  const bool late =
      !running_ && now_.mono_ns > shared_.setup_deadline_ns.load(std::memory_order_relaxed);
  if (!running_ && (late || client.attempts >= kAttemptsMax)) {
    client.step = Step::kFailed;
    shared_.failed.fetch_add(1, std::memory_order_relaxed);
    if (client.number < shared_.keys.size()) shared_.keys.fail(client.number);
    return;
  }
  // Spread over time, so that connections lost together do not come back together.
  const int64_t base_ns =
      std::min<int64_t>(kRetryBaseNs << std::min(client.attempts, 6), kRetryMaxNs);
  client.retry_at_ns += base_ns / 2 + crypto::random_u32() % base_ns;
  become_idle(client);
}

// A client that reconnects on purpose goes on with its session; any other begins a new one.
void LoadWorker::end_session(Client& client, bool wanted) {
  if (wanted && options_.mode == LoadMode::kReconnect) return;
  if (client.session && client.sequence > 0) {
    client.past.push_back({client.session->session_id(), client.sequence, client.acknowledged});
  }
  client.sequence = 0;
  client.acknowledged = 0;
  client.session.reset();
}

}  // namespace ringway::client
