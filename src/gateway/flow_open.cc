// Encrypted frames: finding their key, opening them together, and the large ones in slices.
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"
#include "gateway/flow.h"

namespace ringway::gateway {

ParkedFrame Flow::own_frame(ByteSpan frame, Bytes storage, bool quick_ack) {
  ParkedFrame parked;
  parked.quick_ack = quick_ack;
  // The storage is the frame itself unless a framing's padding stands behind it.
  if (!storage.empty() && storage.data() == frame.data()) {
    storage.resize(frame.size());
    parked.frame = std::move(storage);
  } else {
    parked.frame.assign(frame.begin(), frame.end());
  }
  return parked;
}

// True when the key belongs to another worker, which is asked only about connections that live
// here.
bool Flow::lives_elsewhere(Inlet& inlet, int64_t auth_key_id) const noexcept {
  return !inlet.remote && home_of(auth_key_id, shared_.workers) != worker_;
}

void Flow::take_encrypted(Inlet& inlet, ByteSpan frame, Bytes storage, bool quick_ack) {
  const auto auth_key_id = load_le<int64_t>(frame.data());
  KeyUse* use = inlet.key_use(auth_key_id);
  if (use != nullptr && use->entry != nullptr && !use->entry->usable(now_.unix_seconds())) {
    if (use->entry->revoked) {
      fail(inlet, mtproto::kErrorUnknownKey);
    } else {
      // Expired by our clock. Only the shard's word ends a key, so it is asked again.
      ask_for_key(inlet, auth_key_id, own_frame(frame, std::move(storage), quick_ack));
    }
    return;
  }
  if (use == nullptr && inlet.keys.size() >= shared_.config.limits.keys_per_connection) {
    counters_.add(Counter::kKeysPerConnectionLimited);
    fail(inlet, 0);
    return;
  }
  const bool elsewhere =
      use != nullptr ? use->entry == nullptr : lives_elsewhere(inlet, auth_key_id);
  if (elsewhere) {
    take_elsewhere(static_cast<Client&>(inlet), auth_key_id,
                   own_frame(frame, std::move(storage), quick_ack));
    return;
  }
  if (use == nullptr) use = use_key(inlet, auth_key_id);
  if (use == nullptr) {
    ask_for_key(inlet, auth_key_id, own_frame(frame, std::move(storage), quick_ack));
    return;
  }
  if (now_.mono_ns >= use->entry->recheck_ns) {
    use->entry->recheck_ns = now_.mono_ns + kBindingRecheckNs;
    ask_about(*use->entry);
  }
  if (frame.size() > kLargeMessageBytes) {
    start_large_open(inlet, *use->entry, own_frame(frame, std::move(storage), quick_ack));
    return;
  }
  mtproto::OpenJob job;
  job.key = &use->entry->record.key;
  job.frame = frame;
  open_jobs_.push_back(job);
  ++inlet.in_batch;
  open_entries_.push_back({&inlet, use->entry, std::move(storage), arrived_ns_, quick_ack});
}

// Pins a key that the cache has; null when the shard has to be asked.
KeyUse* Flow::use_key(Inlet& inlet, int64_t auth_key_id) {
  KeyEntry* entry = keys_.find(auth_key_id, now_.unix_seconds());
  if (entry == nullptr) {
    counters_.add(Counter::kKeyCacheMisses);
    return nullptr;
  }
  counters_.add(Counter::kKeyCacheHits);
  if (entry->users.size() >= shared_.config.limits.connections_per_key) {
    counters_.add(Counter::kConnectionsPerKeyLimited);
    if (Inlet* older = inlet_of(entry->users.front())) fail(*older, 0);
  }
  keys_.pin(*entry, inlet.ref);
  inlet.keys.push_back({auth_key_id, entry});
  return &inlet.keys.back();
}

void Flow::ask_for_key(Inlet& inlet, int64_t auth_key_id, ParkedFrame frame) {
  if (keys_.known_unknown(auth_key_id, now_.mono_ns)) {
    shared_.budget->charge(BudgetKind::kUnknownKey, inlet.peer, now_.mono_ns);
    fail(inlet, mtproto::kErrorUnknownKey);
    return;
  }
  if (!shared_.budget->has_left(BudgetKind::kUnknownKey, inlet.peer, now_.mono_ns)) {
    counters_.add(Counter::kUnknownKeysLimited);
    fail(inlet, mtproto::kErrorFlood);
    return;
  }
  auto& waiting = waiting_for_key_[auth_key_id];
  if (waiting.empty() && !dispatcher_->query_auth_key(auth_key_id, now_)) {
    waiting_for_key_.erase(auth_key_id);
    counters_.add(Counter::kKeyQueriesFailed);
    fail(inlet, 0);
    return;
  }
  waiting.push_back(inlet.ref);
  Held& wait = held(inlet);
  wait.waits_for_key = true;
  wait.frames.push_front(std::move(frame));
  if (!inlet.remote) {
    table_->set_deadline(inlet.ref.handle, net::TimerKind::kKeyLookup,
                         now_.mono_ns + shared_.config.timeouts.key_lookup_ns);
  }
}

void Flow::on_key_answer(int64_t auth_key_id, cluster::KeyAnswer answer,
                         const cluster::AuthKeyRecord* record) {
  const auto found = waiting_for_key_.find(auth_key_id);
  std::vector<ConnectionRef> waiting;
  if (found != waiting_for_key_.end()) {
    waiting.swap(found->second);
    waiting_for_key_.erase(found);
  }
  // A shard that mixes keys up must not make us decrypt with the wrong one.
  if (answer == cluster::KeyAnswer::kFound &&
      (record == nullptr || mtproto::auth_key_id(record->key) != auth_key_id)) {
    answer = cluster::KeyAnswer::kFailed;
  }
  KeyEntry* entry = keys_.at(auth_key_id);
  const int64_t bound_before = entry == nullptr ? 0 : entry->record.perm_auth_key_id;
  if (answer == cluster::KeyAnswer::kFound) entry = &remember_key(*record, 0);
  if (answer == cluster::KeyAnswer::kUnregistered)
    keys_.remember_unknown(auth_key_id, now_.mono_ns);
  if (entry != nullptr && !entry->users.empty()) take_binding_answer(*entry, answer, bound_before);
  for (const ConnectionRef& ref : waiting) {
    Inlet* inlet = inlet_of(ref);
    if (inlet == nullptr || inlet->failed || inlet->held == nullptr) continue;
    inlet->held->waits_for_key = false;
    if (!inlet->remote) {
      table_->set_deadline(ref.handle, net::TimerKind::kKeyLookup, net::kNoDeadline);
    }
    switch (answer) {
      case cluster::KeyAnswer::kFound:
        // Pinned here: a small cache could lose it again before the inlet goes on.
        if (inlet->key_use(auth_key_id) == nullptr) (void)use_key(*inlet, auth_key_id);
        if (entry->unbound() && http_client(*inlet) != nullptr) {
          // Such a key is forgotten with its last connection, and one of HTTP is its user for a
          // request only: so each of its requests asks, and that is counted.
          shared_.budget->charge(BudgetKind::kUnknownKey, inlet->peer, now_.mono_ns);
          binding_of(*entry).unbound_ns = now_.mono_ns;
        }
        ready_.push_back(ref);
        break;
      case cluster::KeyAnswer::kUnregistered:
        shared_.budget->charge(BudgetKind::kUnknownKey, inlet->peer, now_.mono_ns);
        fail(*inlet, mtproto::kErrorUnknownKey);
        break;
      case cluster::KeyAnswer::kFailed:
        fail(*inlet, 0);
        break;
      case cluster::KeyAnswer::kNoShard:
        wait_for_shard(*inlet);
        break;
    }
  }
}

// Nobody is there to be asked for the key: as for a message without a shard, the connection waits
// for one, unread, until on_no_shard() ends that. A request is refused: its client asks again.
void Flow::wait_for_shard(Inlet& inlet) {
  if (http_client(inlet) != nullptr) {
    fail(inlet, 0);
    return;
  }
  inlet.held->waits_for_shard = true;
  wait_for_window(inlet, cluster::kAnyShard);
  if (!inlet.remote) set_pause(static_cast<Client&>(inlet));
}

void Flow::on_key_unregistered(int64_t auth_key_id) {
  KeyEntry* entry = keys_.at(auth_key_id);
  if (entry != nullptr && entry->unbound()) {
    refuse_bind(*entry);
  } else {
    revoke_key(auth_key_id);
  }
}

// The shard no longer knows a key that is in use: every connection that uses it is told so.
void Flow::revoke_key(int64_t auth_key_id) {
  KeyEntry* entry = keys_.find(auth_key_id, now_.unix_seconds());
  if (entry == nullptr) return;
  const std::vector<ConnectionRef> users = entry->users;
  keys_.revoke(auth_key_id);
  for (const ConnectionRef& ref : users) {
    if (Inlet* inlet = inlet_of(ref)) fail(*inlet, mtproto::kErrorUnknownKey);
  }
}

// --- the batch

void Flow::open_and_route() {
  if (open_jobs_.empty()) return;
  counters_.observe(Distribution::kTurnMessages, open_jobs_.size());
  mtproto::open_many(open_jobs_);
  // Routing never adds to the batch: what it unblocks goes on in resume_waiting().
  for (size_t i = 0; i < open_jobs_.size(); ++i) {
    OpenEntry& entry = open_entries_[i];
    --entry.inlet->in_batch;
    if (entry.inlet->poisoned) continue;
    take_opened(*entry.inlet, *entry.entry, open_jobs_[i], entry.quick_ack, entry.arrived_ns);
  }
  for (OpenEntry& entry : open_entries_) give_spare_bytes(std::move(entry.storage));
  open_jobs_.clear();
  open_entries_.clear();
}

void Flow::refuse_message(Inlet& inlet, Error error) {
  // Every reason looks the same from outside.
  const bool unopened =
      error == Error::kBadLength || error == Error::kBadMsgKey || error == Error::kBadPadding;
  counters_.add(Counter::kMessagesRefused);
  if (!inlet.remote) {
    count_decode_error(static_cast<Client&>(inlet),
                       unopened ? DecodeReason::kDecrypt : DecodeReason::kOther);
  }
  inlet.poisoned = true;
  fail(inlet, 0, kHttpBadRequest);
}

void Flow::take_opened(Inlet& inlet, KeyEntry& entry, const mtproto::OpenJob& job, bool quick_ack,
                       int64_t arrived_ns) {
  if (job.error != Error::kNone) {
    refuse_message(inlet, job.error);
    return;
  }
  counters_.add(Counter::kMessagesOpened);
  if (!inlet.remote) set_proven(static_cast<Client&>(inlet));
  if (Client* client = http_client(inlet)) {
    // It has been told that its request failed, so this must not be executed.
    if (client->failed) return;
    begin_reply(*client, entry, job.header);
  }
  if (entry.unbound()) {
    take_unbound(inlet, entry, job, quick_ack, arrived_ns);
    return;
  }
  if (entry.record.key_type != 0) note_rebind(entry, job.payload);
  const bool must_wait = inlet.held != nullptr && inlet.held->opened_left() > 0;
  if (!must_wait && route(inlet, entry, job.header, job.payload, quick_ack, job.quick_ack_token)) {
    note_taken_over(arrived_ns);
    return;
  }
  Held& wait = held(inlet);
  OpenedMessage message;
  message.arrived_ns = arrived_ns;
  message.header = job.header;
  message.payload_at = wait.payloads.size();
  message.payload_bytes = job.payload.size();
  wait.payloads.insert(wait.payloads.end(), job.payload.begin(), job.payload.end());
  message.entry = &entry;
  message.quick_ack = quick_ack;
  message.quick_ack_token = job.quick_ack_token;
  wait.opened.push_back(message);
  if (!inlet.remote && !inlet.failed) park_input(static_cast<Client&>(inlet));
}

// --- large messages

void Flow::start_large_open(Inlet& inlet, KeyEntry& entry, ParkedFrame frame) {
  counters_.add(Counter::kLargeMessages);
  Held& wait = held(inlet);
  RW_ASSERT(wait.large == nullptr);
  wait.large = std::make_unique<LargeOpen>(entry.record.key, &entry, std::move(frame), arrived_ns_);
  large_.push_back({inlet.ref, false});
}

// One slice for one message per turn, taken in rotation: large messages share what is left over.
void Flow::run_large() {
  if (large_.empty()) return;
  const LargeTurn turn = large_.front();
  large_.pop_front();
  if (turn.seal) {
    Inlet* inlet = inlet_of(turn.ref);
    if (inlet == nullptr || inlet->large_seal == nullptr) return;
    if (!inlet->large_seal->work->step(kCryptoSliceBytes)) {
      large_.push_back(turn);
    } else if (inlet->remote) {
      finish_remote_seal(static_cast<RemoteInlet&>(*inlet));
    } else {
      finish_large_seal(static_cast<Client&>(*inlet));
    }
    return;
  }
  Inlet* inlet = inlet_of(turn.ref);
  if (inlet == nullptr || inlet->held == nullptr || inlet->held->large == nullptr) return;
  if (!inlet->held->large->work.step(kCryptoSliceBytes)) {
    large_.push_back(turn);
  } else {
    finish_large_open(*inlet);
  }
}

void Flow::finish_large_open(Inlet& inlet) {
  const std::unique_ptr<LargeOpen> large = std::move(inlet.held->large);
  if (!inlet.poisoned) {
    take_opened(inlet, *large->entry, large->work.job(), large->frame.quick_ack, large->arrived_ns);
  }
  ready_.push_back(inlet.ref);
}

}  // namespace ringway::gateway
