// client/load_search: which rate to try next, to find the highest one that keeps a promise.
//
// Pure. From the first rate it doubles while steps pass, or halves until one does; then it halves
// the gap between the best rate that passed and the lowest that did not, until that is small.
#pragma once

#include <cstdint>
#include <optional>

namespace ringway::client {

class RateSearch {
 public:
  // `precision`: the search ends when the lowest failed rate is at most this share above the best.
  RateSearch(double first_rate, double precision, uint32_t steps_max) noexcept;

  // The rate to try; nothing when the search is over.
  [[nodiscard]] std::optional<double> next() const noexcept;
  // What became of that rate.
  void note(bool passed) noexcept;
  // The highest rate that passed; 0 when none did.
  [[nodiscard]] double best() const noexcept { return passed_; }

 private:
  double rate_;
  double precision_;
  uint32_t steps_left_;
  double passed_ = 0;
  double failed_ = 0;  // 0: none yet
};

}  // namespace ringway::client
