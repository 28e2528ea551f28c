// HTTP: each request is a message that wants one answer, and a connection is nothing beyond its
// request.
//
// Between two requests a connection holds no key, no session and no exchange, so it goes wherever
// its next request belongs: to the home of the key that this names, or of the nonce of a key
// exchange, whose state is found there whatever connections its requests come by. Nothing is
// pushed to it: what a shard has for its client comes as the answer to a call, which the shard may
// hold open (http_wait), and whoever goes away takes the call along.
//
// A request is answered in four ways: Outbox sends a payload, which the doors make a response of;
// a transport error likewise, the last thing said; nothing, in answer to an acknowledgement; and
// fail(), whose status is what a client hears that gets no answer.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "gateway/flow.h"
#include "mtproto/tl.h"

namespace ringway::gateway {
namespace {

constexpr int32_t kConnTypeHttp = 2;
constexpr uint16_t kHttpConflict = 409;
constexpr uint16_t kHttpServerErrors = 500;  // and above
constexpr size_t kContainerHeadBytes = 8;    // constructor, count
constexpr size_t kSaltAndSessionBytes = 16;
constexpr size_t kMessageHeadBytes = kMessagePrefixBytes - kSaltAndSessionBytes;

// The client's nonce, behind the constructor of each object of a key exchange.
Result<mtproto::Nonce> nonce_of(ByteView object) noexcept {
  ByteReader reader(object);
  mtproto::Nonce nonce;
  RW_TRY(reader.skip(sizeof(uint32_t)));
  RW_TRY(reader.copy_to(nonce));
  return nonce;
}

}  // namespace

Client* Flow::http_client(Inlet& inlet) noexcept {
  if (inlet.remote) return nullptr;
  auto& client = static_cast<Client&>(inlet);
  return client.doors != nullptr && client.doors->is_http() ? &client : nullptr;
}

// Where a frame is worked off: at the home of its key, or of its nonce.
uint32_t Flow::home_of_frame(ByteView frame) const noexcept {
  const auto auth_key_id = load_le<int64_t>(frame.data());
  if (auth_key_id != 0) return home_of(auth_key_id, shared_.workers);
  const auto message = mtproto::read_unencrypted(frame);
  const auto nonce =
      message.ok() ? nonce_of(message->data) : Result<mtproto::Nonce>(message.error());
  return nonce.ok() ? home_of_nonce(*nonce, shared_.workers) : worker_;
}

// --- the key exchange

void Flow::take_http_exchange(Client& client, ByteView frame, ByteView object) {
  const Result<uint32_t> constructor = ByteReader(object).u32();
  if (constructor.ok() && *constructor == mtproto::constructor::kMsgsAck) {
    Bytes answer;
    client.doors->answer_nothing(answer);
    if (!table_->write(client.ref.handle, answer)) fail(client, 0);
    if (client.doors->may_go_on()) ready_.push_back(client.ref);
    return;
  }
  if (home_of_frame(frame) != worker_) {
    held(client).frames.push_front({Bytes(frame.begin(), frame.end()), false});
    start_move(client);
    return;
  }
  const auto nonce = nonce_of(object);
  const bool begins = constructor.ok() && (*constructor == mtproto::constructor::kReqPq ||
                                           *constructor == mtproto::constructor::kReqPqMulti);
  HttpExchange* exchange = nonce.ok() ? http_exchanges_.find(*nonce) : nullptr;
  if (exchange == nullptr && (!nonce.ok() || !begins)) {
    counters_.add(Counter::kHandshakesFailed);
    fail(client, mtproto::kErrorUnknownKey);
    return;
  }
  if (exchange == nullptr) {
    bool evicted = false;
    exchange = http_exchanges_.begin(*nonce, AddressBudget::key_of(client.peer, client.ref.serial),
                                     now_, evicted);
    if (evicted) counters_.add(Counter::kHandshakesEvicted);
    refuse_unanswered();
  }
  if (exchange == nullptr) {
    counters_.add(Counter::kHandshakesLimited);
    fail(client, mtproto::kErrorFlood);
    return;
  }
  // Who asks again elsewhere no longer waits here.
  Client* before = client_of(exchange->waiter);
  if (before != nullptr && before != &client) fail(*before, 0, kHttpConflict);
  exchange->waiter = client.ref;
  take_outcome({&exchange->set, &client, exchange}, exchange->set.on_message(object, now_),
               now_.mono_ns);
}

// Their exchange is gone, and with it whoever would have answered.
void Flow::refuse_unanswered() {
  for (const ConnectionRef& ref : http_exchanges_.take_unanswered()) {
    if (Client* client = client_of(ref)) fail(*client, 0, kHttpUnavailable);
  }
}

// --- messages

// An encrypted message has come and opened: from now on its answer is due.
void Flow::begin_reply(Client& client, KeyEntry& entry, const mtproto::MessageHeader& header) {
  Held& wait = held(client);
  wait.http = std::make_unique<HttpReply>();
  wait.http->entry = &entry;
  wait.http->salt = header.salt;
  wait.http->session_id = header.session_id;
}

// Asks the shard of `perm_auth_key_id`. The connection fails where that cannot be.
void Flow::call_shard(Client& client, int64_t perm_auth_key_id, ByteView payload) {
  HttpReply& reply = *client.held->http;
  const cluster::AuthKeyRecord& record = reply.entry->record;
  const net::IpText client_ip = client.peer.ip_text();
  cluster::ClientMessage message;
  message.conn_type = kConnTypeHttp;
  message.auth_key_id = record.auth_key_id;
  message.key_type = record.key_type;
  message.perm_auth_key_id = perm_auth_key_id;
  message.session_id = reply.session_id;
  message.client_ip = client_ip.view();
  message.salt = reply.salt;
  message.payload = payload;
  const uint64_t cookie = next_cookie_++;
  if (!dispatcher_->send_http(message, cookie, now_)) {
    const bool nobody = dispatcher_->shard_of(perm_auth_key_id) == cluster::kAnyShard;
    fail(client, 0, nobody ? kHttpBadGateway : kHttpUnavailable);
    return;
  }
  counters_.add(Counter::kMessagesRouted);
  reply.cookie = cookie;
  http_calls_.emplace(cookie, client.ref);
}

// What is left of a bind goes to the shard that it claims, and nothing else does; see
// flow_bind.cc. Nothing is pushed meanwhile, so nothing has to be held back but in the answer.
void Flow::call_for_bind(Client& client, const mtproto::PeekedMessage& bind) {
  counters_.add(Counter::kBindsForwarded);
  call_shard(client, bind.perm_auth_key_id,
             mtproto::frame_message(bind.msg_id, bind.seq_no, bind.bind));
  if (!client.failed) client.held->http->bind_msg_id = bind.msg_id;
}

void Flow::cancel_call(Client& client) {
  if (client.held == nullptr || client.held->http == nullptr) return;
  const uint64_t cookie = std::exchange(client.held->http->cookie, 0);
  if (cookie == 0) return;
  http_calls_.erase(cookie);
  dispatcher_->cancel_http(cookie);
}

// The connection fails: what its request is told, if there is one.
void Flow::refuse_http(Client& client, int32_t transport_error, uint16_t status) {
  if (client.doors == nullptr) return;
  cancel_call(client);
  client.doors->refuse_request(status);
  const bool unanswered = client.doors->awaits_answer() && transport_error == 0;
  if (unanswered && status >= kHttpServerErrors) counters_.add(Counter::kHttpRequestsFailed);
}

void Flow::on_http_answer(uint64_t cookie, cluster::HttpAnswer answer, ByteView payload) {
  const auto found = http_calls_.find(cookie);
  if (found == http_calls_.end()) return;
  Client* client = client_of(found->second);
  http_calls_.erase(found);
  RW_ASSERT(client != nullptr && client->held != nullptr && client->held->http != nullptr);
  HttpReply& reply = *client->held->http;
  reply.cookie = 0;
  const int64_t bind_msg_id = std::exchange(reply.bind_msg_id, 0);
  switch (answer) {
    case cluster::HttpAnswer::kAnswered:
      break;
    case cluster::HttpAnswer::kUnregistered:
      if (bind_msg_id == 0) {
        revoke_key(reply.entry->record.auth_key_id);
        fail(*client, mtproto::kErrorUnknownKey);
        return;
      }
      counters_.add(Counter::kBindsRefused);
      add_to_reply(*client, make_answer(make_bind_refusal(bind_msg_id)));
      ready_.push_back(client->ref);
      return;
    case cluster::HttpAnswer::kRefused:
    case cluster::HttpAnswer::kUnavailable:
      fail(*client, 0);
      return;
  }
  if (!payload.empty() && !plausible(payload)) {
    fail(*client, 0);
    return;
  }
  take_http_payload(*client, payload, bind_msg_id);
}

void Flow::take_http_payload(Client& client, ByteView payload, int64_t bind_msg_id) {
  HttpReply& reply = *client.held->http;
  KeyEntry& entry = *reply.entry;
  const ByteView message = payload.empty() ? payload : payload.subspan(kSaltAndSessionBytes);
  if (entry.rebind_msg_id != 0 && mtproto::peek_push(message, entry.rebind_msg_id).answers) {
    entry.rebind_msg_id = 0;
    ask_about(entry);
  }
  // Mostly it is the whole answer.
  const bool alone = bind_msg_id == 0 && reply.messages == 0 && client.held->opened_left() == 0;
  if (alone && !payload.empty()) {
    give_reply(client, payload);
    return;
  }
  if (!payload.empty()) {
    reply.salt = load_le<int64_t>(payload.data());
    add_messages(client, message, bind_msg_id);
  }
  if (bind_msg_id != 0 && mtproto::peek_push(message, bind_msg_id).answers) ask_about(entry);
  ready_.push_back(client.ref);
}

// Adds a shard's message, or what is in it when it is a container. With a bind, what is not the
// protocol's own or its answer is for a user that this key does not speak for yet: it is left out,
// and its shard sends it again.
void Flow::add_messages(Client& client, ByteView message, int64_t bind_msg_id) {
  ByteReader reader(message.subspan(kMessageHeadBytes));
  const auto constructor = reader.u32();
  if (!constructor.ok() || *constructor != mtproto::constructor::kMsgContainer) {
    const bool fits = bind_msg_id == 0 || mtproto::peek_push(message, bind_msg_id).service_only;
    if (fits) add_to_reply(client, message);
    return;
  }
  const auto count = reader.u32();
  for (uint32_t i = 0; count.ok() && i < *count && !client.failed; ++i) {
    const ByteView rest = reader.rest();
    if (rest.size() < kMessageHeadBytes) return;
    const size_t bytes = kMessageHeadBytes + load_le<uint32_t>(rest.data() + 12);
    if (!reader.skip(bytes).ok()) return;
    const ByteView inner = rest.first(bytes);
    const bool fits = bind_msg_id == 0 || mtproto::peek_push(inner, bind_msg_id).service_only;
    if (fits) add_to_reply(client, inner);
  }
}

// What no message may hold is not gathered first.
void Flow::add_to_reply(Client& client, ByteView message) {
  HttpReply& reply = *client.held->http;
  const size_t prefix_bytes =
      reply.messages == 0 ? kSaltAndSessionBytes : kMessagePrefixBytes + kContainerHeadBytes;
  if (!fits_frame(prefix_bytes + reply.content.size() + message.size())) {
    fail(client, 0);
    return;
  }
  append(reply.content, message);
  ++reply.messages;
}

// An object of our own. It needs no acknowledgement: its seq_no is even, since the shard counts the
// session's content-related messages.
Bytes Flow::make_answer(ByteView object) {
  return mtproto::frame_message(answer_msg_id_.next(now_.unix_ns), 0, object);
}

// Everything that the request asked for is there: one message as it is, none or several in a
// container.
void Flow::give_gathered(Client& client) {
  HttpReply& reply = *client.held->http;
  Bytes plaintext;
  plaintext.reserve(kMessagePrefixBytes + kContainerHeadBytes + reply.content.size());
  ByteAppender out(plaintext);
  out.i64(reply.salt);
  out.i64(reply.session_id);
  if (reply.messages == 1) {
    out.bytes(reply.content);
  } else {
    Bytes container;
    ByteAppender body(container);
    body.u32(mtproto::constructor::kMsgContainer);
    body.u32(reply.messages);
    body.bytes(reply.content);
    out.bytes(make_answer(container));
  }
  if (!plausible(plaintext)) {
    fail(client, 0);
    return;
  }
  give_reply(client, plaintext);
}

// `plaintext`: from the salt to the end of the body. What is sealed in slices outlives the call.
void Flow::give_reply(Client& client, ByteView plaintext) {
  HttpReply& reply = *client.held->http;
  reply.given = true;
  if (plaintext.size() > kLargeMessageBytes) {
    client.large_seal = make_large_seal(client.ref, *reply.entry,
                                        Bytes(plaintext.begin(), plaintext.end()), nullptr);
    return;
  }
  std::unique_ptr<cluster::PushReply> nobody;
  if (!outbox_->message(client, *reply.entry, plaintext, nobody)) fail(client, 0);
}

// The answer is on its way and nothing refers to the request any more. The next one may name
// another key.
void Flow::finish_request(Client& client) {
  if (client.gone || client.failed) return;
  client.last_input_ms = short_ms(now_.mono_ns);
  client.held.reset();
  release_keys(client);
  if (draining_) {
    fail(client, 0);
  } else if (client.paused || client.doors->may_go_on()) {
    ready_.push_back(client.ref);
  }
}

// A shutdown lets a message that is with its shard be answered, for a moment.
bool Flow::drain_http(Client& client) {
  if (http_client(client) == nullptr || client.held == nullptr || client.held->http == nullptr) {
    return false;
  }
  client.doors->end_with_answer();
  table_->set_deadline(client.ref.handle, net::TimerKind::kKeyLookup, now_.mono_ns + kHttpDrainNs);
  return true;
}

}  // namespace ringway::gateway
