#include "shard/messenger/counts.h"

#include <fmt/format.h>

namespace ringway::shard::messenger {

std::string to_text(const Counts& counts) {
  return fmt::format(
      "users_refused={} keys_refused={} messages_forgotten={} changes_not_stored={} "
      "sessions_displaced={} code_waits={} password_waits={} passwords_displaced={} "
      "requests_too_large={} requests_unreadable={}",
      counts.users_refused, counts.keys_refused, counts.messages_forgotten,
      counts.changes_not_stored, counts.sessions_displaced, counts.code_waits,
      counts.password_waits, counts.passwords_displaced, counts.requests_too_large,
      counts.requests_unreadable);
}

}  // namespace ringway::shard::messenger
