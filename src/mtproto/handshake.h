// mtproto/handshake: the server's side of the authorization key exchange.
//
// Pure: TL objects in, outcomes out; `now` is passed in, heavy steps leave as jobs. One
// HandshakeSet belongs to one connection (or, later, to a group of them that share nonces) and
// holds up to kHandshakeStatesPerConnection exchanges keyed by the client's nonce; a further one
// evicts the oldest.
//
//   state          event                       next           outcome
//   (none)         req_pq(_multi)              pq_sent        reply resPQ
//   pq_sent        same req_pq                 pq_sent        reply the same resPQ
//   pq_sent        req_DH_params               rsa_running    work (RSA, g^a)
//   rsa_running    job done, checks hold       dh_sent        reply server_DH_params_ok
//   dh_sent        same req_DH_params          dh_sent        reply the same answer
//   dh_sent        set_client_DH_params        dh_running     work (g_b^a)
//   dh_running     job done                    storing        store the key
//   storing        stored                      done           reply dh_gen_ok; secrets wiped
//   storing        not stored / collision      dh_sent        reply dh_gen_retry, up to 5 times
//   dh_running     the key's id is 0           dh_sent        the same
//   storing        failed, or a sixth time     done           reply dh_gen_fail; secrets wiped
//   dh_sent        same set_client_DH_params   dh_sent        reply the same dh_gen_retry
//   done           same set_client_DH_params   done           reply the same dh_gen_ok or _fail
//   (in work)      same request                (unchanged)    ignored, the answer will come
//   any            anything else               (none)         fail: -404 and close
//
// In work are rsa_running, dh_running and storing. "Same" means the same bytes of the TL object;
// random words behind it may differ. Only the last request is answered again. States older than
// kHandshakeTtlNs count as (none). Whoever fails has lost the exchange; msgs_ack is ignored in any
// state.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/factor.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "mtproto/framing.h"
#include "mtproto/handshake_job.h"

namespace ringway::mtproto {

// Shared by all connections, immutable, outlives them.
struct HandshakeConfig {
  struct Key {
    std::shared_ptr<const crypto::RsaKey> key;
    uint64_t fingerprint = 0;  // the computed one, or what the operator configured
  };
  std::vector<Key> keys;  // all are offered; at most kServerKeysMax, each with its private half
  bool legacy_rsa_padding = true;
  std::optional<int32_t> dc;  // when set, an inner dc with another |dc| % 10000 is refused (-444)

  // Where unpredictable values come from. Tests of known answers put fixed ones here; they are
  // asked for in this order: server_nonce, then a (on the job's thread), then the answer's padding.
  RandomSource random = &crypto::random_bytes;
  crypto::PrimePair (*make_primes)() noexcept = &crypto::make_prime_pair;
};

enum class AuthKeyType : uint8_t { kPermanent = 0, kTemporary = 1, kMediaTemporary = 2 };

struct CreatedKey {
  AuthKeyBytes key;
  int64_t auth_key_id = 0;
  AuthKeyType type = AuthKeyType::kPermanent;
  int64_t salt = 0;
  int32_t expires_in = 0;  // seconds; 0 for a permanent key
};

struct HandshakeOutcome {
  enum class Kind : uint8_t {
    kIgnore,  // nothing to do
    kReply,   // send `reply`, a TL object
    kWork,    // run `job` elsewhere, then on_work_done()
    kStore,   // store `created` at its shard, then on_stored(); do not answer yet
    kFail,    // send `transport_error`, close
  };
  Kind kind = Kind::kIgnore;
  Error error = Error::kNone;   // kFail: why, for counters
  int32_t transport_error = 0;  // kFail: -404 or -444
  bool finished = false;        // kReply: the first dh_gen_ok, the key is in force
  bool retried = false;         // kReply: a dh_gen_retry, for counters
  Bytes reply;
  std::unique_ptr<HandshakeJob> job;
  std::unique_ptr<CreatedKey> created;
  Nonce nonce{};  // the exchange this is about
};

enum class StoreResult : uint8_t { kStored, kRetry, kFailed };

class HandshakeSet {
 public:
  explicit HandshakeSet(const HandshakeConfig* config) noexcept;
  ~HandshakeSet();
  HandshakeSet(HandshakeSet&&) noexcept;
  HandshakeSet& operator=(HandshakeSet&&) noexcept;

  // `object` is the data of an unencrypted message; borrowed for the call.
  [[nodiscard]] HandshakeOutcome on_message(ByteView object, Now now);
  [[nodiscard]] HandshakeOutcome on_work_done(std::unique_ptr<HandshakeJob> job, Now now);
  [[nodiscard]] HandshakeOutcome on_stored(const Nonce& nonce, StoreResult result, Now now);

  [[nodiscard]] size_t size() const noexcept { return exchanges_.size(); }
  // How many exchanges have been pushed out by newer ones since the last call.
  [[nodiscard]] size_t take_evicted() noexcept;
  // True while a job or a store is under way: its result must reach this object.
  [[nodiscard]] bool busy() const noexcept;
  // Drops what is older than kHandshakeTtlNs and not busy.
  void expire(Now now) noexcept;

  // The exchanges at rest, for ConnectionState: a versioned byte string; secret. Asserts !busy().
  // kMalformed on import of anything else.
  [[nodiscard]] SecretString export_state() const;
  static Result<HandshakeSet> import_state(const HandshakeConfig* config, ByteView state);

 private:
  enum class State : uint8_t { kPqSent, kRsaRunning, kDhSent, kDhRunning, kStoring, kDone };
  struct Exchange;

  HandshakeOutcome on_req_pq(ByteView object, Now now);
  HandshakeOutcome on_req_dh_params(ByteView object);
  HandshakeOutcome on_set_client_dh_params(ByteView object);
  HandshakeOutcome answer_server_dh(Exchange& exchange, HandshakeJob& job, Now now);
  HandshakeOutcome offer_key(Exchange& exchange, HandshakeJob& job);
  HandshakeOutcome refuse_key(Exchange& exchange, StoreResult result);
  [[nodiscard]] HandshakeOutcome reply_dh_gen(Exchange& exchange, DhGen result);
  [[nodiscard]] HandshakeOutcome fail(Exchange* exchange, Error error,
                                      int32_t transport_error = kErrorUnknownKey);
  [[nodiscard]] Result<void> check_inner_data(const Exchange& exchange,
                                              const PqInnerData& inner) const noexcept;
  Exchange& add_exchange(const Nonce& nonce, Now now);
  Exchange* find(const Nonce& nonce) noexcept;
  // The exchange whose nonce stands behind the constructor number of `object`, well-formed or not.
  Exchange* find_named(ByteView object) noexcept;
  Exchange* find_job(const HandshakeJob& job, State state) noexcept;
  void drop(const Exchange* exchange) noexcept;

  static Result<State> read_resting_state(ByteReader& reader) noexcept;
  static Result<void> read_exchange(ByteReader& reader, Exchange& exchange);
  Result<void> read_state(ByteReader& reader);

  const HandshakeConfig* config_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // oldest first
  uint64_t next_serial_ = 1;
  size_t evicted_ = 0;
};

}  // namespace ringway::mtproto
