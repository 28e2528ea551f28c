// shard/recent_ids: which messages of a session have arrived, so that none is served twice.
//
// The last kShardRecentIdsMax msg_ids, in order. When the table is full its older half goes, and
// whatever is not above the last forgotten id counts as too old to tell. Client msg_ids are
// multiples of four, so the lowest bit is free to remember that an id was a container's.
//
// A plain value; its owner provides the locking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringway::shard {

class RecentIds {
 public:
  enum class Seen : uint8_t { kNew, kMessage, kContainer, kForgotten };

  [[nodiscard]] Seen look(int64_t msg_id) const noexcept;
  // Remembers an id that look() called new.
  void add(int64_t msg_id, bool container);

  [[nodiscard]] bool empty() const noexcept { return ids_.empty(); }
  // The highest id seen; 0 when there is none.
  [[nodiscard]] int64_t highest() const noexcept {
    return ids_.empty() ? 0 : ids_.back() & ~int64_t{1};
  }

 private:
  std::vector<int64_t> ids_;       // ascending
  int64_t forgotten_ = INT64_MIN;  // the highest id that was thrown away
};

}  // namespace ringway::shard
