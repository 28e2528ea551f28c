// gateway/binding: what a worker knows of a temporary key's binding while that is in question.
//
//     unbound --bind given to a shard--> pending --the shard confirms--> bound
//        ^                                  |
//        +--refused, timed out, no users----+
//
// A temporary key speaks for nobody until the session service itself says for whom: a client's
// claim routes the one message that makes it, auth.bindTempAuthKey, and nothing else. Plain data of
// a KeyEntry, owned by the key's home worker; Flow holds the logic (flow_bind.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/push.h"
#include "gateway/home.h"

namespace ringway::gateway {

// A bind that a shard has been given. One per key at a time.
struct PendingBind {
  ConnectionRef from;
  int64_t salt = 0;
  int64_t session_id = 0;
  int64_t msg_id = 0;
  int64_t claimed_perm_auth_key_id = 0;
  int32_t expires_at_s = 0;  // of the key, as claimed; unix seconds
  int64_t deadline_ns = 0;   // confirmed by then, or given up
  bool answered = false;     // the shard has answered the call
  // What may only be delivered once the key is bound. Bounded by kBindPushes*.
  std::vector<cluster::PushRequest> pushes;
  size_t push_bytes = 0;
};

struct Binding {
  bool asking = false;     // the shard is being asked for the key
  bool ask_again = false;  // something happened since it was
  int64_t asked_ns = INT64_MIN / 2;
  int64_t unbound_ns = INT64_MIN / 2;  // when the shard last said that there is no binding
  int64_t retry_ns = INT64_MAX;        // ask again then: the shard could not be asked
  std::optional<PendingBind> bind;
  std::vector<ConnectionRef> waiting;  // inlets whose next message needs to know
};

}  // namespace ringway::gateway
