#include "client/load_pacer.h"

#include <cmath>

#include "base/assert.h"
#include "base/clock.h"

namespace ringway::client {

LoadPacer::LoadPacer(const Pace& pace) noexcept : pace_(pace), next_(pace.first) {
  RW_ASSERT(pace.rate > 0);
  RW_ASSERT(pace.burst > 0);
  RW_ASSERT(pace.stride > 0);
  next_due_ns_ = limited_due_ns(next_);
}

void LoadPacer::advance() noexcept {
  next_ += pace_.stride;
  next_due_ns_ = limited_due_ns(next_);
}

uint64_t LoadPacer::overdue(int64_t now_ns) const noexcept {
  LoadPacer ahead = *this;
  uint64_t count = 0;
  for (; ahead.next_due_ns() <= now_ns; ahead.advance()) ++count;
  return count;
}

int64_t LoadPacer::limited_due_ns(uint64_t message) const noexcept {
  const int64_t at_ns = due_ns(message);
  return at_ns < pace_.end_ns ? at_ns : kNeverDue;
}

// With rate(t) = r t/R during a ramp of R seconds, message k is due when its integral r t^2 / 2R
// has reached k; after the ramp r R/2 messages have gone.
int64_t LoadPacer::due_ns(uint64_t message) const noexcept {
  const auto k = static_cast<double>(message - message % pace_.burst);
  const double ramp = static_cast<double>(pace_.ramp_ns) / static_cast<double>(kNsPerSecond);
  const double in_ramp = pace_.rate * ramp / 2;
  const double seconds =
      k < in_ramp ? std::sqrt(2 * k * ramp / pace_.rate) : ramp + (k - in_ramp) / pace_.rate;
  // Beyond any run, and far from the end of 64 bits.
  if (seconds > 1e9) return kNeverDue;
  return pace_.begin_ns + static_cast<int64_t>(seconds * static_cast<double>(kNsPerSecond));
}

}  // namespace ringway::client
