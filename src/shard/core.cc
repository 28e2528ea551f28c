#include "shard/core.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "shard/key_record.h"

namespace ringway::shard {
namespace {

constexpr int32_t kConnTypeNew = 1;

Outcome outcome_of(Error error) noexcept {
  switch (error) {
    case Error::kNotFound:
      return {kCodeKeyUnregistered, kTextKeyUnregistered};
    case Error::kTruncated:
    case Error::kMalformed:
      return {kCodeInvalidArgument, "PAYLOAD_MALFORMED"};
    default:
      return {kCodeInternal, "KEY_STORE_FAILED"};
  }
}

// Under the stripe's lock. True: there is something, and it is in `outbox`.
bool collect_undelivered(KeyState& key, Session& session, Now now, Outbox& outbox) {
  outbox.begin(session, now);
  if (std::exchange(session.undelivered, false)) {
    for (const UnackedMessage& kept : session.unacked) outbox.add_again(kept);
  }
  outbox.seal(key.salts.current(now.unix_seconds()));
  // An answer of HTTP holds one payload.
  session.undelivered = outbox.payload_count() > 1;
  return outbox.payload_count() > 0;
}

// Under the stripe's lock.
void wake_poll(Session& session) {
  while (!session.polls.empty()) {
    const auto poll = session.polls.front().lock();
    session.polls.erase(session.polls.begin());
    if (poll != nullptr && poll->wake()) return;
  }
}

}  // namespace

std::shared_ptr<ShardCore> ShardCore::make(CoreOptions options, std::unique_ptr<KeyStore> keys,
                                           std::unique_ptr<Recorder> recorder,
                                           std::unique_ptr<messenger::Messenger> messenger) {
  options.service.messenger = messenger.get();
  std::shared_ptr<ShardCore> core(new ShardCore(std::move(options), std::move(keys),
                                                std::move(recorder), std::move(messenger)));
  // Calls to gateways may end after the core has gone.
  core->gateways_.on_failure(
      [weak = std::weak_ptr<ShardCore>(core)](int64_t auth_key_id, int64_t session_id) {
        if (const auto self = weak.lock()) self->push_failed(auth_key_id, session_id);
      });
  return core;
}

ShardCore::ShardCore(CoreOptions options, std::unique_ptr<KeyStore> keys,
                     std::unique_ptr<Recorder> recorder,
                     std::unique_ptr<messenger::Messenger> messenger)
    : options_(std::move(options)),
      recorder_(std::move(recorder)),
      keys_(std::move(keys)),
      messenger_(std::move(messenger)),
      service_(options_.service, keys_.get()),
      table_(*keys_),
      set_auth_key_refusals_(options_.faults.refuse_set_auth_key) {}

ShardCore::~ShardCore() { stop(); }

void ShardCore::stop() {
  gateways_.stop();
  keys_->stop();
}

Outcome ShardCore::take(const session::SessionClientData& data, const PushRoute& route, Now now,
                        Outbox& outbox) {
  Outcome outcome;
  bool updates_may_wait = false;
  if (options_.faults.data_unavailable) {
    outcome = {kCodeUnavailable, "UNAVAILABLE_ON_DEMAND"};
  } else if (!user_exists(data, now)) {
    outcome = {kCodeKeyUnregistered, kTextKeyUnregistered};
  } else {
    const Arrival arrival{data.salt(), data.conn_type() == kConnTypeNew, as_bytes(data.payload())};
    Result<Served> served = Error::kNotFound;
    const auto found = table_.visit(data.auth_key_id(), data.session_id(), now.unix_seconds(),
                                    [&](KeyState& key, Session& session) {
                                      session.route = route;
                                      served = service_.serve(key, session, arrival, now, outbox);
                                      return served.ok() ? std::move(served->destroyed_sessions)
                                                         : std::vector<int64_t>();
                                    });
    if (!found.ok()) {
      outcome = outcome_of(found.error());
    } else if (!served.ok()) {
      outcome = outcome_of(served.error());
    } else {
      outcome.http_wait = served->http_wait;
      updates_may_wait = served->updates_may_wait;
    }
  }
  (outcome.ok() ? messages_ : refused_).fetch_add(1, std::memory_order_relaxed);
  if (outcome.ok()) answers_.fetch_add(outbox.payload_count(), std::memory_order_relaxed);
  if (recorder_ != nullptr) record(data, route.wire, outcome);
  if (updates_may_wait) deliver_updates(now);
  return outcome;
}

void ShardCore::deliver_updates(Now now) {
  messenger_->deliver([&](const messenger::Push& update) {
    return push(update.auth_key_id, update.session_id, update.body, now);
  });
}

// As Teamgram's session has it: what begins under a temporary key begins for a permanent one.
bool ShardCore::user_exists(const session::SessionClientData& data, Now now) {
  const int64_t perm_auth_key_id = data.perm_auth_key_id();
  if (data.conn_type() != kConnTypeNew || perm_auth_key_id == data.auth_key_id()) return true;
  return keys_->find(perm_auth_key_id, now.unix_seconds()).ok();
}

void ShardCore::record(const session::SessionClientData& data, Wire wire, const Outcome& outcome) {
  recorder_->line(fmt::format(
      "send_data wire={} conn_type={} auth_key_id={} perm_auth_key_id={} session_id={} msg_id={} "
      "client_ip={} quick_ack={} bytes={} outcome={} at={}",
      to_string(wire), data.conn_type(), data.auth_key_id(), data.perm_auth_key_id(),
      data.session_id(), payload_msg_id(as_bytes(data.payload())), data.client_ip(),
      data.quick_ack(), data.payload().size(), outcome.ok() ? "ok" : outcome.text,
      read_clocks().mono_ns));
}

void ShardCore::deliver(const session::SessionClientData& data, const PushRoute& route,
                        const Outbox& outbox) {
  for (size_t i = 0; i < outbox.payload_count(); ++i) {
    if (route.gateway == nullptr) {
      push_failed(data.auth_key_id(), data.session_id());
      return;
    }
    route.gateway->push(data.auth_key_id(), data.session_id(), outbox.payload(i),
                        route.wire == Wire::kStream);
  }
}

void ShardCore::close(const session::SessionClientEvent& event, Wire wire) {
  // The session stays: what it has not acknowledged is sent again when its client comes back.
  table_.visit_known(event.auth_key_id(), event.session_id(), [](KeyState&, Session& session) {
    session.route = {};
    session.undelivered = !session.unacked.empty();
  });
  if (recorder_ == nullptr) return;
  recorder_->line(fmt::format("close wire={} conn_type={} auth_key_id={} session_id={}",
                              to_string(wire), event.conn_type(), event.auth_key_id(),
                              event.session_id()));
}

void ShardCore::push_failed(int64_t auth_key_id, int64_t session_id) {
  pushes_failed_.fetch_add(1, std::memory_order_relaxed);
  table_.visit_known(auth_key_id, session_id, [](KeyState&, Session& session) {
    session.undelivered = true;
    if (session.route.gateway == nullptr) wake_poll(session);
  });
}

bool ShardCore::hold_poll(int64_t auth_key_id, int64_t session_id,
                          const std::shared_ptr<Poll>& poll, Now now, Outbox& outbox) {
  bool has = false;
  std::shared_ptr<Poll> displaced;
  table_.visit_known(auth_key_id, session_id, [&](KeyState& key, Session& session) {
    has = collect_undelivered(key, session, now, outbox);
    if (has) return;
    std::erase_if(session.polls, [](const auto& other) { return other.expired(); });
    if (session.polls.size() >= kShardHttpPollsMax) {
      displaced = session.polls.front().lock();
      session.polls.erase(session.polls.begin());
    }
    session.polls.push_back(poll);
  });
  if (displaced != nullptr) displaced->give_up();
  return has;
}

bool ShardCore::collect(int64_t auth_key_id, int64_t session_id, Now now, Outbox& outbox) {
  bool has = false;
  table_.visit_known(auth_key_id, session_id, [&](KeyState& key, Session& session) {
    has = collect_undelivered(key, session, now, outbox);
  });
  return has;
}

bool ShardCore::push(int64_t auth_key_id, int64_t session_id, ByteView body, Now now) {
  Outbox outbox;
  PushRoute route;
  bool by_poll = false;
  const bool known =
      table_.visit_known(auth_key_id, session_id, [&](KeyState& key, Session& session) {
        outbox.begin(session, now);
        // What did not arrive goes with what follows it, in its order.
        if (std::exchange(session.undelivered, false)) {
          for (const UnackedMessage& kept : session.unacked) outbox.add_again(kept);
        }
        outbox.open(Reply::kUpdate).bytes(body);
        outbox.close();
        outbox.seal(key.salts.current(now.unix_seconds()));
        route = session.route;
        // Who comes by HTTP comes for it: now, if a poll is open.
        by_poll = route.link.expired() && route.gateway == nullptr;
        session.undelivered = by_poll;
        if (by_poll) wake_poll(session);
      });
  if (!known) return false;
  if (by_poll) return true;
  const auto link = route.link.lock();
  for (size_t i = 0; i < outbox.payload_count(); ++i) {
    if (link != nullptr && link->push(auth_key_id, session_id, outbox.payload(i))) continue;
    if (route.gateway == nullptr) {
      push_failed(auth_key_id, session_id);
      break;
    }
    route.gateway->push(auth_key_id, session_id, outbox.payload(i), route.wire == Wire::kStream);
  }
  return true;
}

void ShardCore::set_auth_key(const session::TL_session_setAuthKey& request, Now now,
                             std::function<void(bool stored)> done) {
  const auto& info = request.auth_key();
  auto record = key_record(request, now.unix_seconds());
  if (set_auth_key_refusals_.load(std::memory_order_relaxed) > 0 &&
      set_auth_key_refusals_.fetch_sub(1, std::memory_order_relaxed) > 0) {
    record.reset();
  }
  // The key store is stopped before the recorder goes.
  auto finish = [recorder = recorder_.get(), id = info.auth_key_id(), type = info.auth_key_type(),
                 done = std::move(done)](bool stored) {
    if (recorder != nullptr) {
      recorder->line(
          fmt::format("set_auth_key auth_key_id={} type={} stored={}", id, type, stored ? 1 : 0));
    }
    done(stored);
  };
  if (!record.has_value()) {
    finish(false);
  } else {
    keys_->insert(*record, std::move(finish));
  }
}

Outcome ShardCore::query_auth_key(int64_t auth_key_id, Now now, ::mtproto::AuthKeyInfo& info) {
  Outcome outcome;
  if (options_.faults.query_unavailable) {
    outcome = {kCodeUnavailable, "UNAVAILABLE_ON_DEMAND"};
  } else if (const auto record = keys_->find(auth_key_id, now.unix_seconds()); record.ok()) {
    info.set_auth_key_id(record->auth_key_id);
    info.set_auth_key(record->auth_key.data(), record->auth_key.size());
    info.set_auth_key_type(record->auth_key_type);
    info.set_perm_auth_key_id(record->perm_auth_key_id);
    info.set_temp_auth_key_id(record->temp_auth_key_id);
    info.set_media_temp_auth_key_id(record->media_temp_auth_key_id);
  } else {
    outcome = outcome_of(record.error() == Error::kNotFound ? Error::kNotFound : Error::kIo);
  }
  if (recorder_ != nullptr) {
    recorder_->line(
        fmt::format("query_auth_key auth_key_id={} found={}", auth_key_id, outcome.ok() ? 1 : 0));
  }
  return outcome;
}

std::optional<messenger::Counts> ShardCore::messenger_counts() const {
  if (messenger_ == nullptr) return std::nullopt;
  return messenger_->counts();
}

CoreStats ShardCore::stats() const noexcept {
  return {messages_.load(std::memory_order_relaxed), refused_.load(std::memory_order_relaxed),
          answers_.load(std::memory_order_relaxed), pushes_failed_.load(std::memory_order_relaxed)};
}

}  // namespace ringway::shard
