// shard/messenger/password_checks: who has shown a right code and still owes a password.
//
// Per key: the user it would sign in as, and the secret b of the challenge it was last given, which
// serves for one try. Wrong passwords are counted per user: after kMessengerPasswordTriesMax there
// is a pause. In memory alone. One caller at a time: the messenger's lock guards it.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/bytes.h"
#include "base/secret.h"
#include "shard/messenger/counts.h"
#include "shard/messenger/records.h"

namespace ringway::shard::messenger {

class PasswordChecks {
 public:
  // `counts` outlives it.
  explicit PasswordChecks(Counts& counts) : counts_(counts) {}

  // This key's client showed the code of `user_id`. The oldest key goes when there are too many.
  void expect(int64_t auth_key_id, int64_t user_id);
  // 0: nothing is owed with this key.
  [[nodiscard]] int64_t expected(int64_t auth_key_id) const;
  void forget(int64_t auth_key_id);

  struct Challenge {
    int64_t srp_id = 0;
    crypto::SrpNumber value{};  // B
  };
  // The key must be expected().
  [[nodiscard]] Challenge challenge(int64_t auth_key_id, const Password& password);

  enum class Verdict : uint8_t { kRight, kWrong, kUnknownId, kFlood };
  [[nodiscard]] Verdict check(int64_t auth_key_id, const Password& password, int64_t srp_id,
                              ByteView client_value, ByteView proof, int64_t unix_seconds);

 private:
  Counts& counts_;
  struct Entry {
    int64_t user_id = 0;
    int64_t srp_id = 0;  // 0: no challenge is open
    Secret<256> secret;  // b
    std::list<int64_t>::iterator age;
  };
  struct Tries {
    int wrong = 0;
    int64_t pause_until = 0;  // unix seconds
  };

  std::unordered_map<int64_t, Entry> entries_;  // by key
  std::list<int64_t> ages_;                     // keys, the oldest first
  std::unordered_map<int64_t, Tries> tries_;    // by user, of whom there are few
};

}  // namespace ringway::shard::messenger
