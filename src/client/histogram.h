// client/histogram: latencies by logarithmic buckets, so that percentiles of any run fit in 60 KiB.
//
// Values below 256 are counted exactly, larger ones with a relative error below 1/128. One thread
// owns a histogram; the owners' histograms are merged at the end.
#pragma once

#include <cstdint>
#include <vector>

namespace ringway::client {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0.
  void record(int64_t value) noexcept;
  void merge(const Histogram& other) noexcept;

  [[nodiscard]] uint64_t count() const noexcept { return count_; }
  // 0 when nothing was recorded.
  [[nodiscard]] int64_t min() const noexcept;
  [[nodiscard]] int64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  // The smallest value that `percent` of all values do not exceed (nearest rank), rounded up to the
  // end of its bucket but never above max(). percent is in (0, 100]; 0 when nothing was recorded.
  [[nodiscard]] int64_t percentile(double percent) const noexcept;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace ringway::client
