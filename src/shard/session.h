// shard/session: what the shard remembers of a client's key and of each session made with it.
//
// Plain values in one stripe of the session table (session_table.h); the stripe's lock guards them.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "shard/load_tally.h"
#include "shard/push_sink.h"
#include "shard/recent_ids.h"
#include "shard/salts.h"

namespace ringway::shard {

// An answer that the client has not acknowledged.
struct UnackedMessage {
  int64_t msg_id = 0;
  int64_t answered_msg_id = 0;  // the client's message; 0 for notices
  int32_t seq_no = 0;
  Bytes body;
};

struct Session {
  explicit Session(int64_t id) : session_id(id) {}

  int64_t session_id;
  int64_t unique_id = 0;  // of new_session_created; 0 until that was sent
  RecentIds recent_ids;
  // The highest content-related message and its number, for the rules on seq_no.
  int64_t content_msg_id = 0;
  int32_t content_seq_no = -1;
  int64_t last_server_msg_id = 0;
  int32_t server_content_count = 0;
  std::vector<UnackedMessage> unacked;  // oldest first
  size_t unacked_bytes = 0;
  int32_t layer = 0;         // 0 until the client told
  bool undelivered = false;  // a push failed: send what is unacknowledged again
  LoadTally load_tally;
  PushRoute route;
  std::vector<std::weak_ptr<Poll>> polls;                // the oldest first
  std::list<std::pair<int64_t, int64_t>>::iterator age;  // place in the stripe's order of last use
};

struct KeyState {
  KeyState(int64_t id, ByteView auth_key, const Salt& first_salt)
      : auth_key_id(id), salts(auth_key, first_salt) {}

  int64_t auth_key_id;
  Salts salts;
  int64_t expires_at = 0;  // unix seconds; 0 = never
  int32_t layer = 0;       // the last one told in any session; 0 until then
  std::unordered_map<int64_t, std::unique_ptr<Session>> sessions;
};

// The next id of a message from the server: the wall clock, rising strictly, 1 modulo 4 for answers
// to the client and 3 for everything else.
[[nodiscard]] int64_t next_server_msg_id(Session& session, Now now, bool answer) noexcept;
// The next seq_no: odd for content-related messages, which alone advance the count.
[[nodiscard]] int32_t next_server_seq_no(Session& session, bool content_related) noexcept;
// Keeps a message until it is acknowledged; the oldest ones go when there are too many.
void keep_unacked(Session& session, UnackedMessage message);
// Forgets an acknowledged message; false when it is not there.
bool drop_unacked(Session& session, int64_t msg_id);

}  // namespace ringway::shard
