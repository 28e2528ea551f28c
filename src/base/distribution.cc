#include "base/distribution.h"

namespace ringway {
namespace {

constexpr uint64_t kUs = 1'000;
constexpr uint64_t kMs = 1'000'000;

constexpr uint64_t kTurnDurationBounds[] = {10 * kUs,  25 * kUs,  50 * kUs, 100 * kUs,
                                            250 * kUs, 500 * kUs, 1 * kMs,  2500 * kUs,
                                            5 * kMs,   10 * kMs,  25 * kMs, 100 * kMs};
constexpr uint64_t kMessageBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
// gnetway's, which dashboards know.
constexpr uint64_t kProcessBounds[] = {1 * kMs,   5 * kMs,   10 * kMs,  25 * kMs,   50 * kMs,
                                       100 * kMs, 250 * kMs, 500 * kMs, 1000 * kMs, 5000 * kMs};
static_assert(std::size(kTurnDurationBounds) <= kDistributionBoundsMax);
static_assert(std::size(kMessageBounds) <= kDistributionBoundsMax);
static_assert(std::size(kProcessBounds) <= kDistributionBoundsMax);

}  // namespace

std::span<const uint64_t> distribution_bounds(Distribution distribution) noexcept {
  switch (distribution) {
    case Distribution::kTurnDuration:
      return kTurnDurationBounds;
    case Distribution::kTurnMessages:
    case Distribution::kBatchMessages:
      return kMessageBounds;
    case Distribution::kMessageDuration:
    case Distribution::kKeyExchangeDuration:
      return kProcessBounds;
  }
  return {};
}

DistributionCounts DistributionBlock::read(Distribution distribution) const noexcept {
  const Cells& cells = cells_[static_cast<size_t>(distribution)];
  DistributionCounts counts;
  for (size_t i = 0; i < counts.buckets.size(); ++i) {
    counts.buckets[i] = cells.buckets[i].load(std::memory_order_relaxed);
  }
  counts.sum = cells.sum.load(std::memory_order_relaxed);
  return counts;
}

}  // namespace ringway
