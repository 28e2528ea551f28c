// base/clock: the two clocks. They are read once per turn and handed down as plain numbers; the
// lint test refuses any other reading of a clock in the rooms behind the turn.
#pragma once

#include <cstdint>
#include <ctime>

namespace ringway {

inline constexpr int64_t kNsPerSecond = 1'000'000'000;
inline constexpr int64_t kNsPerMs = 1'000'000;

// One reading: monotonic time for deadlines, wall time for msg_ids and key life times.
struct Now {
  int64_t mono_ns = 0;
  int64_t unix_ns = 0;

  [[nodiscard]] int64_t unix_seconds() const noexcept { return unix_ns / kNsPerSecond; }
};

[[nodiscard]] inline int64_t read_clock_ns(clockid_t id) noexcept {
  timespec ts{};
  clock_gettime(id, &ts);
  return static_cast<int64_t>(ts.tv_sec) * kNsPerSecond + ts.tv_nsec;
}

[[nodiscard]] inline Now read_clocks() noexcept {
  return {read_clock_ns(CLOCK_MONOTONIC), read_clock_ns(CLOCK_REALTIME)};
}

// For threads that may wait; a worker's may not. A signal ends it early.
inline void sleep_ns(int64_t duration_ns) noexcept {
  const timespec pause{duration_ns / kNsPerSecond, duration_ns % kNsPerSecond};
  nanosleep(&pause, nullptr);
}

}  // namespace ringway
