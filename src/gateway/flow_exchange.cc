// The key exchange of a connection: what its unencrypted messages lead to.
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "gateway/flow.h"

namespace ringway::gateway {
namespace {

// How long `Limits.HandshakesPerConnection` counts before it starts anew.
constexpr int64_t kHandshakeWindowNs = kHandshakeTtlNs;

}  // namespace

void Flow::take_unencrypted(Client& client, ByteView frame) {
  const auto message = mtproto::read_unencrypted(frame);
  if (!message) {
    counters_.add(Counter::kUnencryptedErrors);
    count_decode_error(client, DecodeReason::kOther);
    fail(client, 0, kHttpBadRequest);
    return;
  }
  if (http_client(client) != nullptr) {
    take_http_exchange(client, frame, message->data);
    return;
  }
  if (client.handshake == nullptr) {
    client.handshake = std::make_unique<ClientHandshake>(mtproto::HandshakeSet(&shared_.handshake));
  }
  mtproto::HandshakeSet& exchanges = client.handshake->set;
  exchanges.expire(now_);
  take_outcome({&exchanges, &client}, exchanges.on_message(message->data, now_), now_.mono_ns);
  const size_t evicted = exchanges.take_evicted();
  if (evicted != 0) counters_.add(Counter::kHandshakesEvicted, evicted);
}

// Finds who is owed the outcome of what was away.
Flow::Exchanger Flow::exchanger_of(const ConnectionRef& connection, const mtproto::Nonce& nonce,
                                   uint64_t exchange) {
  Client* client = nullptr;
  if (exchange != 0) {
    // A late result is nothing to another one of the same nonce.
    HttpExchange* http = http_exchanges_.find(nonce);
    if (http == nullptr || http->number != exchange) return {};
    client = client_of(http->waiter);
    return {&http->set, client != nullptr && !client->failed ? client : nullptr, http};
  }
  client = client_of(connection);
  if (client == nullptr || client->failed) return {};
  return {&client->handshake->set, client};
}

void Flow::take_outcome(const Exchanger& who, mtproto::HandshakeOutcome outcome,
                        int64_t arrived_ns) {
  using Kind = mtproto::HandshakeOutcome::Kind;
  switch (outcome.kind) {
    case Kind::kIgnore:
      return;
    case Kind::kReply:
      if (outcome.retried) counters_.add(Counter::kHandshakesRetried);
      if (outcome.finished) counters_.add(Counter::kHandshakesDone);
      if (outcome.finished && who.http != nullptr) http_exchanges_.finish(*who.http);
      send_reply(who, outcome, arrived_ns);
      return;
    case Kind::kWork:
      start_work(who, std::move(outcome.job), arrived_ns);
      return;
    case Kind::kStore:
      start_store(who, outcome.nonce, *outcome.created, arrived_ns);
      return;
    case Kind::kFail:
      counters_.add(Counter::kHandshakesFailed);
      if (who.client != nullptr) {
        log_debug("gateway", "{}: key exchange refused: {}", who.client->peer.to_string(),
                  to_string(outcome.error));
        fail(*who.client, outcome.transport_error);
      }
      if (who.http != nullptr) http_exchanges_.erase(who.http->nonce);
      return;
  }
}

void Flow::send_reply(const Exchanger& who, const mtproto::HandshakeOutcome& outcome,
                      int64_t arrived_ns) {
  if (who.client == nullptr) return;
  Client& client = *who.client;
  if (outcome.finished) set_proven(client);
  if (who.http != nullptr) who.http->waiter = {};
  const Bytes reply = mtproto::write_unencrypted(client.msg_id.next(now_.unix_ns), outcome.reply);
  if (arrived_ns == now_.mono_ns) {
    ++turn_exchanges_;
  } else {
    counters_.observe(Distribution::kKeyExchangeDuration,
                      static_cast<uint64_t>(now_.mono_ns - arrived_ns));
  }
  if (!outbox_->payload(client, reply)) fail(client, 0);
}

// One connection and one address may ask for so much heavy work and no more; over HTTP, where a
// connection does not stand for anything, the address alone.
bool Flow::handshake_allowed(const Exchanger& who) {
  if (who.http == nullptr) {
    ClientHandshake& handshake = *who.client->handshake;
    if (now_.mono_ns - handshake.window_ns > kHandshakeWindowNs) {
      handshake.window_ns = now_.mono_ns;
      handshake.count = 0;
    }
    if (handshake.count >= shared_.config.limits.handshakes_per_connection) return false;
    ++handshake.count;
  }
  return shared_.budget->take(BudgetKind::kHandshake, who.client->peer, now_.mono_ns);
}

// Work is asked for by a message, so there is a client.
void Flow::start_work(const Exchanger& who, std::unique_ptr<mtproto::HandshakeJob> job,
                      int64_t arrived_ns) {
  const bool first_step = job->kind == mtproto::HandshakeJob::Kind::kServerDh;
  CryptoTask task;
  task.job = std::move(job);
  task.connection = who.client->ref;
  if (who.http != nullptr) task.exchange = who.http->number;
  task.arrived_ns = arrived_ns;
  task.address_key = AddressBudget::key_of(who.client->peer, who.client->ref.serial);
  const bool allowed = !first_step || handshake_allowed(who);
  if (allowed && first_step) counters_.add(Counter::kHandshakesStarted);
  if (allowed && shared_.submit_crypto(task) == PoolAnswer::kQueued) return;
  counters_.add(Counter::kHandshakesLimited);
  fail(*who.client, mtproto::kErrorFlood);
  if (who.http != nullptr) http_exchanges_.erase(who.http->nonce);
}

void Flow::take_crypto_result(CryptoTask&& task) {
  if (task.tls != nullptr) {
    Client* client = client_of(task.connection);
    if (client != nullptr && !client->failed) resume_doors(*client, std::move(task));
    return;
  }
  const Exchanger who = exchanger_of(task.connection, task.job->nonce, task.exchange);
  if (who.set == nullptr) return;
  take_outcome(who, who.set->on_work_done(std::move(task.job), now_), task.arrived_ns);
  if (who.client != nullptr) ready_.push_back(who.client->ref);
}

void Flow::start_store(const Exchanger& who, const mtproto::Nonce& nonce,
                       const mtproto::CreatedKey& created, int64_t arrived_ns) {
  StorePending pending;
  if (who.client != nullptr) pending.connection = who.client->ref;
  if (who.http != nullptr) pending.exchange = who.http->number;
  pending.nonce = nonce;
  pending.arrived_ns = arrived_ns;
  pending.record.auth_key_id = created.auth_key_id;
  pending.record.key_type = static_cast<int32_t>(created.type);
  pending.record.key = created.key;
  if (created.type == mtproto::AuthKeyType::kPermanent) {
    pending.record.perm_auth_key_id = created.auth_key_id;
  } else {
    pending.expires_at_s = now_.unix_seconds() + created.expires_in;
  }
  const uint64_t cookie = next_cookie_++;
  if (!dispatcher_->set_auth_key(pending.record, created.salt, created.expires_in, cookie, now_)) {
    take_outcome(who, who.set->on_stored(nonce, mtproto::StoreResult::kRetry, now_), arrived_ns);
    return;
  }
  storing_.emplace(cookie, std::move(pending));
}

void Flow::on_store_answer(uint64_t cookie, cluster::StoreAnswer answer) {
  const auto found = storing_.find(cookie);
  if (found == storing_.end()) return;
  const StorePending pending = std::move(found->second);
  storing_.erase(found);
  const bool stored = answer == cluster::StoreAnswer::kStored;
  // The key is in force at its shard even if its connection has gone meanwhile.
  if (stored) keep_created_key(pending.record, pending.expires_at_s);
  const Exchanger who = exchanger_of(pending.connection, pending.nonce, pending.exchange);
  if (who.set == nullptr) return;
  const auto result = stored ? mtproto::StoreResult::kStored : mtproto::StoreResult::kRetry;
  take_outcome(who, who.set->on_stored(pending.nonce, result, now_), pending.arrived_ns);
  if (who.client != nullptr) ready_.push_back(who.client->ref);
}

// Spares the first message of a fresh key its look-up. Best effort: the shard knows the key anyway.
void Flow::keep_created_key(const cluster::AuthKeyRecord& record, int64_t expires_at_s) {
  const uint32_t home = home_of(record.auth_key_id, shared_.workers);
  if (home == worker_) {
    remember_key(record, expires_at_s);
    return;
  }
  KeyCreated created;
  created.record = std::make_unique<cluster::AuthKeyRecord>(record);
  created.expires_at_s = expires_at_s;
  post(home, std::move(created));
}

}  // namespace ringway::gateway
