#include "gateway/key_cache.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"

namespace ringway::gateway {

KeyCache::KeyCache(size_t entries_max, CounterBlock& counters)
    : entries_max_(std::max<size_t>(entries_max, 1)), counters_(counters) {}

KeyEntry* KeyCache::find(int64_t auth_key_id, int64_t unix_s) {
  const auto found = entries_.find(auth_key_id);
  if (found == entries_.end()) return nullptr;
  KeyEntry& entry = found->second->entry;
  if (!entry.usable(unix_s)) {
    // A pinned one stays for its users, and for the shard to say whether it is good after all.
    if (entry.users.empty()) revoke(auth_key_id);
    return nullptr;
  }
  if (entry.users.empty()) idle_.splice(idle_.end(), idle_, found->second->place);
  return &entry;
}

KeyEntry* KeyCache::at(int64_t auth_key_id) noexcept {
  const auto found = entries_.find(auth_key_id);
  return found == entries_.end() ? nullptr : &found->second->entry;
}

KeyEntry& KeyCache::insert(const cluster::AuthKeyRecord& record, int64_t expires_at_s,
                           int64_t unix_s) {
  unknown_until_ns_.erase(record.auth_key_id);
  auto& node = entries_[record.auth_key_id];
  if (node == nullptr) {
    node = std::make_unique<Node>();
    node->place = idle_.insert(idle_.end(), record.auth_key_id);
  }
  KeyEntry& entry = node->entry;
  entry.record = record;
  if (expires_at_s != 0 || !entry.usable(unix_s)) entry.expires_at_s = expires_at_s;
  entry.revoked = false;
  trim();
  return entry;
}

void KeyCache::revoke(int64_t auth_key_id) {
  const auto found = entries_.find(auth_key_id);
  if (found == entries_.end()) return;
  found->second->entry.revoked = true;
  if (!found->second->entry.users.empty()) return;
  idle_.erase(found->second->place);
  erase(found);
}

void KeyCache::erase(Entries::iterator node) {
  if (const uint32_t timer = node->second->entry.timer; timer != UINT32_MAX) {
    wheel_->cancel(timer);
    timed_[timer] = nullptr;
    free_timers_.push_back(timer);
  }
  entries_.erase(node);
}

void KeyCache::set_timer(KeyEntry& entry, int64_t deadline_ns, int64_t now_ns) {
  if (deadline_ns == net::kNoDeadline) {
    if (entry.timer != UINT32_MAX) wheel_->cancel(entry.timer);
    return;
  }
  if (!wheel_) wheel_.emplace(now_ns);
  if (entry.timer == UINT32_MAX) {
    if (free_timers_.empty()) {
      free_timers_.push_back(static_cast<uint32_t>(timed_.size()));
      timed_.push_back(nullptr);
    }
    entry.timer = free_timers_.back();
    free_timers_.pop_back();
    timed_[entry.timer] = &entry;
  }
  wheel_->set(entry.timer, deadline_ns);
}

void KeyCache::pin(KeyEntry& entry, const ConnectionRef& user) {
  if (entry.users.empty()) {
    const auto found = entries_.find(entry.record.auth_key_id);
    RW_ASSERT(found != entries_.end());
    idle_.erase(found->second->place);
  }
  entry.users.push_back(user);
}

void KeyCache::unpin(KeyEntry& entry, const ConnectionRef& user) {
  const auto place = std::find(entry.users.begin(), entry.users.end(), user);
  RW_ASSERT(place != entry.users.end());
  *place = entry.users.back();
  entry.users.pop_back();
  if (!entry.users.empty()) return;
  const auto found = entries_.find(entry.record.auth_key_id);
  RW_ASSERT(found != entries_.end());
  if (entry.revoked || entry.unbound()) {
    erase(found);
    return;
  }
  found->second->place = idle_.insert(idle_.end(), entry.record.auth_key_id);
  trim();
}

// The newest idle entry is spared: the caller of insert() still holds a reference to it.
void KeyCache::trim() {
  while (entries_.size() > entries_max_ && idle_.size() > 1) {
    const auto oldest = entries_.find(idle_.front());
    idle_.pop_front();
    erase(oldest);
    counters_.add(Counter::kKeyCacheEvictions);
  }
}

void KeyCache::remember_unknown(int64_t auth_key_id, int64_t now_ns) {
  if (unknown_until_ns_.size() >= kUnknownKeysRemembered) {
    std::erase_if(unknown_until_ns_, [&](const auto& item) { return item.second <= now_ns; });
    if (unknown_until_ns_.size() >= kUnknownKeysRemembered) return;
  }
  unknown_until_ns_[auth_key_id] = now_ns + kNegativeKeyCacheNs;
}

bool KeyCache::known_unknown(int64_t auth_key_id, int64_t now_ns) {
  const auto found = unknown_until_ns_.find(auth_key_id);
  if (found == unknown_until_ns_.end()) return false;
  if (now_ns < found->second) return true;
  unknown_until_ns_.erase(found);
  return false;
}

}  // namespace ringway::gateway
