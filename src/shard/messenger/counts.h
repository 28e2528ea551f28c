// shard/messenger/counts: how often a limit of the messenger struck.
//
// Plain values, counted where the limits are; the messenger's lock guards them.
#pragma once

#include <cstdint>
#include <string>

namespace ringway::shard::messenger {

struct Counts {
  uint64_t users_refused = 0;        // kMessengerUsersMax are there
  uint64_t keys_refused = 0;         // kMessengerAuthorizationsMax are signed in
  uint64_t messages_forgotten = 0;   // a box had no room for an older one
  uint64_t changes_not_stored = 0;   // the file is full, or cannot be written
  uint64_t sessions_displaced = 0;   // a user's updates go to later ones
  uint64_t code_waits = 0;           // too many codes, or one asked for or tried too often
  uint64_t password_waits = 0;       // tried too often
  uint64_t passwords_displaced = 0;  // who owed one: too many do
  uint64_t requests_too_large = 0;   // texts, names and lists
  uint64_t requests_unreadable = 0;  // no query of the layer, or beyond what one may hold
};

// "users_refused=0 keys_refused=0 ...", all of them.
[[nodiscard]] std::string to_text(const Counts& counts);

}  // namespace ringway::shard::messenger
