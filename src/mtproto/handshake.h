// mtproto/handshake: the server's side of the authorization key exchange.
//
// Pure: TL objects in, outcomes out; `now` is passed in, heavy steps leave as jobs. One HandshakeSet
// belongs to one connection (or, later, to a group of them that share nonces) and holds up to
// kHandshakeStatesPerConnection exchanges keyed by the client's nonce; a further one evicts the oldest.
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
//   storing        not stored / collision      dh_sent        reply dh_gen_retry (fail after 5)
//   done           same set_client_DH_params   done           reply the same dh_gen_ok
//   rsa_running, dh_running, storing: a repeat of the request in work is ignored, its answer will come
//   any            anything else               (none)         fail: -404 and close
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/rsa.h"
#include "mtproto/handshake_job.h"

namespace ringway::mtproto {

// Shared by all connections, immutable.
struct HandshakeConfig {
  struct Key {
    std::shared_ptr<const crypto::RsaKey> key;
    uint64_t fingerprint = 0;    // the computed one, or what the operator configured
  };
  std::vector<Key> keys;         // all are offered
  bool legacy_rsa_padding = true;
  std::optional<int32_t> dc;     // when set, an inner dc with another |dc| % 10000 is refused (-444)
};

enum class AuthKeyType : uint8_t { kPermanent = 0, kTemporary = 1, kMediaTemporary = 2 };

struct CreatedKey {
  AuthKeyBytes key;
  int64_t auth_key_id = 0;
  AuthKeyType type = AuthKeyType::kPermanent;
  int64_t salt = 0;
  int32_t expires_in = 0;        // seconds; 0 for a permanent key
};

struct HandshakeOutcome {
  enum class Kind : uint8_t {
    kIgnore,   // nothing to do
    kReply,    // send `reply`, a TL object
    kWork,     // run `job` elsewhere, then on_work_done()
    kStore,    // store `created` at its shard, then on_stored(); do not answer yet
    kFail,     // send `transport_error`, close
  };
  Kind kind = Kind::kIgnore;
  Error error = Error::kNone;             // kFail: why, for counters
  int32_t transport_error = 0;            // kFail: -404 or -444
  bool finished = false;                  // kReply: this is dh_gen_ok, the key is in force
  Bytes reply;
  std::unique_ptr<HandshakeJob> job;
  std::unique_ptr<CreatedKey> created;
  Nonce nonce{};                          // the exchange this is about
};

enum class StoreResult : uint8_t { kStored, kRetry, kFailed };

class HandshakeSet {
 public:
  explicit HandshakeSet(const HandshakeConfig* config) noexcept;
  ~HandshakeSet();
  HandshakeSet(HandshakeSet&&) noexcept;
  HandshakeSet& operator=(HandshakeSet&&) noexcept;

  // `object` is the data of an unencrypted message.
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

  // The exchanges at rest, for ConnectionState: a versioned byte string; secret. kMalformed on import
  // of anything else.
  [[nodiscard]] SecretString export_state() const;
  static Result<HandshakeSet> import_state(const HandshakeConfig* config, ByteView state);

 private:
  struct Exchange;
  HandshakeOutcome on_req_pq(uint32_t constructor_id, ByteView object, Now now);
  HandshakeOutcome on_req_dh_params(ByteView object, Now now);
  HandshakeOutcome on_set_client_dh_params(ByteView object, Now now);
  [[nodiscard]] HandshakeOutcome fail(Exchange* exchange, Error error, int32_t transport_error);
  Exchange* find(const Nonce& nonce) noexcept;
  void drop(const Exchange* exchange) noexcept;

  const HandshakeConfig* config_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;   // oldest first
  uint64_t next_serial_ = 1;
  size_t evicted_ = 0;
};

}  // namespace ringway::mtproto
