#include "net/timing_wheel.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace ringway::net {
namespace {

// How it works: a bucket of level n holds the deadlines that differ from the current tick first in
// the n-th group of six bits, so each level uses only buckets ahead of its current position. When
// time enters a bucket it stays where it is and is worked off from there, one id per step: in level
// 0 its ids are due, in the others each is placed again, in a lower level.

// The furthest that a deadline is told apart; later ones are placed again when this time has come.
constexpr uint64_t kHorizonTicks = uint64_t{1} << 30;

uint64_t tick_reached(int64_t now_ns) noexcept {
  return static_cast<uint64_t>(std::max<int64_t>(now_ns, 0)) >> kWheelTickShift;
}

// The first tick at which `deadline_ns` has passed.
uint64_t tick_after(int64_t deadline_ns) noexcept {
  const auto deadline = static_cast<uint64_t>(std::max<int64_t>(deadline_ns, 0));
  return (deadline >> kWheelTickShift) + ((deadline & (kWheelTickNs - 1)) != 0 ? 1 : 0);
}

}  // namespace

TimingWheel::TimingWheel(int64_t now_ns)
    : current_tick_(tick_reached(now_ns)), target_tick_(current_tick_) {
  heads_.fill(kNil);
}

void TimingWheel::set(uint32_t id, int64_t deadline_ns) {
  if (id >= nodes_.size()) nodes_.resize(id + 1);
  if (nodes_[id].bucket != kUnlinked) {
    unlink(id);
  } else {
    ++size_;
  }
  const uint64_t tick =
      std::clamp(tick_after(deadline_ns), current_tick_ + 1, current_tick_ + kHorizonTicks);
  nodes_[id].tick = static_cast<uint32_t>(tick);
  place(id);
}

void TimingWheel::cancel(uint32_t id) noexcept {
  if (!is_set(id)) return;
  unlink(id);
  --size_;
}

bool TimingWheel::is_set(uint32_t id) const noexcept {
  return id < nodes_.size() && nodes_[id].bucket != kUnlinked;
}

int64_t TimingWheel::next_event_ns() const noexcept {
  if (level_at_hand() < kLevels) return static_cast<int64_t>(current_tick_ << kWheelTickShift);
  const uint64_t tick = next_event_tick();
  return tick == UINT64_MAX ? kNoDeadline : static_cast<int64_t>(tick << kWheelTickShift);
}

void TimingWheel::begin_advance(int64_t now_ns) noexcept {
  target_tick_ = std::max(target_tick_, tick_reached(now_ns));
}

bool TimingWheel::next_due(size_t& work_left, uint32_t& id) noexcept {
  for (; work_left > 0; --work_left) {
    if (const int level = level_at_hand(); level < kLevels) {
      const uint32_t first = heads_[current_bucket(level)];
      unlink(first);
      if (level == 0) {
        --size_;
        --work_left;
        id = first;
        return true;
      }
      place(first);
      continue;
    }
    const uint64_t tick = next_event_tick();
    if (tick > target_tick_) {
      // No bucket is entered between here and there.
      current_tick_ = std::max(current_tick_, target_tick_);
      return false;
    }
    current_tick_ = tick;
  }
  return false;
}

// The lowest level whose current bucket has ids to work off; kLevels when there is none.
int TimingWheel::level_at_hand() const noexcept {
  int level = 0;
  while (level < kLevels && heads_[current_bucket(level)] == kNil) ++level;
  return level;
}

uint16_t TimingWheel::current_bucket(int level) const noexcept {
  const uint64_t position = (current_tick_ >> (level * kLevelBits)) & (kBuckets - 1);
  return static_cast<uint16_t>(static_cast<uint64_t>(level) * kBuckets + position);
}

// When time enters the next bucket. Buckets of a lower level come before those of a higher one.
uint64_t TimingWheel::next_event_tick() const noexcept {
  for (int level = 0; level < kLevels; ++level) {
    const int shift = level * kLevelBits;
    const auto position = static_cast<int>((current_tick_ >> shift) & (kBuckets - 1));
    const uint64_t occupied = occupied_[static_cast<size_t>(level)];
    const uint64_t ahead =
        position == kBuckets - 1 ? 0 : occupied & (~uint64_t{0} << (position + 1));
    const uint64_t round = (current_tick_ >> (shift + kLevelBits)) << (shift + kLevelBits);
    if (ahead != 0) return round + (static_cast<uint64_t>(std::countr_zero(ahead)) << shift);
    if (level == kLevels - 1 && occupied != 0) {
      // Only the last level wraps: what is not ahead belongs to its next round.
      return round + (uint64_t{1} << (shift + kLevelBits)) +
             (static_cast<uint64_t>(std::countr_zero(occupied)) << shift);
    }
  }
  return UINT64_MAX;
}

void TimingWheel::place(uint32_t id) noexcept {
  const uint64_t tick = std::max(full_tick(nodes_[id].tick), current_tick_);
  int level = 0;
  while (level < kLevels - 1 &&
         (tick >> ((level + 1) * kLevelBits)) != (current_tick_ >> ((level + 1) * kLevelBits))) {
    ++level;
  }
  const int shift = level * kLevelBits;
  // Beyond the last level's reach: the bucket just behind the position, entered last.
  const uint64_t reach = (current_tick_ >> shift) + kBuckets - 1;
  const uint64_t position = std::min(tick >> shift, reach) & (kBuckets - 1);
  link(id, static_cast<uint16_t>(static_cast<uint64_t>(level) * kBuckets + position));
}

void TimingWheel::link(uint32_t id, uint16_t bucket) noexcept {
  Node& node = nodes_[id];
  node.bucket = bucket;
  node.previous = kNil;
  node.next = heads_[bucket];
  if (node.next != kNil) nodes_[node.next].previous = id;
  heads_[bucket] = id;
  occupied_[bucket >> kLevelBits] |= uint64_t{1} << (bucket & (kBuckets - 1));
}

void TimingWheel::unlink(uint32_t id) noexcept {
  Node& node = nodes_[id];
  RW_ASSERT(node.bucket != kUnlinked);
  if (node.previous != kNil) {
    nodes_[node.previous].next = node.next;
  } else {
    heads_[node.bucket] = node.next;
    if (node.next == kNil) {
      occupied_[node.bucket >> kLevelBits] &= ~(uint64_t{1} << (node.bucket & (kBuckets - 1)));
    }
  }
  if (node.next != kNil) nodes_[node.next].previous = node.previous;
  node.bucket = kUnlinked;
}

uint64_t TimingWheel::full_tick(uint32_t low) const noexcept {
  return current_tick_ + static_cast<uint64_t>(static_cast<int64_t>(
                             static_cast<int32_t>(low - static_cast<uint32_t>(current_tick_))));
}

}  // namespace ringway::net
