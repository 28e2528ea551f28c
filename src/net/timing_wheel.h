// net/timing_wheel: one deadline for each of many small ids, in constant time.
//
// A hierarchical wheel of four levels with 64 buckets each. A tick is 2^24 ns (about 17 ms), so the
// levels reach 1 s, 69 s, 73 min and 78 h; a later deadline waits in the last bucket and is placed
// again when its turn comes. A deadline never fires early, and at most one tick late. Ids are
// indices of a table that the owner keeps; the wheel grows to the largest one (16 bytes each). One
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringway::net {

inline constexpr int kWheelTickShift = 24;
inline constexpr int64_t kWheelTickNs = int64_t{1} << kWheelTickShift;
inline constexpr int64_t kNoDeadline = INT64_MAX;

class TimingWheel {
 public:
  explicit TimingWheel(int64_t now_ns);

  // Sets or moves the deadline of `id`.
  void set(uint32_t id, int64_t deadline_ns);
  // Does nothing when `id` has no deadline.
  void cancel(uint32_t id) noexcept;
  [[nodiscard]] bool is_set(uint32_t id) const noexcept;

  // Moves time to `now_ns` and calls due(id) for every id that came due; it is no longer set then,
  // and due() may set and cancel ids. At most `work_max` steps (an id that is due, or moved to a
  // finer bucket): what is left is taken up by the next call, which next_event_ns() then asks for
  // at once.
  template <typename Due>
  void advance(int64_t now_ns, size_t work_max, Due&& due) {
    begin_advance(now_ns);
    for (uint32_t id = 0; work_max > 0 && next_due(work_max, id);) due(id);
  }

  // When advance() has something to do next: never later than the earliest deadline (rounded up to
  // a tick), possibly earlier, when a bucket has to be spread. kNoDeadline when nothing is set.
  [[nodiscard]] int64_t next_event_ns() const noexcept;
  [[nodiscard]] size_t size() const noexcept { return size_; }

 private:
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr int kLevels = 4;
  static constexpr int kLevelBits = 6;
  static constexpr int kBuckets = 1 << kLevelBits;
  static constexpr uint16_t kUnlinked = UINT16_MAX;

  struct Node {
    uint32_t next = kNil;
    uint32_t previous = kNil;
    uint32_t tick = 0;  // the low half of the deadline's tick
    uint16_t bucket = kUnlinked;
  };

  void begin_advance(int64_t now_ns) noexcept;
  bool next_due(size_t& work_left, uint32_t& id) noexcept;
  [[nodiscard]] uint64_t next_event_tick() const noexcept;
  [[nodiscard]] uint16_t current_bucket(int level) const noexcept;
  [[nodiscard]] int level_at_hand() const noexcept;
  void place(uint32_t id) noexcept;
  void link(uint32_t id, uint16_t bucket) noexcept;
  void unlink(uint32_t id) noexcept;
  [[nodiscard]] uint64_t full_tick(uint32_t low) const noexcept;

  uint64_t current_tick_;
  uint64_t target_tick_;
  size_t size_ = 0;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<uint32_t, kLevels * kBuckets> heads_;
  std::vector<Node> nodes_;
};

}  // namespace ringway::net
