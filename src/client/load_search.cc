#include "client/load_search.h"

#include "base/assert.h"

namespace ringway::client {

RateSearch::RateSearch(double first_rate, double precision, uint32_t steps_max) noexcept
    : rate_(first_rate), precision_(precision), steps_left_(steps_max) {
  RW_ASSERT(first_rate > 0);
}

std::optional<double> RateSearch::next() const noexcept {
  if (steps_left_ == 0) return std::nullopt;
  if (passed_ > 0 && failed_ > 0 && failed_ <= passed_ * (1 + precision_)) return std::nullopt;
  if (passed_ == 0 && rate_ < 1) return std::nullopt;  // not one message a second
  return rate_;
}

void RateSearch::note(bool passed) noexcept {
  RW_ASSERT(steps_left_ > 0);
  --steps_left_;
  (passed ? passed_ : failed_) = rate_;
  if (failed_ == 0) {
    rate_ = passed_ * 2;
  } else if (passed_ == 0) {
    rate_ = failed_ / 2;
  } else {
    rate_ = (passed_ + failed_) / 2;
  }
}

}  // namespace ringway::client
