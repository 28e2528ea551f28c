// client/histogram: latencies by logarithmic buckets, so that percentiles of any run fit in 60 KiB.
//
// Values below 256 are counted exactly, larger ones with a relative error below 1/128. One thread
// owns a histogram; the owners' histograms are merged at the end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ringway::client {

class Histogram {
 public:
  // Each power of two above the exact range is cut into this many buckets.
  static constexpr unsigned kSubBucketBits = 7;
  static constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBucketBits;
  static constexpr uint64_t kPowers = 64 - kSubBucketBits + 1;

  Histogram();

  // Negative values count as 0.
  void record(int64_t value) noexcept;
  void merge(const Histogram& other) noexcept;
  void reset() noexcept;

  [[nodiscard]] uint64_t count() const noexcept { return count_; }
  // 0 when nothing was recorded.
  [[nodiscard]] int64_t min() const noexcept;
  [[nodiscard]] int64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  // The smallest value that `percent` of all values do not exceed (nearest rank), rounded up to the
  // end of its bucket but never above max(). percent is in (0, 100]; 0 when nothing was recorded.
  [[nodiscard]] int64_t percentile(double percent) const noexcept;
  // Calls visit(value, count) for every bucket that is not empty, in ascending order. The value is
  // the bucket's last one, but never above max().
  template <typename Visit>
  void for_each(Visit&& visit) const {
    uint64_t left = count_;
    for (uint64_t bucket = 0; left > 0; ++bucket) {
      if (buckets_[bucket] == 0) continue;
      left -= buckets_[bucket];
      visit(std::min(static_cast<int64_t>(last_value_of(bucket)), max_), buckets_[bucket]);
    }
  }

 private:
  [[nodiscard]] static uint64_t last_value_of(uint64_t bucket) noexcept;

  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace ringway::client
