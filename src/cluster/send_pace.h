// cluster/send_pace: how much may be on its way to a shard at once, and how old it is.
//
// What waits for its acknowledgement for longer than Session.Timeout, counted from when it was sent
// on this connection, makes a link count as hung. A shard that is merely slow must not get there by
// having a deep queue written to it at once: a SendPace lets less be on its way while answers are
// late, and more when they come soon. It belongs to a link and outlives its wires, so a slow shard
// is not flooded again after each connection.
//
// One worker owns these; times are monotonic nanoseconds.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ringway::cluster {

class SendPace {
 public:
  static constexpr size_t kStart = 1024;
  static constexpr size_t kLeast = 16;

  SendPace(size_t most, int64_t timeout_ns) noexcept
      : timeout_ns_(timeout_ns), most_(std::max(most, kLeast)), limit_(std::min(kStart, most_)) {}

  // Messages that may be on their way.
  [[nodiscard]] size_t limit() const noexcept { return limit_; }
  // What was sent so long ago has been answered.
  void answered(int64_t age_ns, int64_t now_ns) noexcept {
    // Either way once for all that is on its way: what it has done shows only afterwards.
    if (age_ns < timeout_ns_ / 8 && now_ns - grown_ns_ >= timeout_ns_ / 8) {
      grown_ns_ = now_ns;
      limit_ = std::min(most_, limit_ * 2);
    } else if (age_ns > timeout_ns_ / 4 && now_ns - slowed_ns_ >= timeout_ns_ / 4) {
      slow_down(now_ns);
    }
  }
  // The link counts as hung.
  void stalled(int64_t now_ns) noexcept { slow_down(now_ns); }

 private:
  void slow_down(int64_t now_ns) noexcept {
    slowed_ns_ = now_ns;
    limit_ = std::max(kLeast, limit_ / 2);
  }

  int64_t timeout_ns_;
  size_t most_;
  size_t limit_;
  int64_t grown_ns_ = 0;
  int64_t slowed_ns_ = 0;
};

// When items that are acknowledged in the order of their sequence were sent, in slices of a
// sixteenth of the timeout: an item counts as sent when the last one of its slice was, so it is
// found late by at most that much, and never too soon.
class SendAges {
 public:
  explicit SendAges(int64_t timeout_ns) noexcept : slice_ns_(timeout_ns / 16) {}

  // All up to this sequence have been sent now.
  void sent(uint64_t sequence, int64_t now_ns) noexcept {
    if (count_ > 0 && (now_ns - last().begin_ns < slice_ns_ || count_ == slices_.size())) {
      last().sequence = sequence;
      last().sent_ns = now_ns;
      return;
    }
    ++count_;
    last() = {sequence, now_ns, now_ns};
  }
  // All up to this sequence, and at least one of them for the first time, have been acknowledged:
  // when the newest of them was sent.
  int64_t acknowledged(uint64_t sequence) noexcept {
    int64_t newest_ns = count_ > 0 ? oldest_ns() : 0;
    while (count_ > 0 && slices_[first_].sequence <= sequence) {
      newest_ns = oldest_ns();
      first_ = (first_ + 1) % slices_.size();
      --count_;
    }
    return newest_ns;
  }
  // Of what has not been acknowledged; only while there is something.
  [[nodiscard]] int64_t oldest_ns() const noexcept { return slices_[first_].sent_ns; }

 private:
  struct Slice {
    uint64_t sequence = 0;  // the last one in it
    int64_t begin_ns = 0;
    int64_t sent_ns = 0;  // of the last one
  };
  [[nodiscard]] Slice& last() noexcept { return slices_[(first_ + count_ - 1) % slices_.size()]; }

  int64_t slice_ns_;
  // More than a link can need before its oldest item has run out of time.
  std::array<Slice, 32> slices_;
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace ringway::cluster
