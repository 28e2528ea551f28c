// gateway/key_cache: the authorization keys that have their home on one worker.
//
// Owned by that worker's thread. An entry that a live connection uses is pinned and stays where it
// is; entries that nobody uses are kept in least-recently-used order up to a number. Pointers
// to an entry are good as long as the caller holds a pin on it. Keys are cleansed when they leave.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/counters.h"
#include "base/secret.h"
#include "cluster/dispatcher.h"
#include "gateway/home.h"

namespace ringway::gateway {

struct KeyEntry {
  cluster::AuthKeyRecord record;
  int64_t expires_at_s = 0;          // unix seconds; 0: does not expire
  bool revoked = false;              // the shard no longer knows it: no further use
  std::vector<ConnectionRef> users;  // one per pin

  [[nodiscard]] bool usable(int64_t unix_s) const noexcept {
    return !revoked && (expires_at_s == 0 || unix_s < expires_at_s);
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
  // Adds or replaces what is known of a key. A replaced entry keeps its users and its address, and,
  // where `expires_at_s` is 0 (a shard does not tell it), an expiry that has not passed.
  KeyEntry& insert(const cluster::AuthKeyRecord& record, int64_t expires_at_s, int64_t unix_s);
  // Takes an unpinned entry out at once; a pinned one is marked revoked and leaves with its last
  // pin.
  void revoke(int64_t auth_key_id);

  void pin(KeyEntry& entry, const ConnectionRef& user);
  void unpin(KeyEntry& entry, const ConnectionRef& user);

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
  void trim();

  const size_t entries_max_;
  CounterBlock& counters_;
  std::unordered_map<int64_t, std::unique_ptr<Node>> entries_;
  std::list<int64_t> idle_;  // unpinned, least recently used first
  std::unordered_map<int64_t, int64_t> unknown_until_ns_;
};

}  // namespace ringway::gateway
