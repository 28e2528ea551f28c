// gateway/key_cache: the authorization keys that have their home on one worker.
//
// Owned by that worker's thread. An entry that a live connection uses is pinned and stays where it
// is; entries that nobody uses are kept in least-recently-used order up to a number, but for
// temporary keys without a binding: that may come by other ways while nobody looks. Pointers to an
// entry are good as long as the caller holds a pin on it. Keys are cleansed when they leave.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/counters.h"
#include "base/limits.h"
#include "base/secret.h"
#include "cluster/dispatcher.h"
#include "gateway/binding.h"
#include "gateway/home.h"
#include "net/timing_wheel.h"

namespace ringway::gateway {

struct KeyEntry {
  cluster::AuthKeyRecord record;
  int64_t expires_at_s = 0;          // unix seconds; 0: does not expire
  bool revoked = false;              // the shard no longer knows it: no further use
  std::vector<ConnectionRef> users;  // one per pin
  int64_t recheck_ns = INT64_MAX;    // of a bound temporary key: from then on a use asks again
  int64_t rebind_msg_id = 0;         // of a call that may change a binding; its answer asks again
  std::unique_ptr<Binding> binding;  // while the binding is in question
  uint32_t timer = UINT32_MAX;       // the cache's

  [[nodiscard]] bool usable(int64_t unix_s) const noexcept { return !revoked && !expired(unix_s); }
  [[nodiscard]] bool expired(int64_t unix_s) const noexcept {
    return expires_at_s != 0 && unix_s >= expires_at_s;
  }
  // A temporary key that speaks for nobody.
  [[nodiscard]] bool unbound() const noexcept {
    return record.key_type != 0 && record.perm_auth_key_id == 0;
  }
};

class KeyCache {
 public:
  // At least one entry.
  KeyCache(size_t entries_max, CounterBlock& counters);
  KeyCache(const KeyCache&) = delete;
  KeyCache& operator=(const KeyCache&) = delete;

  // The usable entry of a key, or null. Not a pin: valid until the next call.
  [[nodiscard]] KeyEntry* find(int64_t auth_key_id, int64_t unix_s);
  // The entry of a key whatever its state, or null; the same.
  [[nodiscard]] KeyEntry* at(int64_t auth_key_id) noexcept;
  // Adds or replaces what is known of a key. A replaced entry keeps its users and its address, and,
  // where `expires_at_s` is 0 (a shard does not tell it), an expiry that has not passed.
  KeyEntry& insert(const cluster::AuthKeyRecord& record, int64_t expires_at_s, int64_t unix_s);
  // Takes an unpinned entry out at once; a pinned one is marked revoked and leaves with its last
  // pin.
  void revoke(int64_t auth_key_id);

  void pin(KeyEntry& entry, const ConnectionRef& user);
  void unpin(KeyEntry& entry, const ConnectionRef& user);

  // Sets or moves the one time at which run_timers() hands the entry to its owner;
  // net::kNoDeadline: none. It goes with the entry.
  void set_timer(KeyEntry& entry, int64_t deadline_ns, int64_t now_ns);
  // Calls due(entry) for each entry whose time has come, a bounded number per call; due() may set
  // the entry's timer again and revoke() it.
  template <typename Due>
  void run_timers(int64_t now_ns, Due&& due) {
    if (!wheel_) return;
    wheel_->advance(now_ns, kExpirePerTurnMax, [&](uint32_t id) { due(*timed_[id]); });
  }
  [[nodiscard]] int64_t next_timer_ns() const noexcept {
    return wheel_ ? wheel_->next_event_ns() : net::kNoDeadline;
  }

  // "The shard says there is no such key", remembered for kNegativeKeyCacheNs.
  void remember_unknown(int64_t auth_key_id, int64_t now_ns);
  [[nodiscard]] bool known_unknown(int64_t auth_key_id, int64_t now_ns);

  [[nodiscard]] size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] size_t pinned() const noexcept { return entries_.size() - idle_.size(); }

 private:
  struct Node {
    KeyEntry entry;
    std::list<int64_t>::iterator place;  // in idle_, valid while unpinned
  };
  using Entries = std::unordered_map<int64_t, std::unique_ptr<Node>>;
  void erase(Entries::iterator node);  // an unpinned one is in idle_ no more
  void trim();

  const size_t entries_max_;
  CounterBlock& counters_;
  Entries entries_;
  std::list<int64_t> idle_;  // unpinned, least recently used first
  std::unordered_map<int64_t, int64_t> unknown_until_ns_;
  std::optional<net::TimingWheel> wheel_;  // from the first timer on
  std::vector<KeyEntry*> timed_;           // by timer
  std::vector<uint32_t> free_timers_;
};

}  // namespace ringway::gateway
