// client/received_ids: which of the server's messages a session has had.
//
// Pure. The newest kClientReceivedIdsMax msg_ids are remembered, each with a mark of the frame that
// brought it. A message that comes again in another frame was sent again by the server, which waits
// for an acknowledgement; one that comes again in the very same frame was replayed by somebody.
#pragma once

#include <algorithm>
#include <deque>

#include "base/limits.h"

namespace ringway::client {

class ReceivedIds {
 public:
  enum class Verdict : uint8_t { kNew, kRepeated, kReplayed, kTooOld };

  Verdict note(int64_t msg_id, uint64_t frame_mark) {
    const auto at = find(msg_id);
    if (at != ids_.end() && at->msg_id == msg_id) {
      return at->frame_mark == frame_mark ? Verdict::kReplayed : Verdict::kRepeated;
    }
    if (ids_.size() >= kClientReceivedIdsMax) {
      if (at == ids_.begin()) return Verdict::kTooOld;
      ids_.insert(at, {msg_id, frame_mark});
      ids_.pop_front();
      return Verdict::kNew;
    }
    ids_.insert(at, {msg_id, frame_mark});
    return Verdict::kNew;
  }

  [[nodiscard]] bool contains(int64_t msg_id) const {
    const auto at = find(msg_id);
    return at != ids_.end() && at->msg_id == msg_id;
  }

  // What msgs_state_info says of a message of the server's: 4 received, 1 too old to know, 2 not
  // received, 3 not received and later than all that were.
  [[nodiscard]] uint8_t state_of(int64_t msg_id) const {
    const auto at = find(msg_id);
    if (at == ids_.end()) return 3;
    if (at->msg_id == msg_id) return 4;
    return at == ids_.begin() && ids_.size() >= kClientReceivedIdsMax ? 1 : 2;
  }

  void clear() noexcept { ids_.clear(); }

 private:
  struct Entry {
    int64_t msg_id = 0;
    uint64_t frame_mark = 0;
  };
  [[nodiscard]] std::deque<Entry>::const_iterator find(int64_t msg_id) const {
    // Nearly every message is the newest one.
    if (!ids_.empty() && ids_.back().msg_id < msg_id) return ids_.end();
    return std::lower_bound(
        ids_.begin(), ids_.end(), msg_id,
        [](const Entry& entry, int64_t wanted) { return entry.msg_id < wanted; });
  }

  std::deque<Entry> ids_;  // ascending
};

}  // namespace ringway::client
