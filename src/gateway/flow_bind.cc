// Temporary keys: what their clients may ask before they are bound, how a binding is confirmed, and
// how it is kept up with. binding.h draws the states.
//
// Messages of an unbound key are taken apart and worked off one by one, in order, from `held`:
// pings are answered here, acknowledgements need no answer, other calls are refused, and a bind
// goes to the shard of the key that it claims, alone. What follows a bind and needs a user waits
// for the shard's word: the key is asked for again, past the cache, and only its answer makes it
// bound.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "gateway/flow.h"
#include "mtproto/tl.h"

namespace ringway::gateway {
namespace {

constexpr int32_t kUnauthorized = 401;
constexpr int32_t kBadRequest = 400;

Bytes make_pong(int64_t msg_id, int64_t ping_id) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kPong);
  out.i64(msg_id);
  out.i64(ping_id);
  return object;
}

Bytes make_rpc_error(int64_t msg_id, int32_t code, std::string_view text) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(msg_id);
  out.u32(mtproto::constructor::kRpcError);
  out.i32(code);
  mtproto::write_tl_string(out, as_bytes(text));
  return object;
}

// The message in a push's payload: behind salt and session_id.
ByteView message_of(const cluster::PushRequest& push) noexcept {
  return ByteView(push.payload).subspan(16);
}

}  // namespace

// --- messages

void Flow::take_unbound(Inlet& inlet, KeyEntry& entry, const mtproto::OpenJob& job, bool quick_ack,
                        int64_t arrived_ns) {
  auto messages = mtproto::peek(job.payload);
  if (!messages.ok()) {
    refuse_message(inlet, messages.error());
    return;
  }
  const bool over_http = http_client(inlet) != nullptr;
  if (messages->empty() && !over_http) {
    if (quick_ack) acknowledge(inlet, job.quick_ack_token);
    return;
  }
  Held& wait = held(inlet);
  if (wait.opened_left() == 0) ready_.push_back(inlet.ref);
  for (const mtproto::PeekedMessage& peeked : *messages) {
    // A poll must not stand in the way of what follows it, should the key be bound by then.
    if (over_http && peeked.purpose == mtproto::Purpose::kService) {
      counters_.add(Counter::kUnboundMessagesIgnored);
      continue;
    }
    OpenedMessage message;
    message.arrived_ns = arrived_ns;
    message.header = job.header;
    message.header.msg_id = peeked.msg_id;
    message.header.seq_no = peeked.seq_no;
    message.header.body_bytes = static_cast<uint32_t>(peeked.body.size());
    const Bytes payload = mtproto::frame_message(peeked.msg_id, peeked.seq_no, peeked.body);
    message.payload_at = wait.payloads.size();
    message.payload_bytes = payload.size();
    wait.payloads.insert(wait.payloads.end(), payload.begin(), payload.end());
    message.entry = &entry;
    // The last one speaks for all: what is before it has been worked off by then.
    message.quick_ack = quick_ack && &peeked == &messages->back();
    message.quick_ack_token = job.quick_ack_token;
    wait.opened.push_back(message);
  }
  if (!inlet.remote && !inlet.failed) park_input(static_cast<Client&>(inlet));
}

bool Flow::serve_unbound(Inlet& inlet, const OpenedMessage& message, ByteView payload) {
  KeyEntry& entry = *message.entry;
  const auto messages = mtproto::peek(payload);
  // A container is still whole here when its key was bound as it came and is no more.
  if (!messages.ok() || messages->size() != 1) {
    refuse_message(inlet, messages.ok() ? Error::kBadState : messages.error());
    return true;
  }
  const mtproto::PeekedMessage& peeked = messages->front();
  switch (peeked.purpose) {
    case mtproto::Purpose::kPing:
      counters_.add(Counter::kUnboundPings);
      answer_message(inlet, message, make_pong(peeked.msg_id, peeked.ping_id));
      return true;
    case mtproto::Purpose::kService:
      counters_.add(Counter::kUnboundMessagesIgnored);
      if (message.quick_ack) acknowledge(inlet, message.quick_ack_token);
      return true;
    case mtproto::Purpose::kBind:
      return serve_bind(inlet, entry, message, peeked);
    case mtproto::Purpose::kCall:
      break;
  }
  return serve_call(inlet, entry, message);
}

bool Flow::serve_bind(Inlet& inlet, KeyEntry& entry, const OpenedMessage& message,
                      const mtproto::PeekedMessage& peeked) {
  const int64_t auth_key_id = entry.record.auth_key_id;
  const int64_t claimed = peeked.perm_auth_key_id;
  if (claimed == 0 || claimed == auth_key_id) {
    counters_.add(Counter::kBindsRefused);
    answer_message(inlet, message, make_bind_refusal(peeked.msg_id));
    return true;
  }
  Binding& binding = binding_of(entry);
  if (binding.bind) {
    wait_for_binding(inlet, binding);
    return false;
  }
  if (Client* client = http_client(inlet)) {
    call_for_bind(*client, peeked);
    return true;
  }
  Session& session = session_of(inlet, entry, message.header.session_id);
  if (session.claimed_perm_auth_key_id != 0 && session.claimed_perm_auth_key_id != claimed) {
    // What the first one's shard still has for this session must not reach the second one's client.
    counters_.add(Counter::kBindsRefused);
    fail(inlet, 0);
    return true;
  }
  const Bytes payload = mtproto::frame_message(peeked.msg_id, peeked.seq_no, peeked.bind);
  cluster::ClientMessage sent;
  sent.conn_type = session.claimed_perm_auth_key_id == claimed ? 0 : 1;
  sent.auth_key_id = auth_key_id;
  sent.key_type = entry.record.key_type;
  sent.perm_auth_key_id = claimed;  // here and nowhere else
  sent.session_id = message.header.session_id;
  const net::IpText client_ip = inlet.peer.ip_text();
  sent.client_ip = client_ip.view();
  sent.quick_ack = message.quick_ack;
  sent.salt = message.header.salt;
  sent.payload = payload;
  switch (dispatcher_->send(sent)) {
    case cluster::Submit::kAccepted:
      break;
    case cluster::Submit::kWindowFull:
      wait_for_window(inlet, dispatcher_->shard_of(claimed));
      return false;
    case cluster::Submit::kNoShard:
      wait_for_window(inlet, cluster::kAnyShard);
      return false;
  }
  counters_.add(Counter::kBindsForwarded);
  if (message.quick_ack) acknowledge(inlet, message.quick_ack_token);
  session.claimed_perm_auth_key_id = claimed;
  PendingBind& bind = binding.bind.emplace();
  bind.from = inlet.ref;
  bind.salt = message.header.salt;
  bind.session_id = message.header.session_id;
  bind.msg_id = peeked.msg_id;
  bind.claimed_perm_auth_key_id = claimed;
  bind.expires_at_s = peeked.expires_at;
  bind.deadline_ns = now_.mono_ns + shared_.config.timeouts.key_lookup_ns;
  arm_key_timer(entry);
  return true;
}

Bytes Flow::make_bind_refusal(int64_t msg_id) {
  return make_rpc_error(msg_id, kBadRequest, "ENCRYPTED_MESSAGE_INVALID");
}

// The key may have been bound meanwhile, here or through another gateway: only the shard knows.
bool Flow::serve_call(Inlet& inlet, KeyEntry& entry, const OpenedMessage& message) {
  Binding& binding = binding_of(entry);
  if (binding.asking || binding.bind) {
    if (!binding.asking && now_.mono_ns - binding.asked_ns >= kBindAskAgainNs) {
      ask_about(entry);
    } else if (!binding.asking) {
      binding.retry_ns = std::min(binding.retry_ns, binding.asked_ns + kBindAskAgainNs);
      arm_key_timer(entry);
    }
    wait_for_binding(inlet, binding);
    return false;
  }
  const bool known_unbound = now_.mono_ns - binding.unbound_ns < kUnboundRememberedNs;
  if (!known_unbound && shared_.budget->take(BudgetKind::kUnknownKey, inlet.peer, now_.mono_ns)) {
    ask_about(entry);
    if (!binding.asking) {
      fail(inlet, 0);
      return true;
    }
    wait_for_binding(inlet, binding);
    return false;
  }
  counters_.add(Counter::kUnboundCallsRefused);
  answer_message(inlet, message,
                 make_rpc_error(message.header.msg_id, kUnauthorized, "AUTH_KEY_PERM_EMPTY"));
  return true;
}

// The quick ack goes first: with the answer the request is over for its client.
void Flow::answer_message(Inlet& inlet, const OpenedMessage& message, ByteView object) {
  if (message.quick_ack) acknowledge(inlet, message.quick_ack_token);
  answer(inlet, *message.entry, message.header.salt, message.header.session_id, object);
}

// Sends an object of our own to the session that asked.
void Flow::answer(Inlet& inlet, const KeyEntry& entry, int64_t salt, int64_t session_id,
                  ByteView object) {
  if (Client* client = http_client(inlet)) {
    add_to_reply(*client, make_answer(object));
    return;
  }
  Bytes plaintext;
  plaintext.reserve(kMessagePrefixBytes + object.size());
  ByteAppender out(plaintext);
  out.i64(salt);
  out.i64(session_id);
  out.bytes(make_answer(object));
  std::unique_ptr<cluster::PushReply> nobody;
  bool sent = false;
  if (inlet.remote) {
    sent = post_sealed(inlet.ref, seal_alone(entry, plaintext), nobody);
  } else {
    auto& client = static_cast<Client&>(inlet);
    const size_t queued = table_->queued_bytes(client.ref.handle) + plaintext.size();
    sent = queued <= shared_.config.limits.output_bytes_per_connection &&
           outbox_->message(client, entry, plaintext, nobody);
    if (!sent) counters_.add(Counter::kSendQueueOverflows);
  }
  if (!sent) fail(inlet, 0);
}

// --- waiting

void Flow::wait_for_binding(const Inlet& inlet, Binding& binding) {
  auto& waiting = binding.waiting;
  if (std::find(waiting.begin(), waiting.end(), inlet.ref) == waiting.end()) {
    waiting.push_back(inlet.ref);
  }
}

void Flow::wake_for_binding(Binding& binding) {
  ready_.insert(ready_.end(), binding.waiting.begin(), binding.waiting.end());
  binding.waiting.clear();
}

// --- asking

Binding& Flow::binding_of(KeyEntry& entry) {
  if (entry.binding == nullptr) entry.binding = std::make_unique<Binding>();
  return *entry.binding;
}

// Asks the shard what it knows of a key that is here. An answer that is on its way may be older
// than what has made us ask, so it does not count for it.
void Flow::ask_about(KeyEntry& entry) {
  Binding& binding = binding_of(entry);
  if (binding.asking) {
    binding.ask_again = true;
    return;
  }
  binding.asked_ns = now_.mono_ns;
  binding.retry_ns = INT64_MAX;
  if (dispatcher_->query_auth_key(entry.record.auth_key_id, now_)) {
    binding.asking = true;
    return;
  }
  counters_.add(Counter::kKeyQueriesFailed);
  binding.retry_ns = now_.mono_ns + kBindAskAgainNs;
  arm_key_timer(entry);
}

// A bound key may be bound again, to another permanent one. Its messages go where they went until
// the shard has answered the call and says so.
void Flow::note_rebind(KeyEntry& entry, ByteView payload) {
  if (const auto msg_id = mtproto::find_bind(payload)) entry.rebind_msg_id = *msg_id;
}

// The shard has spoken about a key that is in use.
void Flow::take_binding_answer(KeyEntry& entry, cluster::KeyAnswer answer, int64_t bound_before) {
  if (entry.record.key_type == 0) return;
  const bool asked = entry.binding != nullptr && entry.binding->asking;
  bool again = false;
  if (asked) {
    entry.binding->asking = false;
    again = std::exchange(entry.binding->ask_again, false);
  }
  switch (answer) {
    case cluster::KeyAnswer::kFound:
      if (entry.record.perm_auth_key_id != bound_before) follow_binding(entry);
      if (!entry.unbound()) {
        settle_bound(entry, bound_before);
      } else if (asked && !again) {
        settle_unbound(entry);
      }
      if (again) ask_about(entry);
      return;
    case cluster::KeyAnswer::kUnregistered:
      if (asked) revoke_key(entry.record.auth_key_id);
      return;
    case cluster::KeyAnswer::kFailed:
    case cluster::KeyAnswer::kNoShard:
      break;
  }
  if (!asked) return;
  Binding& binding = *entry.binding;
  if (binding.bind) {
    binding.retry_ns = now_.mono_ns + kBindAskAgainNs;
    arm_key_timer(entry);
    return;
  }
  for (const ConnectionRef& ref : std::exchange(binding.waiting, {})) {
    if (Inlet* inlet = inlet_of(ref)) fail(*inlet, 0);
  }
}

// --- outcomes

void Flow::settle_bound(KeyEntry& entry, int64_t bound_before) {
  if (bound_before != 0 && bound_before != entry.record.perm_auth_key_id) {
    counters_.add(Counter::kBindingsChanged);
  }
  if (entry.binding == nullptr) return;
  const std::unique_ptr<Binding> binding = std::move(entry.binding);
  if (binding->bind) {
    // Bound by another bind, the key is not the one's whom this bind has claimed, nor are the
    // pushes.
    const bool ours = binding->bind->claimed_perm_auth_key_id == entry.record.perm_auth_key_id;
    counters_.add(ours ? Counter::kBindsConfirmed : Counter::kBindsRefused);
    // A shard does not tell when a key ends; the bind that it has accepted does.
    if (ours && entry.expires_at_s == 0 && binding->bind->expires_at_s > now_.unix_seconds()) {
      entry.expires_at_s = binding->bind->expires_at_s;
    }
    for (cluster::PushRequest& push : binding->bind->pushes) {
      if (ours) {
        deliver(std::move(push));
      } else {
        refuse_push(std::move(push.reply));
      }
    }
  }
  wake_for_binding(*binding);
  arm_key_timer(entry);
}

void Flow::settle_unbound(KeyEntry& entry) {
  Binding& binding = *entry.binding;
  if (binding.bind && !binding.bind->answered) {
    // The shard is still at it. Its answer may get lost on the way; the binding does not.
    if (!binding.waiting.empty()) binding.retry_ns = now_.mono_ns + kBindAskAgainNs;
    arm_key_timer(entry);
    return;
  }
  binding.unbound_ns = now_.mono_ns;
  if (binding.bind) {
    counters_.add(Counter::kBindsRefused);
    end_bind(entry);
  }
  wake_for_binding(binding);
}

// The sessions of a key go with its binding: what an old shard was told of is closed there, and a
// session that a bind has begun at the shard that is now the key's goes on. One that a bind has
// begun for somebody else ends with its connection.
void Flow::follow_binding(const KeyEntry& entry) {
  const int64_t perm_auth_key_id = entry.record.perm_auth_key_id;
  for (const ConnectionRef& ref : entry.users) {
    Inlet* inlet = inlet_of(ref);
    if (inlet == nullptr) continue;
    for (SessionEntry* use : inlet->sessions) {
      Session& session = use->second;
      if (use->first.auth_key_id != entry.record.auth_key_id) continue;
      if (session.perm_auth_key_id == perm_auth_key_id) continue;
      const int64_t claimed = std::exchange(session.claimed_perm_auth_key_id, 0);
      close_at_shard(use->first, session, *inlet);
      session.key_type = entry.record.key_type;
      session.perm_auth_key_id = perm_auth_key_id;
      session.announced = claimed != 0 && claimed == perm_auth_key_id;
      if (claimed == 0 || session.announced) continue;
      session.claimed_perm_auth_key_id = claimed;
      fail(*inlet, 0);
    }
  }
}

// The shard does not know the permanent key of a bind: nothing else is sent for an unbound key, so
// the refusal is the bind's, and the temporary key itself is as good as before.
void Flow::refuse_bind(KeyEntry& entry) {
  counters_.add(Counter::kBindsRefused);
  if (entry.binding == nullptr || !entry.binding->bind) return;
  const PendingBind& bind = *entry.binding->bind;
  if (Inlet* inlet = inlet_of(bind.from); inlet != nullptr && !inlet->failed) {
    for (SessionEntry* use : inlet->sessions) {
      const bool is_its = use->first.auth_key_id == entry.record.auth_key_id &&
                          use->first.session_id == bind.session_id;
      if (is_its) use->second.claimed_perm_auth_key_id = 0;  // nothing has begun there
    }
    answer(*inlet, entry, bind.salt, bind.session_id, make_bind_refusal(bind.msg_id));
  }
  end_bind(entry);
  wake_for_binding(*entry.binding);
}

void Flow::end_bind(KeyEntry& entry) {
  for (cluster::PushRequest& push : entry.binding->bind->pushes) {
    refuse_push(std::move(push.reply));
  }
  entry.binding->bind.reset();
  arm_key_timer(entry);
}

// The last connection of a key goes: nobody is left to tell.
void Flow::drop_binding(KeyEntry& entry) {
  if (entry.binding == nullptr) return;
  if (entry.binding->bind) end_bind(entry);
  entry.binding.reset();
}

// --- pushes

// To a key that is not bound only the protocol's own messages go, and the answer to its bind: the
// shard may take the session for the claimed user's. What else comes waits for the outcome.
bool Flow::admit_push(KeyEntry& entry, cluster::PushRequest& push) {
  if (!entry.unbound()) {
    if (entry.rebind_msg_id != 0 &&
        mtproto::peek_push(message_of(push), entry.rebind_msg_id).answers) {
      entry.rebind_msg_id = 0;
      ask_about(entry);
    }
    return true;
  }
  PendingBind* bind =
      entry.binding != nullptr && entry.binding->bind ? &*entry.binding->bind : nullptr;
  const auto peeked = mtproto::peek_push(message_of(push), bind == nullptr ? 0 : bind->msg_id);
  if (bind != nullptr && peeked.answers) {
    bind->answered = true;
    ask_about(entry);
  }
  if (peeked.service_only) return true;
  if (bind == nullptr || bind->pushes.size() >= kBindPushesMax ||
      bind->push_bytes + push.payload.size() > kBindPushBytesMax) {
    refuse_push(std::move(push.reply));
    return false;
  }
  bind->push_bytes += push.payload.size();
  bind->pushes.push_back(std::move(push));
  return false;
}

// --- time

KeyEntry& Flow::remember_key(const cluster::AuthKeyRecord& record, int64_t expires_at_s) {
  KeyEntry& entry = keys_.insert(record, expires_at_s, now_.unix_seconds());
  const bool bound = record.key_type != 0 && record.perm_auth_key_id != 0;
  entry.recheck_ns = bound ? now_.mono_ns + kBindingRecheckNs : INT64_MAX;
  arm_key_timer(entry);
  return entry;
}

void Flow::arm_key_timer(KeyEntry& entry) {
  int64_t next_ns = net::kNoDeadline;
  if (entry.binding != nullptr) {
    next_ns = std::min(next_ns, entry.binding->retry_ns);
    if (entry.binding->bind) next_ns = std::min(next_ns, entry.binding->bind->deadline_ns);
  }
  if (entry.expires_at_s != 0 && !entry.expired(now_.unix_seconds())) {
    const int64_t left_ns = entry.expires_at_s * kNsPerSecond - now_.unix_ns;
    next_ns = std::min(next_ns, now_.mono_ns + left_ns);
  }
  keys_.set_timer(entry, next_ns, now_.mono_ns);
}

void Flow::run_key_timers() {
  keys_.run_timers(now_.mono_ns, [this](KeyEntry& entry) { on_key_timer(entry); });
}

void Flow::on_key_timer(KeyEntry& entry) {
  if (entry.binding != nullptr) {
    Binding& binding = *entry.binding;
    if (binding.bind && now_.mono_ns >= binding.bind->deadline_ns) {
      // Nobody can tell what became of it: its client connects and binds anew.
      counters_.add(Counter::kBindsTimedOut);
      binding.waiting.push_back(binding.bind->from);
      for (const ConnectionRef& ref : std::exchange(binding.waiting, {})) {
        if (Inlet* inlet = inlet_of(ref)) fail(*inlet, 0);
      }
      end_bind(entry);
    } else if (now_.mono_ns >= binding.retry_ns) {
      ask_about(entry);
    }
  }
  if (entry.expired(now_.unix_seconds())) {
    counters_.add(Counter::kKeysExpired);
    // One in use stays for its users: the next use asks the shard, whose no is answered with -404.
    if (entry.users.empty()) {
      keys_.revoke(entry.record.auth_key_id);
      return;
    }
  }
  arm_key_timer(entry);
}

}  // namespace ringway::gateway
