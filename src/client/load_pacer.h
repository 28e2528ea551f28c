// client/load_pacer: when the messages of an open loop are due.
//
// Pure: no clock. One thread owns a pacer. Message k of a run has one intended time, whether or not
// anybody was free to send it then; the threads of a run share the messages out by taking every
// `stride`-th. A ramp grows the rate linearly; a burst lets messages come so many at once, at the
// same mean rate.
#pragma once

#include <cstdint>

namespace ringway::client {

inline constexpr int64_t kNeverDue = INT64_MAX;

struct Pace {
  double rate = 0;       // per second, over all threads; above 0
  int64_t ramp_ns = 0;   // the rate grows from 0 to `rate` during this time
  uint64_t burst = 1;    // messages that are due at the same moment
  int64_t begin_ns = 0;  // message 0 is due
  int64_t end_ns = 0;    // nothing is due from here on
  uint64_t first = 0;    // this pacer's first message
  uint64_t stride = 1;   // and the distance to its next
};

class LoadPacer {
 public:
  explicit LoadPacer(const Pace& pace) noexcept;

  // The intended time of the next message; kNeverDue when there is none any more.
  [[nodiscard]] int64_t next_due_ns() const noexcept { return next_due_ns_; }
  // The next message was sent.
  void advance() noexcept;
  // Messages due at or before `now_ns` that were not sent.
  [[nodiscard]] uint64_t overdue(int64_t now_ns) const noexcept;

 private:
  // Of any message, this pacer's or not.
  [[nodiscard]] int64_t due_ns(uint64_t message) const noexcept;
  [[nodiscard]] int64_t limited_due_ns(uint64_t message) const noexcept;

  Pace pace_;
  uint64_t next_;
  int64_t next_due_ns_;
};

}  // namespace ringway::client
