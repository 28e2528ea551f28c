// Connections and keys whose homes differ: the one move of a connection to the home of its first
// key, and the traffic of further keys through theirs.
#include <algorithm>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "gateway/flow.h"

namespace ringway::gateway {

// --- posting

// What must not be lost waits for room. It is bounded by the connections: each has at most a few
// messages of these kinds under way.
void Flow::post(uint32_t worker, WorkerMessage&& message) {
  RW_ASSERT(worker < shared_.workers);
  shared_.posts_in_flight.fetch_add(1, std::memory_order_acq_rel);
  if (backlog_[worker].empty() && shared_.post(worker, message)) return;
  counters_.add(Counter::kInboxOverflows);
  backlog_[worker].push_back(std::move(message));
}

void Flow::retry_posts() {
  for (uint32_t worker = 0; worker < shared_.workers; ++worker) {
    auto& waiting = backlog_[worker];
    while (!waiting.empty() && shared_.post(worker, waiting.front())) waiting.pop_front();
  }
}

void Flow::take_message(WorkerMessage&& message) {
  struct Visitor {
    Flow& flow;
    void operator()(std::monostate) {}
    void operator()(AdoptConnection&& adopt) {
      ++flow.posts_taken_;
      flow.adopt(std::move(adopt.state));
    }
    void operator()(AcceptedSocket&& accepted) {
      ++flow.posts_taken_;
      flow.take_accepted(std::move(accepted));
    }
    void operator()(std::unique_ptr<RemoteFrame>&& frame) {
      ++flow.posts_taken_;
      flow.take_remote_frame(std::move(frame));
    }
    void operator()(RemoteDone&& done) {
      ++flow.posts_taken_;
      flow.take_remote_done(std::move(done));
    }
    void operator()(RemoteOutput&& output) { flow.take_remote_output(std::move(output)); }
    void operator()(RemoteClosed&& closed) {
      ++flow.posts_taken_;
      flow.take_remote_closed(closed.from);
    }
    void operator()(KeyCreated&& created) {
      ++flow.posts_taken_;
      flow.remember_key(*created.record, created.expires_at_s);
    }
    void operator()(cluster::PushRequest&& push) { flow.deliver(std::move(push)); }
    void operator()(CryptoTask&& task) { flow.take_crypto_result(std::move(task)); }
    void operator()(SetShards&& set) {
      if (const auto shards = set.mailbox->take()) flow.dispatcher_->set_shards(*shards, flow.now_);
    }
    void operator()(Drain) { flow.drain(); }
  };
  std::visit(Visitor{*this}, std::move(message));
}

// --- the move

// A frame has named a key that lives elsewhere. With the connection's first key the connection
// moves there; a further key is reached through its home. A connection of HTTP moves each time.
void Flow::take_elsewhere(Client& client, int64_t auth_key_id, ParkedFrame frame) {
  if (client.in_batch != 0) {
    // What came before it is not routed yet, and a connection's messages keep their order.
    Held& wait = held(client);
    wait.frames.push_front(std::move(frame));
    wait.waits_for_turn = true;
    ready_.push_back(client.ref);
    return;
  }
  const bool settled = client.moved || !client.keys.empty();
  if (settled && http_client(client) == nullptr) {
    if (client.key_use(auth_key_id) == nullptr) client.keys.push_back({auth_key_id, nullptr});
    send_to_home(client, auth_key_id, std::move(frame));
    return;
  }
  Held& wait = held(client);
  wait.frames.push_front(std::move(frame));
  if (client.handshake != nullptr && client.handshake->set.busy()) {
    // An answer of the crypto pool or of a shard is on its way to this place. It is short; the
    // frame is looked at again when it has come (see take_crypto_result, on_store_answer).
    wait.waits_for_turn = true;
    return;
  }
  start_move(client);
}

void Flow::start_move(Client& client) {
  client.held->waits_for_move = true;
  moving_.push_back(&client);
}

void Flow::on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) {
  std::unique_ptr<Client> client(client_at(handle));
  if (client != nullptr && client->masked) {
    table_->set_context(handle, nullptr);
    hand_to_mask(std::move(client), std::move(socket));
    return;
  }
  RW_ASSERT(client != nullptr && client->held != nullptr && !client->held->frames.empty());
  table_->set_context(handle, nullptr);
  auto state = std::make_unique<ConnectionState>();
  state->fd = std::move(socket.fd);
  state->peer = client->peer;
  state->listener = client->listener;
  state->serial = client->ref.serial;
  state->last_msg_id = client->msg_id.last();
  state->moved = true;
  state->proven = client->proven;
  state->counted = !client->uncounted;
  state->of_listener = client->of_listener;
  state->doors = std::move(client->doors);
  state->transport = std::move(client->transport).export_state();
  state->unsent = std::move(socket.unsent);
  if (client->handshake != nullptr) {
    state->handshakes = client->handshake->count;
    state->handshake_window_ns = client->handshake->window_ns;
    state->handshake = client->handshake->set.export_state();
  }
  const uint32_t home = home_of_frame(client->held->frames.front().frame);
  for (ParkedFrame& frame : client->held->frames) state->parked.push_back(std::move(frame));
  input_bytes_ -= client->input_bytes;
  --clients_count_;
  post(home, AdoptConnection{std::move(state)});
}

void Flow::adopt(std::unique_ptr<ConnectionState> state) {
  auto client =
      std::make_unique<Client>(&shared_.doors[state->listener]->plain, std::move(state->transport));
  client->doors = std::move(state->doors);
  client->of_listener = state->of_listener;
  client->peer = state->peer;
  client->listener = state->listener;
  client->ref.set_serial(state->serial);
  client->msg_id = mtproto::ServerMsgId(state->last_msg_id);
  client->moved = state->moved;
  client->proven = state->proven;
  client->uncounted = !state->counted;
  client->got_bytes = true;
  if (state->handshake.size() != 0) {
    auto imported =
        mtproto::HandshakeSet::import_state(&shared_.handshake, state->handshake.view());
    RW_ASSERT(imported.ok());
    client->handshake = std::make_unique<ClientHandshake>(
        *std::move(imported), state->handshake_window_ns, state->handshakes);
  }
  for (ParkedFrame& frame : state->parked) held(*client).frames.push_back(std::move(frame));

  net::DetachedSocket socket;
  socket.fd = std::move(state->fd);
  socket.peer = state->peer;
  socket.listener = state->listener;
  socket.unsent = std::move(state->unsent);
  const net::ConnectionHandle handle = table_->adopt(std::move(socket));
  if (!handle.valid()) {
    counters_.add(Counter::kConnectionsRefusedFull);
    count_out(*client);
    status_.listener(client->listener).closed();
    return;  // the socket closes with `socket`
  }
  Client& started = *client;
  start_client(std::move(client), handle);
  const auto& timeouts = shared_.config.timeouts;
  table_->set_deadline(handle, net::TimerKind::kIdle, now_.mono_ns + idle_ns_of(started));
  if (!started.proven) {
    table_->set_deadline(handle, net::TimerKind::kHandshake, now_.mono_ns + timeouts.handshake_ns);
  }
  if (draining_) {
    fail(started, 0, kHttpUnavailable);
    return;
  }
  ready_.push_back(started.ref);
}

// --- further keys, from the connection's side

void Flow::send_to_home(Client& client, int64_t auth_key_id, ParkedFrame frame) {
  counters_.add(Counter::kRemoteFrames);
  Held& wait = held(client);
  wait.waits_for_remote = true;
  wait.remote_bytes = frame.frame.size();
  auto remote = std::make_unique<RemoteFrame>();
  remote->from = client.ref;
  remote->peer = client.peer;
  remote->auth_key_id = auth_key_id;
  remote->frame = std::move(frame);
  post(home_of(auth_key_id, shared_.workers), std::move(remote));
}

void Flow::take_remote_done(RemoteDone&& done) {
  Client* client = client_of(done.to);
  if (client == nullptr || client->failed) return;
  if (done.close) {
    fail(*client, done.transport_error);
    return;
  }
  set_proven(*client);
  if (done.quick_ack) (void)outbox_->quick_ack(*client, done.quick_ack_token);
  if (client->held == nullptr || !client->held->waits_for_remote) return;
  client->held->waits_for_remote = false;
  client->held->remote_bytes = 0;
  ready_.push_back(client->ref);
}

void Flow::take_remote_output(RemoteOutput&& output) {
  Client* client = client_of(output.to);
  bool taken = false;
  if (client != nullptr && !client->failed) {
    const size_t queued = table_->queued_bytes(client->ref.handle) + output.sealed.size();
    if (queued > shared_.config.limits.output_bytes_per_connection) {
      counters_.add(Counter::kSendQueueOverflows);
      fail(*client, 0);
    } else {
      taken = outbox_->payload(*client, output.sealed, output.reply);
    }
  }
  counters_.add(taken ? Counter::kPushesDelivered : Counter::kPushesRefused);
  if (!taken && output.reply != nullptr) output.reply->done(false);
}

void Flow::tell_homes_gone(const Client& client) {
  std::vector<uint32_t> homes;
  for (const KeyUse& use : client.keys) {
    if (use.entry == nullptr) homes.push_back(home_of(use.auth_key_id, shared_.workers));
  }
  std::sort(homes.begin(), homes.end());
  homes.erase(std::unique(homes.begin(), homes.end()), homes.end());
  for (const uint32_t home : homes) post(home, RemoteClosed{client.ref});
}

// --- further keys, from the home's side

void Flow::take_remote_frame(std::unique_ptr<RemoteFrame> frame) {
  auto& slot = remote_inlets_[frame->from.serial];
  if (slot == nullptr) {
    slot = std::make_unique<RemoteInlet>();
    slot->ref = frame->from;
    slot->peer = frame->peer;
  }
  RemoteInlet& inlet = *slot;
  if (inlet.failed) return;  // the connection has been told to close
  inlet.owes_answer = true;
  inlet.quick_ack = false;
  answering_.push_back(&inlet);
  const ByteSpan bytes(frame->frame.frame);
  take_encrypted(inlet, bytes, std::move(frame->frame.frame), frame->frame.quick_ack);
}

// Answers the frames that were taken over; one that waits is answered in the turn it goes on.
void Flow::answer_remote_inlets() {
  std::vector<RemoteInlet*> answering;
  answering.swap(answering_);
  for (RemoteInlet* inlet : answering) {
    if (!inlet->owes_answer || inlet->gone) continue;
    if (inlet->held != nullptr) {
      answering_.push_back(inlet);
      continue;
    }
    inlet->owes_answer = false;
    RemoteDone done;
    done.to = inlet->ref;
    done.quick_ack = inlet->quick_ack;
    done.quick_ack_token = inlet->quick_ack_token;
    post(inlet->ref.worker, std::move(done));
  }
}

void Flow::take_remote_closed(const ConnectionRef& from) {
  const auto found = remote_inlets_.find(from.serial);
  if (found == remote_inlets_.end()) return;
  found->second->gone = true;
  std::erase(answering_, found->second.get());
  departed_remote_.push_back(std::move(found->second));
  remote_inlets_.erase(found);
}

}  // namespace ringway::gateway
