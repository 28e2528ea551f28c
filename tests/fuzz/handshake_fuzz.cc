// Fuzzing of the key exchange's server side.
//
// The input is a program for up to four clients of one HandshakeSet: each step is an opcode and its
// operands. Clients send well-formed objects with bytes changed, whole objects out of the input, or
// repeats; jobs finish and stores answer when the program says so; the set moves and time passes.
// The results of jobs are made up, because real ones take milliseconds and change nothing in the
// state machine, but one job per input may be run for real.

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "../support/handshake_vectors.h"
#include "base/limits.h"
#include "client/handshake_steps.h"
#include "crypto/dh.h"
#include "mtproto/handshake.h"
#include "mtproto/message.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;
using Kind = HandshakeOutcome::Kind;

constexpr size_t kInputBytesMax = 16 * 1024;
constexpr size_t kClients = 4;

void require(bool condition) {
  if (!condition) std::abort();
}

thread_local uint64_t random_state = 0;

void fake_random(ByteSpan out) noexcept {
  for (uint8_t& byte : out) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<uint8_t>(random_state >> 56);
  }
}

crypto::PrimePair fake_primes() noexcept { return {.p = 0x494c553b, .q = 0x53911073}; }

const std::shared_ptr<const crypto::RsaKey>& fixed_key() {
  static const std::shared_ptr<const crypto::RsaKey> key =
      *crypto::RsaKey::from_pem(handshake_vectors::kOwnPem);
  return key;
}

// Operands out of the input; zeros once it is used up.
class Program {
 public:
  explicit Program(ByteView bytes) : reader_(bytes) {}
  [[nodiscard]] bool empty() const { return reader_.empty(); }
  uint8_t byte() {
    const Result<uint8_t> value = reader_.u8();
    return value.ok() ? *value : uint8_t{0};
  }
  ByteView bytes(size_t count) { return *reader_.bytes(std::min(count, reader_.remaining())); }

 private:
  ByteReader reader_;
};

class Machine {
 public:
  explicit Machine(ByteView input) : program_(input) {
    random_state = 1;
    config_.random = &fake_random;
    config_.make_primes = &fake_primes;
    const uint8_t choice = program_.byte();
    config_.legacy_rsa_padding = (choice & 1) != 0;
    if ((choice & 2) != 0) config_.dc = 2;
    config_.keys.push_back({fixed_key(), fixed_key()->fingerprint()});
    for (size_t i = 0; i < kClients; ++i) {
      client::ExchangeValues& values = clients_[i];
      client::make_nonces(values, &fake_random);
      values.pq = to_big_endian(fake_primes().product());
      values.p = to_big_endian(fake_primes().p);
      values.q = to_big_endian(fake_primes().q);
      values.server_key = {fixed_key(), fixed_key()->fingerprint()};
      values.temporary = (choice & 4) != 0;
      values.expires_in = 60;
      if ((choice & 8) != 0) values.dc = -2;
      values.g_b.assign(crypto::kDhBytes, 0x42);
    }
  }

  void run() {
    while (!program_.empty()) {
      step();
      require(set_.size() <= kHandshakeStatesPerConnection);
    }
  }

 private:
  enum class Op : uint8_t {
    kReqPq,
    kReqDh,
    kSetClient,
    kRaw,
    kRepeat,
    kWork,
    kStored,
    kMove,
    kWait,
    kRealWork,
    kSetClientRaw,
    kAnswers,
    kCount
  };

  void step() {
    const uint8_t code = program_.byte();
    client::ExchangeValues& values = clients_[code >> 6];
    switch (static_cast<Op>((code & 0x3f) % static_cast<uint8_t>(Op::kCount))) {
      case Op::kReqPq:
        return send(changed(client::make_req_pq(values)));
      case Op::kReqDh:
        return send(changed(client::make_req_dh_params(values, Bytes(crypto::kRsaBytes, 0x11))));
      case Op::kSetClient:
        return send_client_dh(values,
                              changed(write_client_dh_inner_data(make_client_dh_inner(values))));
      case Op::kSetClientRaw:
        return send_client_dh(values, program_.bytes(program_.byte() * 4u));
      case Op::kRaw:
        return send(program_.bytes(program_.byte() * 4u));
      case Op::kRepeat:
        return send(Bytes(last_));
      case Op::kWork:
        return finish_job(false);
      case Op::kRealWork:
        return finish_job(true);
      case Op::kStored:
        return finish_store();
      case Op::kMove:
        return move();
      case Op::kWait:
        now_.mono_ns += int64_t{program_.byte()} * 10 * kNsPerSecond;
        return set_.expire(now_);
      case Op::kAnswers:
        return read_as_client(values);
      case Op::kCount:
        break;
    }
  }

  // Up to three bytes of `object` replaced, its end cut or random words put behind it.
  Bytes changed(Bytes object) {
    const uint8_t how = program_.byte();
    for (int i = 0; i < (how & 3); ++i) {
      const size_t at = (size_t{program_.byte()} << 8 | program_.byte()) % object.size();
      object[at] ^= program_.byte();
    }
    if ((how & 4) != 0) object.resize(object.size() - program_.byte() % object.size());
    if ((how & 8) != 0) object.resize(object.size() + program_.byte() % 16 * 4u, 0x99);
    return object;
  }

  void send_client_dh(const client::ExchangeValues& values, ByteView inner) {
    send(changed(client::make_set_client_dh_params(values, inner, &fake_random)));
  }

  void send(ByteView object) {
    last_.assign(object.begin(), object.end());
    take(set_.on_message(object, now_));
  }

  void take(HandshakeOutcome outcome) {
    require((outcome.kind == Kind::kReply) == !outcome.reply.empty());
    require((outcome.kind == Kind::kWork) == (outcome.job != nullptr));
    require((outcome.kind == Kind::kStore) == (outcome.created != nullptr));
    require((outcome.kind == Kind::kFail) == (outcome.error != Error::kNone));
    switch (outcome.kind) {
      case Kind::kReply:
        return learn(outcome.reply);
      case Kind::kWork:
        require(set_.busy());
        jobs_.push_back(std::move(outcome.job));
        return;
      case Kind::kStore:
        require(set_.busy());
        check(*outcome.created);
        stores_.push_back(outcome.nonce);
        return;
      case Kind::kFail:
        require(outcome.transport_error == kErrorUnknownKey ||
                (config_.dc && outcome.transport_error == kErrorWrongDc));
        return;
      case Kind::kIgnore:
        return;
    }
  }

  void check(const CreatedKey& created) {
    require(created.auth_key_id != 0);
    const bool permanent = created.type == AuthKeyType::kPermanent;
    require(permanent ? created.expires_in == 0 : created.expires_in >= 1);
  }

  // What a client takes from an answer, to go on with its exchange.
  void learn(ByteView reply) {
    require(reply.size() % 4 == 0);
    ByteReader res_pq_reader(reply);
    if (const Result<ResPq> answer = read_res_pq(res_pq_reader); answer.ok()) {
      if (client::ExchangeValues* values = owner(answer->nonce); values != nullptr) {
        values->server_nonce = answer->server_nonce;
        values->retry_id = 0;
      }
      return;
    }
    ByteReader dh_reader(reply);
    if (read_server_dh_params_ok(dh_reader).ok()) return;
    ByteReader gen_reader(reply);
    const Result<DhGenAnswer> answer = read_dh_gen_answer(gen_reader);
    require(answer.ok());
    client::ExchangeValues* values = owner(answer->nonce);
    if (values == nullptr || answer->result != DhGen::kRetry) return;
    values->retry_id = auth_key_aux_hash(last_key_);
  }

  client::ExchangeValues* owner(const Nonce& nonce) {
    const auto found = std::ranges::find(clients_, nonce, &client::ExchangeValues::nonce);
    return found == clients_.end() ? nullptr : &*found;
  }

  void finish_job(bool really) {
    if (jobs_.empty()) return;
    std::unique_ptr<HandshakeJob> job = std::move(jobs_.front());
    jobs_.pop_front();
    if (really && !really_worked_) {
      really_worked_ = true;
      job->run();
      require(job->kind == HandshakeJob::Kind::kClientDh ||
              (job->error == Error::kNone) == (job->inner_data.size() != 0));
    } else if (job->kind == HandshakeJob::Kind::kServerDh) {
      make_up_server_dh(*job);
    } else {
      require(crypto::dh_value_in_range(job->g_b));
      fake_random(job->auth_key.span());
      last_key_ = job->auth_key;
    }
    take(set_.on_work_done(std::move(job), now_));
  }

  void make_up_server_dh(HandshakeJob& job) {
    const client::ExchangeValues* values = owner(job.nonce);
    const bool raw = program_.byte() % 8 == 0 || values == nullptr;
    if (raw) {
      job.inner_data = SecretString(program_.bytes(program_.byte()));
    } else {
      const SecretString inner = write_pq_inner_data(client::make_inner_data(*values));
      job.inner_data = SecretString(changed(Bytes(inner.view().begin(), inner.view().end())));
    }
    fake_random(job.a.span());
    std::ranges::fill(job.g_a, uint8_t{0x37});
  }

  void finish_store() {
    const auto result = static_cast<StoreResult>(program_.byte() % 3);
    if (stores_.empty()) return;
    const Nonce nonce = stores_.front();
    stores_.pop_front();
    const HandshakeOutcome outcome = set_.on_stored(nonce, result, now_);
    require(!outcome.finished || result == StoreResult::kStored);
    require(outcome.kind == Kind::kReply || outcome.kind == Kind::kIgnore);
    if (outcome.kind == Kind::kReply) learn(outcome.reply);
  }

  void move() {
    // Also what no set has written must be refused or taken whole, never half.
    const Result<HandshakeSet> noise =
        HandshakeSet::import_state(&config_, program_.bytes(program_.byte()));
    require(noise.ok() || noise.error() == Error::kMalformed);
    if (set_.busy()) return;
    const SecretString state = set_.export_state();
    Result<HandshakeSet> moved = HandshakeSet::import_state(&config_, state.view());
    require(moved.ok());
    set_ = *std::move(moved);
    require(equal(set_.export_state().view(), state.view()));
  }

  // The client's readers meet arbitrary answers.
  void read_as_client(client::ExchangeValues values) {
    const ByteView answer = program_.bytes(program_.byte() * 4u);
    const client::ServerKey keys[] = {values.server_key};
    (void)client::take_server_dh_params(answer, values).ok();
    (void)client::take_dh_gen(answer, values).ok();
    (void)client::take_res_pq(answer, keys, values).ok();
  }

  Program program_;
  HandshakeConfig config_;
  HandshakeSet set_{&config_};
  Now now_{.mono_ns = kNsPerSecond, .unix_ns = 1'700'000'000 * kNsPerSecond};
  std::array<client::ExchangeValues, kClients> clients_;
  std::deque<std::unique_ptr<HandshakeJob>> jobs_;
  std::deque<Nonce> stores_;
  Bytes last_;
  AuthKeyBytes last_key_;
  bool really_worked_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kInputBytesMax) return 0;
  Machine({data, size}).run();
  return 0;
}
