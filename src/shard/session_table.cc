#include "shard/session_table.h"

namespace ringway::shard {

static_assert((kShardStripes & (kShardStripes - 1)) == 0);

SessionTable::Stripe& SessionTable::stripe_of(int64_t auth_key_id) noexcept {
  // Ids are hashes already, but a test may count them up from one.
  const uint64_t mixed = static_cast<uint64_t>(auth_key_id) * 0x9e37'79b9'7f4a'7c15u;
  return stripes_[(mixed >> 32) & (kShardStripes - 1)];
}

Result<KeyState*> SessionTable::key_in(Stripe& stripe, int64_t auth_key_id, int64_t unix_seconds) {
  const auto found = stripe.keys.find(auth_key_id);
  if (found != stripe.keys.end()) {
    KeyState& key = *found->second;
    if (key.expires_at == 0 || key.expires_at > unix_seconds) return &key;
    while (!key.sessions.empty()) {
      stripe.ages.erase(key.sessions.begin()->second->age);
      key.sessions.erase(key.sessions.begin());
    }
    stripe.keys.erase(found);
    return Error::kNotFound;
  }
  RW_TRY_ASSIGN(const KeyRecord record, keys_.find(auth_key_id, unix_seconds));
  auto key = std::make_unique<KeyState>(auth_key_id, record.auth_key.view(), record.first_salt);
  key->expires_at = record.expires_at;
  KeyState* const made = key.get();
  stripe.keys.emplace(auth_key_id, std::move(key));
  return made;
}

Session& SessionTable::session_in(Stripe& stripe, KeyState& key, int64_t session_id) {
  const auto found = key.sessions.find(session_id);
  if (found != key.sessions.end()) {
    stripe.ages.splice(stripe.ages.end(), stripe.ages, found->second->age);
    return *found->second;
  }
  // The new session goes in first: making room must not empty its key, which would be forgotten.
  auto session = std::make_unique<Session>(session_id);
  Session& made = *session;
  made.age = stripe.ages.insert(stripe.ages.end(), SessionName{key.auth_key_id, session_id});
  key.sessions.emplace(session_id, std::move(session));
  make_room(stripe, key);
  return made;
}

void SessionTable::make_room(Stripe& stripe, const KeyState& key) {
  if (stripe.ages.size() > sessions_per_stripe_) {
    const SessionName oldest = stripe.ages.front();
    forget(stripe, oldest.first, oldest.second);
  }
  if (key.sessions.size() <= kSessionsPerKey) return;
  for (const SessionName& name : stripe.ages) {
    if (name.first != key.auth_key_id) continue;
    const SessionName oldest = name;
    forget(stripe, oldest.first, oldest.second);
    return;
  }
}

void SessionTable::forget(Stripe& stripe, int64_t auth_key_id, int64_t session_id) {
  const auto key = stripe.keys.find(auth_key_id);
  if (key == stripe.keys.end()) return;
  const auto session = key->second->sessions.find(session_id);
  if (session == key->second->sessions.end()) return;
  stripe.ages.erase(session->second->age);
  key->second->sessions.erase(session);
  if (key->second->sessions.empty()) stripe.keys.erase(key);
}

size_t SessionTable::session_count() {
  size_t count = 0;
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    count += stripe.ages.size();
  }
  return count;
}

}  // namespace ringway::shard
