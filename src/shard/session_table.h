// shard/session_table: keys and sessions, in stripes that are locked one by one.
//
// All sessions of a key are in the stripe of its auth_key_id, so one lock guards whatever a message
// touches and no lock is global. Each stripe forgets its least recently used session when it is
// full; a key without sessions is forgotten too and read again from the key store when needed.
//
// Any thread may call it. visit() runs its callback under the stripe's lock: it must be short and
// must not come back to the table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/limits.h"
#include "shard/key_store.h"
#include "shard/session.h"

namespace ringway::shard {

class SessionTable {
 public:
  explicit SessionTable(KeyStore& keys, size_t sessions_max = kShardSessionsMax)
      : keys_(keys), sessions_per_stripe_(sessions_max / kShardStripes) {}

  // Calls visit(key, session), making the session when it is new and reading the key when it is not
  // at hand. The callback returns the sessions of this key to forget. kNotFound: no such key; kIo:
  // the key store failed.
  template <typename Visit>
  Result<void> visit(int64_t auth_key_id, int64_t session_id, int64_t unix_seconds, Visit&& visit) {
    Stripe& stripe = stripe_of(auth_key_id);
    const std::lock_guard lock(stripe.mutex);
    RW_TRY_ASSIGN(KeyState* const key, key_in(stripe, auth_key_id, unix_seconds));
    Session& session = session_in(stripe, *key, session_id);
    for (const int64_t destroyed : visit(*key, session)) forget(stripe, auth_key_id, destroyed);
    return {};
  }

  // Calls visit(session) when the session exists; false when it does not.
  template <typename Visit>
  bool visit_known(int64_t auth_key_id, int64_t session_id, Visit&& visit) {
    Stripe& stripe = stripe_of(auth_key_id);
    const std::lock_guard lock(stripe.mutex);
    const auto key = stripe.keys.find(auth_key_id);
    if (key == stripe.keys.end()) return false;
    const auto session = key->second->sessions.find(session_id);
    if (session == key->second->sessions.end()) return false;
    visit(*key->second, *session->second);
    return true;
  }

  [[nodiscard]] size_t session_count();

 private:
  using SessionName = std::pair<int64_t, int64_t>;  // auth_key_id, session_id

  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<int64_t, std::unique_ptr<KeyState>> keys;
    std::list<SessionName> ages;  // least recently used first
  };

  [[nodiscard]] Stripe& stripe_of(int64_t auth_key_id) noexcept;
  // The helpers below run under the stripe's lock.
  Result<KeyState*> key_in(Stripe& stripe, int64_t auth_key_id, int64_t unix_seconds);
  Session& session_in(Stripe& stripe, KeyState& key, int64_t session_id);
  void forget(Stripe& stripe, int64_t auth_key_id, int64_t session_id);
  void make_room(Stripe& stripe, const KeyState& key);

  KeyStore& keys_;
  const size_t sessions_per_stripe_;
  std::array<Stripe, kShardStripes> stripes_;
};

}  // namespace ringway::shard
