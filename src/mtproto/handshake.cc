#include "mtproto/handshake.h"

#include <algorithm>

#include "base/limits.h"
#include "crypto/dh.h"
#include "mtproto/handshake_exchange.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

// What counts as the request when repeats are told from new ones.
crypto::Sha256Digest digest_of(ByteView object, const ByteReader& reader) noexcept {
  return crypto::sha256({object.first(reader.position())});
}

HandshakeOutcome ignore(const Nonce& nonce) {
  HandshakeOutcome outcome;
  outcome.nonce = nonce;
  return outcome;
}

HandshakeOutcome reply(const Nonce& nonce, const Bytes& object) {
  HandshakeOutcome outcome;
  outcome.kind = HandshakeOutcome::Kind::kReply;
  outcome.reply = object;
  outcome.nonce = nonce;
  return outcome;
}

bool same_number(ByteView big_endian, uint64_t number) noexcept {
  const Result<uint64_t> value = from_big_endian(big_endian);
  return value.ok() && *value == number;
}

AuthKeyType type_of(const PqInnerData& inner) noexcept {
  if (!inner.temporary) return AuthKeyType::kPermanent;
  return inner.has_dc && inner.dc < 0 ? AuthKeyType::kMediaTemporary : AuthKeyType::kTemporary;
}

// A data centre's number without the marks for media (negative) and test (+10000).
int64_t plain_dc(int32_t dc) noexcept {
  const int64_t wide = dc;
  return (wide < 0 ? -wide : wide) % 10000;
}

}  // namespace

bool HandshakeSet::Exchange::expired(Now now) const noexcept {
  return now.mono_ns - started_ns > kHandshakeTtlNs;
}

void HandshakeSet::Exchange::set_state(State next) noexcept {
  const auto legal = [this](State to) {
    switch (state) {
      case State::kPqSent:
        return to == State::kRsaRunning;
      case State::kRsaRunning:
        return to == State::kDhSent;
      case State::kDhSent:
        return to == State::kDhRunning;
      case State::kDhRunning:
        return to == State::kStoring || to == State::kDhSent || to == State::kDone;
      case State::kStoring:
        return to == State::kDhSent || to == State::kDone;
      case State::kDone:
        return false;
    }
    return false;
  };
  RW_ASSERT(legal(next));
  state = next;
}

HandshakeSet::HandshakeSet(const HandshakeConfig* config) noexcept : config_(config) {
  RW_ASSERT(config != nullptr);
  RW_ASSERT(config->keys.size() <= kServerKeysMax);
}
HandshakeSet::~HandshakeSet() = default;
HandshakeSet::HandshakeSet(HandshakeSet&&) noexcept = default;
HandshakeSet& HandshakeSet::operator=(HandshakeSet&&) noexcept = default;

HandshakeOutcome HandshakeSet::on_message(ByteView object, Now now) {
  expire(now);
  const Result<uint32_t> id = ByteReader(object).u32();
  if (!id.ok()) return fail(nullptr, id.error());
  switch (*id) {
    case constructor::kReqPq:
    case constructor::kReqPqMulti:
      return on_req_pq(object, now);
    case constructor::kReqDhParams:
      return on_req_dh_params(object);
    case constructor::kSetClientDhParams:
      return on_set_client_dh_params(object);
    case constructor::kMsgsAck:
      return {};
    default:
      return fail(nullptr, Error::kNotAllowed);
  }
}

HandshakeOutcome HandshakeSet::on_req_pq(ByteView object, Now now) {
  ByteReader reader(object);
  const Result<ReqPq> request = read_req_pq(reader);
  if (!request.ok()) return fail(nullptr, request.error());
  const crypto::Sha256Digest digest = digest_of(object, reader);
  if (Exchange* known = find(request->nonce); known != nullptr) {
    if (known->state != State::kPqSent) return fail(known, Error::kBadState);
    if (known->last_request != digest) return fail(known, Error::kBadState);
    return reply(known->nonce, known->last_reply);
  }

  Exchange& exchange = add_exchange(request->nonce, now);
  ResPq answer;
  answer.nonce = exchange.nonce;
  answer.server_nonce = exchange.server_nonce;
  const Bytes pq = to_big_endian(exchange.primes.product());
  answer.pq = pq;
  for (const HandshakeConfig::Key& key : config_->keys) {
    answer.fingerprints.push_back(key.fingerprint);
  }
  exchange.last_request = digest;
  exchange.last_reply = write_res_pq(answer);
  return reply(exchange.nonce, exchange.last_reply);
}

HandshakeOutcome HandshakeSet::on_req_dh_params(ByteView object) {
  ByteReader reader(object);
  Exchange* exchange = find_named(object);
  const Result<ReqDhParams> request = read_req_dh_params(reader);
  if (!request.ok()) return fail(exchange, request.error());
  if (exchange == nullptr) return fail(nullptr, Error::kBadState);
  const crypto::Sha256Digest digest = digest_of(object, reader);
  if (exchange->last_request == digest) {
    if (exchange->busy()) return ignore(exchange->nonce);
    return reply(exchange->nonce, exchange->last_reply);
  }
  if (exchange->state != State::kPqSent) return fail(exchange, Error::kBadState);
  if (request->server_nonce != exchange->server_nonce) return fail(exchange, Error::kBadNonce);
  const crypto::PrimePair& primes = exchange->primes;
  if (!same_number(request->p, primes.p)) return fail(exchange, Error::kMalformed);
  if (!same_number(request->q, primes.q)) return fail(exchange, Error::kMalformed);
  const auto key =
      std::ranges::find(config_->keys, request->fingerprint, &HandshakeConfig::Key::fingerprint);
  if (key == config_->keys.end()) return fail(exchange, Error::kBadFingerprint);
  if (request->encrypted_data.size() != crypto::kRsaBytes) return fail(exchange, Error::kBadLength);

  exchange->last_request = digest;
  exchange->last_reply.clear();
  exchange->serial = next_serial_++;
  exchange->set_state(State::kRsaRunning);
  HandshakeOutcome outcome;
  outcome.kind = HandshakeOutcome::Kind::kWork;
  outcome.nonce = exchange->nonce;
  outcome.job = std::make_unique<HandshakeJob>();
  HandshakeJob& job = *outcome.job;
  job.kind = HandshakeJob::Kind::kServerDh;
  job.nonce = exchange->nonce;
  job.serial = exchange->serial;
  job.key = key->key;
  job.legacy_padding_allowed = config_->legacy_rsa_padding;
  job.random = config_->random;
  std::ranges::copy(request->encrypted_data, job.encrypted_data.begin());
  return outcome;
}

HandshakeOutcome HandshakeSet::on_set_client_dh_params(ByteView object) {
  ByteReader reader(object);
  Exchange* exchange = find_named(object);
  const Result<SetClientDhParams> request = read_set_client_dh_params(reader);
  if (!request.ok()) return fail(exchange, request.error());
  if (exchange == nullptr) return fail(nullptr, Error::kBadState);
  const crypto::Sha256Digest digest = digest_of(object, reader);
  if (exchange->last_request == digest) {
    if (exchange->busy()) return ignore(exchange->nonce);
    return reply(exchange->nonce, exchange->last_reply);
  }
  if (exchange->state != State::kDhSent) return fail(exchange, Error::kBadState);
  if (request->server_nonce != exchange->server_nonce) return fail(exchange, Error::kBadNonce);
  if (request->encrypted_data.size() > kHandshakeInnerBytesMax) {
    return fail(exchange, Error::kBadLength);
  }

  crypto::IgeKeyIv key_iv;
  derive_tmp_key_iv(exchange->secrets->new_nonce, exchange->server_nonce, key_iv);
  const Result<Bytes> opened = open_with_hash(request->encrypted_data, key_iv);
  if (!opened.ok()) return fail(exchange, opened.error());
  const ByteView inner_bytes = ByteView(*opened).subspan(kHashBytes);
  ByteReader inner_reader(inner_bytes);
  const Result<ClientDhInnerData> inner = read_client_dh_inner_data(inner_reader);
  if (!inner.ok()) return fail(exchange, Error::kBadInnerData);
  if (!hash_matches(*opened, inner_reader.position())) return fail(exchange, Error::kBadInnerData);
  if (inner->nonce != exchange->nonce) return fail(exchange, Error::kBadNonce);
  if (inner->server_nonce != exchange->server_nonce) return fail(exchange, Error::kBadNonce);
  // Zero on the first attempt, then the aux hash of the key that could not be kept.
  if (inner->retry_id != exchange->aux_hash) return fail(exchange, Error::kBadInnerData);
  if (!crypto::dh_value_in_range(inner->g_b)) return fail(exchange, Error::kBadDh);

  exchange->last_request = digest;
  exchange->last_reply.clear();
  exchange->serial = next_serial_++;
  exchange->set_state(State::kDhRunning);
  HandshakeOutcome outcome;
  outcome.kind = HandshakeOutcome::Kind::kWork;
  outcome.nonce = exchange->nonce;
  outcome.job = std::make_unique<HandshakeJob>();
  HandshakeJob& job = *outcome.job;
  job.kind = HandshakeJob::Kind::kClientDh;
  job.nonce = exchange->nonce;
  job.serial = exchange->serial;
  job.a = exchange->secrets->a;
  job.g_b.assign(inner->g_b.begin(), inner->g_b.end());
  return outcome;
}

HandshakeOutcome HandshakeSet::on_work_done(std::unique_ptr<HandshakeJob> job, Now now) {
  RW_ASSERT(job != nullptr);
  const bool server_dh = job->kind == HandshakeJob::Kind::kServerDh;
  Exchange* exchange = find_job(*job, server_dh ? State::kRsaRunning : State::kDhRunning);
  if (exchange == nullptr) return ignore(job->nonce);  // evicted or failed while it ran
  if (job->error != Error::kNone) return fail(exchange, job->error);
  return server_dh ? answer_server_dh(*exchange, *job, now) : offer_key(*exchange, *job);
}

Result<void> HandshakeSet::check_inner_data(const Exchange& exchange,
                                            const PqInnerData& inner) const noexcept {
  if (!same_number(inner.pq, exchange.primes.product())) return Error::kBadInnerData;
  if (!same_number(inner.p, exchange.primes.p)) return Error::kBadInnerData;
  if (!same_number(inner.q, exchange.primes.q)) return Error::kBadInnerData;
  if (inner.nonce != exchange.nonce) return Error::kBadNonce;
  if (inner.server_nonce != exchange.server_nonce) return Error::kBadNonce;
  if (inner.temporary && inner.expires_in < 1) return Error::kBadInnerData;
  return {};
}

HandshakeOutcome HandshakeSet::answer_server_dh(Exchange& exchange, HandshakeJob& job, Now now) {
  ByteReader reader(job.inner_data.view());
  const Result<PqInnerData> inner = read_pq_inner_data(reader);
  if (!inner.ok()) return fail(&exchange, Error::kBadInnerData);
  if (const Result<void> checked = check_inner_data(exchange, *inner); !checked.ok()) {
    return fail(&exchange, checked.error());
  }
  if (config_->dc && inner->has_dc && plain_dc(inner->dc) != plain_dc(*config_->dc)) {
    return fail(&exchange, Error::kNotAllowed, kErrorWrongDc);
  }

  exchange.type = type_of(*inner);
  exchange.expires_in = inner->expires_in;
  exchange.secrets = std::make_unique<Exchange::Secrets>();
  exchange.secrets->new_nonce = inner->new_nonce;
  exchange.secrets->a = job.a;
  crypto::IgeKeyIv key_iv;
  derive_tmp_key_iv(inner->new_nonce, exchange.server_nonce, key_iv);
  ServerDhInnerData data;
  data.nonce = exchange.nonce;
  data.server_nonce = exchange.server_nonce;
  data.g = crypto::kDhG;
  data.dh_prime = crypto::dh_prime();
  data.g_a = job.g_a;
  data.server_time = static_cast<int32_t>(now.unix_seconds());
  const Bytes sealed = seal_with_hash(write_server_dh_inner_data(data), key_iv, config_->random);
  ServerDhParamsOk answer;
  answer.nonce = exchange.nonce;
  answer.server_nonce = exchange.server_nonce;
  answer.encrypted_answer = sealed;
  exchange.last_reply = write_server_dh_params_ok(answer);
  exchange.set_state(State::kDhSent);
  return reply(exchange.nonce, exchange.last_reply);
}

HandshakeOutcome HandshakeSet::offer_key(Exchange& exchange, HandshakeJob& job) {
  exchange.aux_hash = auth_key_aux_hash(job.auth_key);
  auto created = std::make_unique<CreatedKey>();
  created->auth_key_id = auth_key_id(job.auth_key);
  // Zero marks unencrypted messages: such a key could never be named.
  if (created->auth_key_id == 0) return refuse_key(exchange, StoreResult::kRetry);
  created->key = job.auth_key;
  created->type = exchange.type;
  created->salt = initial_salt(exchange.secrets->new_nonce, exchange.server_nonce);
  created->expires_in = exchange.expires_in;
  exchange.set_state(State::kStoring);
  HandshakeOutcome outcome;
  outcome.kind = HandshakeOutcome::Kind::kStore;
  outcome.nonce = exchange.nonce;
  outcome.created = std::move(created);
  return outcome;
}

HandshakeOutcome HandshakeSet::on_stored(const Nonce& nonce, StoreResult result, Now now) {
  (void)now;
  Exchange* exchange = find(nonce);
  if (exchange == nullptr || exchange->state != State::kStoring) return ignore(nonce);
  if (result != StoreResult::kStored) return refuse_key(*exchange, result);
  HandshakeOutcome outcome = reply_dh_gen(*exchange, DhGen::kOk);
  outcome.finished = true;
  return outcome;
}

HandshakeOutcome HandshakeSet::refuse_key(Exchange& exchange, StoreResult result) {
  const bool give_up = result == StoreResult::kFailed || exchange.retries >= kHandshakeRetriesMax;
  if (give_up) return reply_dh_gen(exchange, DhGen::kFail);
  ++exchange.retries;
  HandshakeOutcome outcome = reply_dh_gen(exchange, DhGen::kRetry);
  outcome.retried = true;
  return outcome;
}

HandshakeOutcome HandshakeSet::reply_dh_gen(Exchange& exchange, DhGen result) {
  DhGenAnswer answer;
  answer.result = result;
  answer.nonce = exchange.nonce;
  answer.server_nonce = exchange.server_nonce;
  answer.new_nonce_hash = new_nonce_hash(exchange.secrets->new_nonce, result, exchange.aux_hash);
  exchange.last_reply = write_dh_gen_answer(answer);
  if (result == DhGen::kRetry) {
    exchange.set_state(State::kDhSent);  // the same a; the client sends another g_b
  } else {
    exchange.set_state(State::kDone);
    exchange.secrets.reset();
  }
  return reply(exchange.nonce, exchange.last_reply);
}

HandshakeOutcome HandshakeSet::fail(Exchange* exchange, Error error, int32_t transport_error) {
  HandshakeOutcome outcome;
  outcome.kind = HandshakeOutcome::Kind::kFail;
  outcome.error = error;
  outcome.transport_error = transport_error;
  if (exchange != nullptr) {
    outcome.nonce = exchange->nonce;
    drop(exchange);
  }
  return outcome;
}

HandshakeSet::Exchange& HandshakeSet::add_exchange(const Nonce& nonce, Now now) {
  if (exchanges_.size() >= kHandshakeStatesPerConnection) {
    exchanges_.erase(exchanges_.begin());
    ++evicted_;
  }
  Exchange& exchange = *exchanges_.emplace_back(std::make_unique<Exchange>());
  exchange.nonce = nonce;
  config_->random(exchange.server_nonce);
  exchange.primes = config_->make_primes();
  exchange.started_ns = now.mono_ns;
  return exchange;
}

HandshakeSet::Exchange* HandshakeSet::find(const Nonce& nonce) noexcept {
  const auto found = std::ranges::find_if(
      exchanges_, [&](const auto& exchange) { return exchange->nonce == nonce; });
  return found == exchanges_.end() ? nullptr : found->get();
}

HandshakeSet::Exchange* HandshakeSet::find_named(ByteView object) noexcept {
  ByteReader reader(object);
  Nonce nonce;
  if (!reader.skip(sizeof(uint32_t)).ok()) return nullptr;
  return reader.copy_to(nonce).ok() ? find(nonce) : nullptr;
}

HandshakeSet::Exchange* HandshakeSet::find_job(const HandshakeJob& job, State state) noexcept {
  Exchange* exchange = find(job.nonce);
  if (exchange == nullptr || exchange->serial != job.serial) return nullptr;
  return exchange->state == state ? exchange : nullptr;
}

void HandshakeSet::drop(const Exchange* exchange) noexcept {
  std::erase_if(exchanges_, [&](const auto& entry) { return entry.get() == exchange; });
}

size_t HandshakeSet::take_evicted() noexcept { return std::exchange(evicted_, 0); }

bool HandshakeSet::busy() const noexcept {
  return std::ranges::any_of(exchanges_, [](const auto& exchange) { return exchange->busy(); });
}

void HandshakeSet::expire(Now now) noexcept {
  std::erase_if(exchanges_,
                [&](const auto& exchange) { return !exchange->busy() && exchange->expired(now); });
}

}  // namespace ringway::mtproto
