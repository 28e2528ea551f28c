#include "shard/recent_ids.h"

#include <algorithm>

#include "base/limits.h"

namespace ringway::shard {
namespace {

constexpr int64_t kContainerBit = 1;

}  // namespace

RecentIds::Seen RecentIds::look(int64_t msg_id) const noexcept {
  if (ids_.empty() || msg_id > ids_.back()) return Seen::kNew;
  if (msg_id <= forgotten_) return Seen::kForgotten;
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), msg_id);
  if (found == ids_.end() || (*found & ~kContainerBit) != msg_id) return Seen::kNew;
  return (*found & kContainerBit) != 0 ? Seen::kContainer : Seen::kMessage;
}

void RecentIds::add(int64_t msg_id, bool container) {
  if (ids_.size() >= kShardRecentIdsMax) {
    const auto half = ids_.begin() + static_cast<ptrdiff_t>(ids_.size() / 2);
    forgotten_ = *(half - 1) & ~kContainerBit;
    ids_.erase(ids_.begin(), half);
  }
  const int64_t entry = container ? msg_id | kContainerBit : msg_id;
  if (ids_.empty() || entry > ids_.back()) {
    ids_.push_back(entry);
  } else {
    ids_.insert(std::lower_bound(ids_.begin(), ids_.end(), entry), entry);
  }
}

}  // namespace ringway::shard
