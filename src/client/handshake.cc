#include "client/handshake.h"

#include <utility>

#include "base/limits.h"
#include "mtproto/message.h"

namespace ringway::client {
namespace {

using Kind = Handshake::Outcome::Kind;

Handshake::Outcome send(Bytes object) {
  return {.kind = Kind::kSend, .error = Error::kNone, .object = std::move(object)};
}

}  // namespace

Handshake::Handshake(HandshakeOptions options) : options_(std::move(options)) {
  RW_ASSERT(options_.expires_in >= 0);
  values_.temporary = options_.expires_in > 0;
  values_.expires_in = options_.expires_in;
  values_.dc = options_.dc;
}

void Handshake::set_state(State next) noexcept {
  const auto legal = [this](State to) {
    if (to == State::kFailed) return true;
    switch (state_) {
      case State::kIdle:
        return to == State::kReqPqSent;
      case State::kReqPqSent:
        return to == State::kMakingReqDh;
      case State::kMakingReqDh:
        return to == State::kReqDhSent;
      case State::kReqDhSent:
        return to == State::kMakingKey;
      case State::kMakingKey:
        return to == State::kClientDhSent;
      case State::kClientDhSent:
        return to == State::kMakingKey || to == State::kDone;
      case State::kDone:
      case State::kFailed:
        return false;
    }
    return false;
  };
  RW_ASSERT(legal(next));
  state_ = next;
}

Bytes Handshake::start() {
  set_state(State::kReqPqSent);
  make_nonces(values_, options_.random);
  return make_req_pq(values_);
}

Handshake::Outcome Handshake::on_answer(ByteView object, Now now) {
  Outcome outcome = accept(object, now);
  return outcome.kind == Kind::kWork ? work() : outcome;
}

Handshake::Outcome Handshake::accept(ByteView object, Now now) {
  return settle(accept_in_state(object, now));
}

Handshake::Outcome Handshake::work() { return settle(work_in_state()); }

Handshake::Outcome Handshake::settle(Result<Outcome> outcome) {
  if (outcome.ok()) return *std::move(outcome);
  if (!done()) set_state(State::kFailed);  // what comes after the end takes nothing away
  return {.kind = Kind::kFailed, .error = outcome.error(), .object = {}};
}

Result<Handshake::Outcome> Handshake::accept_in_state(ByteView object, Now now) {
  switch (state_) {
    case State::kReqPqSent:
      RW_TRY(take_res_pq(object, options_.keys, values_));
      set_state(State::kMakingReqDh);
      return Outcome{.kind = Kind::kWork};
    case State::kReqDhSent:
      RW_TRY(take_server_dh_params(object, values_));
      result_.time_offset_seconds = values_.server_time - now.unix_seconds();
      set_state(State::kMakingKey);
      return Outcome{.kind = Kind::kWork};
    case State::kClientDhSent:
      return accept_dh_gen(object);
    default:
      return Error::kBadState;
  }
}

Result<Handshake::Outcome> Handshake::accept_dh_gen(ByteView object) {
  RW_TRY_ASSIGN(const mtproto::DhGen answer, take_dh_gen(object, values_));
  if (answer == mtproto::DhGen::kFail) return Error::kUnavailable;
  if (answer == mtproto::DhGen::kOk) {
    finish();
    return Outcome{.kind = Kind::kDone};
  }
  if (++retries_ > kHandshakeRetriesMax) return Error::kUnavailable;
  values_.retry_id = mtproto::auth_key_aux_hash(values_.auth_key);
  set_state(State::kMakingKey);
  return Outcome{.kind = Kind::kWork};
}

Result<Handshake::Outcome> Handshake::work_in_state() {
  switch (state_) {
    case State::kMakingReqDh: {
      RW_TRY_ASSIGN(Bytes object, make_req_dh());
      set_state(State::kReqDhSent);
      return send(std::move(object));
    }
    case State::kMakingKey: {
      RW_TRY_ASSIGN(Bytes object, make_client_dh());
      set_state(State::kClientDhSent);
      return send(std::move(object));
    }
    default:
      return Error::kBadState;
  }
}

Result<Bytes> Handshake::make_req_dh() {
  RW_TRY(solve_pq(values_));
  const SecretString inner = mtproto::write_pq_inner_data(make_inner_data(values_));
  const crypto::RsaKey& key = *values_.server_key.key;
  const bool legacy = options_.padding == RsaPadding::kLegacy;
  RW_TRY_ASSIGN(const Bytes encrypted, legacy
                                           ? legacy_encrypt(key, inner.view(), options_.random)
                                           : rsa_pad_encrypt(key, inner.view(), options_.random));
  return make_req_dh_params(values_, encrypted);
}

Result<Bytes> Handshake::make_client_dh() {
  RW_TRY(compute_key(values_, options_.random, options_.exponent_bytes));
  const Bytes inner = mtproto::write_client_dh_inner_data(make_client_dh_inner(values_));
  return make_set_client_dh_params(values_, inner, options_.random);
}

void Handshake::finish() noexcept {
  mtproto::CreatedKey& created = result_.created;
  created.key = values_.auth_key;
  created.auth_key_id = mtproto::auth_key_id(values_.auth_key);
  created.salt = mtproto::initial_salt(values_.new_nonce, values_.server_nonce);
  created.expires_in = values_.expires_in;
  if (values_.temporary) {
    created.type = values_.dc.value_or(0) < 0 ? mtproto::AuthKeyType::kMediaTemporary
                                              : mtproto::AuthKeyType::kTemporary;
  }
  result_.fingerprint = values_.server_key.fingerprint;
  values_ = ExchangeValues{};
  set_state(State::kDone);
}

const HandshakeResult& Handshake::result() const noexcept {
  RW_ASSERT(done());
  return result_;
}

}  // namespace ringway::client
