// Keys and sessions of a link: making them, binding them, losing them.
#include <fmt/format.h>

#include <algorithm>

#include "client/account/limits.h"
#include "client/account/link.h"
#include "client/account/link_exchange.h"
#include "client/objects.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::client {
namespace {

// The account has deadlines of its own for calls, and takes them out of the session then.
constexpr int64_t kNoTimeoutNs = 100LL * 365 * 86'400 * kNsPerSecond / 2;
constexpr size_t kUnencryptedHeaderBytes = 20;
// Before this a temporary key is used up: the clocks of both sides are not quite the same.
constexpr int64_t kExpiryMarginNs = 60 * kNsPerSecond;

SessionOptions session_options(int64_t ack_delay_ns) {
  SessionOptions options = SessionOptions::lasting();
  options.ack_delay_ns = ack_delay_ns;
  options.request_timeout_ns = kNoTimeoutNs;
  return options;
}

}  // namespace

// What is needed next on a connection that is there.
void Link::go_on() {
  if (session_ && session_is_temporary_ && session_expires_ns_ <= loop_.now().mono_ns) {
    lose_session();
  }
  if (!options_.key) {
    begin_exchange(false);
    return;
  }
  if (options_.temporary_keys && !checking_key_) {
    if (session_) {
      come_up();
    } else {
      begin_exchange(true);
    }
    return;
  }
  if (!session_) begin_session(*options_.key, false);
  come_up();
}

void Link::begin_exchange(bool temporary) {
  set_state(State::kExchanging);
  HandshakeOptions options;
  options.keys = options_.server_keys;
  if (options_.dc != 0) options.dc = options_.dc;
  options.expires_in = temporary ? options_.temporary_key_seconds : 0;
  exchange_ = std::make_shared<Exchange>(std::move(options), temporary);
  send_unencrypted(exchange_->handshake.start());
}

void Link::send_unencrypted(ByteView object) {
  stream_->write(mtproto::write_unencrypted(unencrypted_ids_.next(loop_.now().unix_ns), object));
  stream_->flush();
}

void Link::on_unencrypted(ByteSpan frame) {
  if (exchange_ == nullptr || exchange_->working) return;
  settle(
      exchange_->handshake.accept(ByteView(frame).subspan(kUnencryptedHeaderBytes), loop_.now()));
}

void Link::settle(Handshake::Outcome outcome) {
  using Kind = Handshake::Outcome::Kind;
  switch (outcome.kind) {
    case Kind::kSend:
      send_unencrypted(outcome.object);
      return;
    case Kind::kWork:
      work_elsewhere();
      return;
    case Kind::kDone: {
      const std::shared_ptr<Exchange> done = std::move(exchange_);
      on_key_made(done->handshake.result());
      return;
    }
    case Kind::kFailed:
      fail(outcome.error == Error::kBadFingerprint
               ? std::string("the server has none of the given public keys")
               : fmt::format("key exchange: the server's answer is wrong: {}",
                             to_string(outcome.error)));
      return;
  }
}

void Link::work_elsewhere() {
  exchange_->working = true;
  background_.run([this, exchange = exchange_, &loop = loop_, alive = std::weak_ptr(alive_)] {
    auto outcome = std::make_shared<Handshake::Outcome>(exchange->handshake.work());
    loop.post([this, exchange, outcome, alive] {
      exchange->working = false;
      if (!alive.expired() && exchange == exchange_) settle(std::move(*outcome));
    });
  });
}

void Link::on_key_made(const HandshakeResult& result) {
  ++counts_.keys_made;
  const SessionKey key = SessionKey::from(result);
  attempt_deadline_ns_ = loop_.now().mono_ns + kLinkBindNs;
  if (result.created.expires_in == 0) {
    options_.key = key;
    listener_.on_link_key(*this);
    go_on();
    arm();
    return;
  }
  const int64_t lifetime_ns = int64_t{options_.temporary_key_seconds} * kNsPerSecond;
  begin_session(key, true);
  expires_at_ns_ = loop_.now().mono_ns + lifetime_ns;
  session_expires_ns_ = expires_at_ns_ - std::min(kExpiryMarginNs, lifetime_ns / 10);
  renew_ns_ = loop_.now().mono_ns + lifetime_ns / 100 * kTemporaryKeyRenewPercent;
  begin_bind();
  arm();
}

void Link::begin_session(const SessionKey& key, bool temporary) {
  session_.emplace(key, session_options(options_.ack_delay_ns));
  session_is_temporary_ = temporary;
  session_is_fresh_ = true;
  session_expires_ns_ = INT64_MAX;
  renew_ns_ = INT64_MAX;
}

void Link::begin_bind() {
  set_state(State::kBinding);
  // The key's end as the server has it: its clock, and the time since the key was made.
  const int64_t left_ns = expires_at_ns_ - loop_.now().mono_ns;
  const int64_t server_ns = loop_.now().unix_ns + session_->key().time_offset_ns;
  const auto expires_at = static_cast<int32_t>((server_ns + left_ns) / kNsPerSecond);
  const auto sent = session_->send_bind(*options_.key, expires_at, loop_.now());
  bind_request_ = sent.ok() ? *sent : 0;  // without room the deadline of the attempt ends it
  want_flush();
}

void Link::bind_again() {
  if (state_ != State::kUp || !session_is_temporary_) return;
  attempt_deadline_ns_ = loop_.now().mono_ns + kLinkBindNs;
  begin_bind();
  arm();
}

void Link::on_bind_answer(const SessionEvent& event) {
  if (event.kind == SessionEvent::Kind::kResent) return;
  bind_request_ = 0;
  if (state_ != State::kBinding) return;
  if (event.kind == SessionEvent::Kind::kReply &&
      constructor_of(event.body) == mtproto::constructor::kBoolTrue) {
    bind_refusals_ = 0;
    come_up();
    return;
  }
  // A permanent key that the server has lost shows in this: look at it alone.
  if (++bind_refusals_ >= kBindRefusalsMax) {
    bind_refusals_ = 0;
    checking_key_ = true;
  }
  fail("the server did not bind the temporary key");
}

void Link::come_up() {
  set_state(State::kUp);
  const bool fresh = session_is_fresh_;
  session_is_fresh_ = false;
  if (!fresh) session_->on_reconnected();
  ping();
  if (heard_) problem_.clear();
  if (!checking_key_) {
    listener_.on_link_ready(*this, fresh);
    if (heard_) listener_.on_link_heard(*this);
  }
}

void Link::lose_session() {
  if (!session_) return;
  if (!checking_key_) listener_.on_link_session_lost(*this);
  session_.reset();
  bind_request_ = 0;
  ping_request_ = 0;
  session_expires_ns_ = INT64_MAX;
  renew_ns_ = INT64_MAX;
}

void Link::refuse_key() {
  if (++key_refusals_ < kKeyRefusalsMax) {
    fail("the server does not know the key (-404)", true);
    return;
  }
  key_refusals_ = 0;
  problem_ = "the server does not know the key (-404)";
  checking_key_ = false;
  // Before stop(), which does not know why it ends.
  drop_stream(true);
  stop();
  listener_.on_link_key_refused(*this);
}

void Link::forget_key() {
  RW_ASSERT(state_ == State::kIdle);
  lose_session();
  options_.key.reset();
}

}  // namespace ringway::client
