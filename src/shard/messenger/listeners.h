// shard/messenger/listeners: the sessions that a user's updates go to, and the updates that wait to
// be pushed. One caller at a time: the messenger's lock guards it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "shard/messenger/counts.h"

namespace ringway::shard::messenger {

// A session that spoke under a signed-in key.
struct Listener {
  int64_t auth_key_id = 0;       // the one it speaks under, perhaps a temporary one
  int64_t perm_auth_key_id = 0;  // the one that is signed in
  int64_t session_id = 0;
  int32_t layer = 0;
};

class Listeners {
 public:
  // `counts` outlives it.
  explicit Listeners(Counts& counts) : counts_(counts) {}

  // Adds a session, or notes its layer. A user's oldest one goes when there are too many.
  void add(int64_t user_id, const Listener& listener);
  void drop_key(int64_t user_id, int64_t perm_auth_key_id);
  void drop_session(int64_t auth_key_id, int64_t session_id);
  [[nodiscard]] std::span<const Listener> of(int64_t user_id) const;

 private:
  Counts& counts_;
  std::unordered_map<int64_t, std::vector<Listener>> by_user_;  // the oldest first
};

// An update on its way: one TL object.
struct Push {
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  Bytes body;
};

}  // namespace ringway::shard::messenger
