// gateway/session_table: which connections carry which session, for the keys of one home worker.
//
// Owned by that worker's thread. A session is (auth_key_id, session_id). It begins with the first
// message on any connection and ends when the last connection that carried it goes; that decides
// conn_type and the close event. Session pointers are stable while at least one connection is
// attached.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "gateway/home.h"

namespace ringway::gateway {

struct SessionKey {
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  friend bool operator==(const SessionKey&, const SessionKey&) = default;
};

struct SessionKeyHash {
  size_t operator()(const SessionKey& key) const noexcept {
    return mix64(static_cast<uint64_t>(key.auth_key_id) ^
                 mix64(static_cast<uint64_t>(key.session_id)));
  }
};

struct Session {
  int32_t key_type = 0;
  int64_t perm_auth_key_id = 0;
  bool announced = false;  // a message with conn_type 1 has been taken over by a link
  // A bind with this claim has been, with conn_type 1, while the key spoke for nobody.
  int64_t claimed_perm_auth_key_id = 0;
  std::vector<ConnectionRef> connections;  // the most recently active last
};

class SessionTable {
 public:
  // The session, made if need be, with `connection` attached and marked the most recently active.
  Session& attach(const SessionKey& key, const ConnectionRef& connection);
  // Null when no connection carries the session.
  [[nodiscard]] Session* find(const SessionKey& key) noexcept;
  // Marks an attached connection as the most recently active one.
  static void touch(Session& session, const ConnectionRef& connection) noexcept;

  struct Detached {
    bool last = false;  // the session has ended with this; `session` is what it was
    Session session;
  };
  Detached detach(const SessionKey& key, const ConnectionRef& connection);

  [[nodiscard]] size_t size() const noexcept { return sessions_.size(); }

 private:
  std::unordered_map<SessionKey, Session, SessionKeyHash> sessions_;
};

}  // namespace ringway::gateway
