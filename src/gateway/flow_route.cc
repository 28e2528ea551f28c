// Opened messages: their session, their shard, and what happens while a shard's window is full.
#include <algorithm>
#include <utility>

#include "gateway/flow.h"

namespace ringway::gateway {

bool Flow::route(Inlet& inlet, KeyEntry& entry, const mtproto::MessageHeader& header,
                 ByteView payload, bool quick_ack, uint32_t token) {
  if (Client* client = http_client(inlet)) {
    call_shard(*client, entry.record.perm_auth_key_id, payload);
    return true;
  }
  Session& session = session_of(inlet, entry, header.session_id);
  cluster::ClientMessage message;
  message.conn_type = session.announced ? 0 : 1;
  message.auth_key_id = entry.record.auth_key_id;
  message.key_type = entry.record.key_type;
  message.perm_auth_key_id = entry.record.perm_auth_key_id;
  message.session_id = header.session_id;
  const net::IpText client_ip = inlet.peer.ip_text();
  message.client_ip = client_ip.view();
  message.quick_ack = quick_ack;
  message.salt = header.salt;
  message.payload = payload;
  switch (dispatcher_->send(message)) {
    case cluster::Submit::kAccepted:
      session.announced = true;
      counters_.add(Counter::kMessagesRouted);
      if (quick_ack) acknowledge(inlet, token);
      return true;
    case cluster::Submit::kWindowFull:
      wait_for_window(inlet, dispatcher_->shard_of(message.perm_auth_key_id));
      return false;
    case cluster::Submit::kNoShard:
      wait_for_window(inlet, cluster::kAnyShard);
      return false;
  }
  return false;
}

// Most are taken over in the turn they come in: these share its duration, which is known at its
// end.
void Flow::note_taken_over(int64_t arrived_ns) noexcept {
  if (arrived_ns == now_.mono_ns) {
    ++turn_messages_;
  } else {
    counters_.observe(Distribution::kMessageDuration,
                      static_cast<uint64_t>(now_.mono_ns - arrived_ns));
  }
}

void Flow::acknowledge(Inlet& inlet, uint32_t token) {
  if (inlet.remote) {
    auto& remote = static_cast<RemoteInlet&>(inlet);
    remote.quick_ack = true;
    remote.quick_ack_token = token;
    return;
  }
  if (!inlet.gone) (void)outbox_->quick_ack(static_cast<Client&>(inlet), token);
}

// The session of a message, with this connection attached and marked the most recently active.
Session& Flow::session_of(Inlet& inlet, const KeyEntry& entry, int64_t session_id) {
  const SessionKey key{entry.record.auth_key_id, session_id};
  for (SessionEntry** use = inlet.sessions.begin(); use != inlet.sessions.end(); ++use) {
    if (!((*use)->first == key)) continue;
    // The least recently used session stands first, to be the one that a further one pushes out.
    std::rotate(use, use + 1, inlet.sessions.end());
    Session& session = inlet.sessions.back()->second;
    SessionTable::touch(session, inlet.ref);
    return session;
  }
  if (inlet.sessions.size() >= shared_.config.limits.sessions_per_connection) {
    leave_session(inlet, inlet.sessions.front()->first);
  }
  SessionEntry& attached = sessions_.attach(key, inlet.ref);
  Session& session = attached.second;
  if (session.connections.size() == 1) {
    counters_.add(Counter::kSessionsOpened);
    session.key_type = entry.record.key_type;
    session.perm_auth_key_id = entry.record.perm_auth_key_id;
  }
  inlet.sessions.push_back(&attached);
  return session;
}

// Detaches the connection; the last one to leave ends the session, which its shard is told.
void Flow::leave_session(Inlet& inlet, SessionKey key) {
  const auto use = std::find_if(inlet.sessions.begin(), inlet.sessions.end(),
                                [&](const SessionEntry* entry) { return entry->first == key; });
  if (use != inlet.sessions.end()) inlet.sessions.erase(use);
  const auto detached = sessions_.detach(key, inlet.ref);
  if (!detached.last) return;
  counters_.add(Counter::kSessionsClosed);
  close_at_shard(key, detached.session, inlet);
}

// At each shard that has heard of it: the key's, and that of a bind which came to nothing.
void Flow::close_at_shard(const SessionKey& key, const Session& session, const Inlet& inlet) {
  const net::IpText client_ip = inlet.peer.ip_text();
  cluster::SessionClose close;
  close.auth_key_id = key.auth_key_id;
  close.key_type = session.key_type;
  close.session_id = key.session_id;
  close.client_ip = client_ip.view();
  if (session.claimed_perm_auth_key_id != 0) {
    close.perm_auth_key_id = session.claimed_perm_auth_key_id;
    dispatcher_->close_session(close);
  }
  if (session.announced) {
    close.perm_auth_key_id = session.perm_auth_key_id;
    dispatcher_->close_session(close);
  }
}

void Flow::wait_for_window(Inlet& inlet, uint32_t shard) {
  counters_.add(Counter::kBackPressurePauses);
  open_windows_.erase(shard);
  auto& waiting = waiting_for_window_[shard];
  waiting.push_back(inlet.ref);
  // Connections that have gone leave their refs behind; they must not pile up while a shard is
  // away.
  if (waiting.size() > 2 * (clients_count_ + remote_inlets_.size()) + kWindowWakesPerTurn) {
    std::erase_if(waiting, [this](const ConnectionRef& ref) { return inlet_of(ref) == nullptr; });
  }
}

void Flow::on_window_open(uint32_t shard) {
  for (const auto& [waited_for, waiting] : waiting_for_window_) {
    if (shard == cluster::kAnyShard || waited_for == shard) open_windows_.insert(waited_for);
  }
}

// Nobody has owned any key for too long: whoever waits may find another gateway. What was
// acknowledged to them stays in the windows.
void Flow::on_no_shard() {
  const auto found = waiting_for_window_.find(cluster::kAnyShard);
  if (found == waiting_for_window_.end()) return;
  for (const ConnectionRef& ref : found->second) {
    Inlet* inlet = inlet_of(ref);
    if (inlet == nullptr || inlet->failed) continue;
    counters_.add(Counter::kClosedWithoutShard);
    fail(*inlet, 0);
  }
  waiting_for_window_.erase(found);
}

// A few at a time, in the order in which they came, until the window is full again.
void Flow::wake_for_windows() {
  for (auto shard = open_windows_.begin(); shard != open_windows_.end();) {
    const auto found = waiting_for_window_.find(*shard);
    size_t wakes = kWindowWakesPerTurn;
    while (found != waiting_for_window_.end() && !found->second.empty() && wakes-- > 0) {
      ready_.push_back(found->second.front());
      found->second.pop_front();
    }
    if (found != waiting_for_window_.end() && !found->second.empty()) {
      ++shard;
      continue;
    }
    if (found != waiting_for_window_.end()) waiting_for_window_.erase(found);
    shard = open_windows_.erase(shard);
  }
}

}  // namespace ringway::gateway
