#include "client/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/assert.h"

namespace ringway::client {
namespace {

constexpr unsigned kSubBucketBits = Histogram::kSubBucketBits;
constexpr uint64_t kSubBuckets = Histogram::kSubBuckets;
constexpr uint64_t kBuckets = kSubBuckets * Histogram::kPowers;

// Values in [2^(7+s), 2^(8+s)) share buckets 2^s wide; s = 0 also below 2^7.
uint64_t bucket_of(uint64_t value) noexcept {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > kSubBucketBits + 1 ? width - kSubBucketBits - 1 : 0;
  return kSubBuckets * shift + (value >> shift);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

uint64_t Histogram::last_value_of(uint64_t bucket) noexcept {
  if (bucket < 2 * kSubBuckets) return bucket;
  const uint64_t shift = bucket / kSubBuckets - 1;
  const uint64_t mantissa = bucket - kSubBuckets * shift;
  return ((mantissa + 1) << shift) - 1;
}

void Histogram::record(int64_t value) noexcept {
  value = std::max<int64_t>(value, 0);
  const uint64_t bucket = bucket_of(static_cast<uint64_t>(value));
  RW_ASSERT(bucket < kBuckets);
  ++buckets_[bucket];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::reset() noexcept {
  if (count_ == 0) return;
  std::fill(buckets_.begin(), buckets_.end(), 0);
  count_ = 0;
  min_ = INT64_MAX;
  max_ = 0;
  sum_ = 0;
}

void Histogram::merge(const Histogram& other) noexcept {
  if (other.count_ == 0) return;
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

int64_t Histogram::min() const noexcept { return count_ == 0 ? 0 : min_; }

double Histogram::mean() const noexcept {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

int64_t Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return 0;
  const double exact = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const uint64_t rank =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::max(exact, 1.0)), 1, count_);
  uint64_t seen = 0;
  for (uint64_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(static_cast<int64_t>(last_value_of(bucket)), max_);
  }
  return max_;
}

}  // namespace ringway::client
