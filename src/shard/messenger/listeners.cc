#include "shard/messenger/listeners.h"

#include <algorithm>

#include "base/limits.h"

namespace ringway::shard::messenger {

void Listeners::add(int64_t user_id, const Listener& listener) {
  auto& all = by_user_[user_id];
  const auto found = std::find_if(all.begin(), all.end(), [&](const Listener& one) {
    return one.auth_key_id == listener.auth_key_id && one.session_id == listener.session_id;
  });
  if (found != all.end()) {
    *found = listener;
    return;
  }
  if (all.size() >= kMessengerSessionsPerUserMax) {
    ++counts_.sessions_displaced;
    all.erase(all.begin());
  }
  all.push_back(listener);
}

void Listeners::drop_key(int64_t user_id, int64_t perm_auth_key_id) {
  const auto found = by_user_.find(user_id);
  if (found == by_user_.end()) return;
  std::erase_if(found->second, [perm_auth_key_id](const Listener& one) {
    return one.perm_auth_key_id == perm_auth_key_id;
  });
}

void Listeners::drop_session(int64_t auth_key_id, int64_t session_id) {
  for (auto& [user_id, all] : by_user_) {
    std::erase_if(all, [&](const Listener& one) {
      return one.auth_key_id == auth_key_id && one.session_id == session_id;
    });
  }
}

std::span<const Listener> Listeners::of(int64_t user_id) const {
  const auto found = by_user_.find(user_id);
  if (found == by_user_.end()) return {};
  return found->second;
}

}  // namespace ringway::shard::messenger
