#include "shard/messenger/password_checks.h"

#include "base/assert.h"
#include "base/limits.h"
#include "crypto/random.h"

namespace ringway::shard::messenger {

void PasswordChecks::expect(int64_t auth_key_id, int64_t user_id) {
  forget(auth_key_id);
  if (entries_.size() >= kMessengerPasswordChecksMax) {
    ++counts_.passwords_displaced;
    forget(ages_.front());
  }
  Entry entry;
  entry.user_id = user_id;
  entry.age = ages_.insert(ages_.end(), auth_key_id);
  entries_.emplace(auth_key_id, entry);
}

int64_t PasswordChecks::expected(int64_t auth_key_id) const {
  const auto found = entries_.find(auth_key_id);
  return found == entries_.end() ? 0 : found->second.user_id;
}

void PasswordChecks::forget(int64_t auth_key_id) {
  const auto found = entries_.find(auth_key_id);
  if (found == entries_.end()) return;
  ages_.erase(found->second.age);
  entries_.erase(found);
}

PasswordChecks::Challenge PasswordChecks::challenge(int64_t auth_key_id, const Password& password) {
  const auto found = entries_.find(auth_key_id);
  RW_ASSERT(found != entries_.end());
  Entry& entry = found->second;
  crypto::random_bytes(entry.secret.span());
  uint8_t raw[sizeof entry.srp_id];
  do {
    crypto::random_bytes(raw);
    entry.srp_id = load_le<int64_t>(raw);
  } while (entry.srp_id == 0);
  return {entry.srp_id, crypto::srp_challenge(password.verifier, entry.secret.view())};
}

PasswordChecks::Verdict PasswordChecks::check(int64_t auth_key_id, const Password& password,
                                              int64_t srp_id, ByteView client_value, ByteView proof,
                                              int64_t unix_seconds) {
  const auto found = entries_.find(auth_key_id);
  if (found == entries_.end()) return Verdict::kUnknownId;
  Entry& entry = found->second;
  Tries& tries = tries_[entry.user_id];
  if (tries.pause_until > unix_seconds) {
    ++counts_.password_waits;
    return Verdict::kFlood;
  }
  if (entry.srp_id == 0 || entry.srp_id != srp_id) return Verdict::kUnknownId;
  entry.srp_id = 0;
  const auto expected =
      crypto::srp_proof(password.verifier, password.salts(), entry.secret.view(), client_value);
  if (expected.ok() && equal_constant_time(*expected, proof)) {
    tries_.erase(entry.user_id);
    return Verdict::kRight;
  }
  if (++tries.wrong >= kMessengerPasswordTriesMax) {
    tries = {0, unix_seconds + kMessengerPasswordPauseSeconds};
  }
  return Verdict::kWrong;
}

}  // namespace ringway::shard::messenger
