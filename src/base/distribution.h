// base/distribution: how large something is each time it happens, in fixed buckets.
//
// A DistributionBlock belongs to one thread, which is its only writer; any thread may read. As with
// counters (base/counters.h) an observation is a few relaxed loads and stores. A reader may see a
// bucket of an observation before its sum: each number is right by itself, and none goes back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ringway {

// Durations are observed in nanoseconds.
enum class Distribution : uint8_t {
  kTurnDuration,         // of a turn's own work: without submitting and waiting
  kTurnMessages,         // messages opened together
  kBatchMessages,        // messages of one batch to a shard
  kMessageDuration,      // encrypted message: from its arrival to its shard's window
  kKeyExchangeDuration,  // message of a key exchange: from its arrival to its answer
};
inline constexpr size_t kDistributionCount = 5;
inline constexpr size_t kDistributionBoundsMax = 12;

// The upper bounds of the buckets, ascending; what lies above the last one is counted all the same.
[[nodiscard]] std::span<const uint64_t> distribution_bounds(Distribution distribution) noexcept;

struct DistributionCounts {
  // By bucket, not cumulative; the one after the last bound holds what lies above it.
  std::array<uint64_t, kDistributionBoundsMax + 1> buckets{};
  uint64_t sum = 0;

  void add(const DistributionCounts& other) noexcept {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    sum += other.sum;
  }
};

class alignas(64) DistributionBlock {
 public:
  // The owner's thread: `value`, `times` times over.
  void observe(Distribution distribution, uint64_t value, uint64_t times = 1) noexcept {
    Cells& cells = cells_[static_cast<size_t>(distribution)];
    const std::span<const uint64_t> bounds = distribution_bounds(distribution);
    size_t bucket = 0;
    while (bucket < bounds.size() && value > bounds[bucket]) ++bucket;
    add(cells.buckets[bucket], times);
    add(cells.sum, value * times);
  }
  // Any thread.
  [[nodiscard]] DistributionCounts read(Distribution distribution) const noexcept;

 private:
  struct Cells {
    std::array<std::atomic<uint64_t>, kDistributionBoundsMax + 1> buckets{};
    std::atomic<uint64_t> sum{0};
  };
  static void add(std::atomic<uint64_t>& cell, uint64_t amount) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::array<Cells, kDistributionCount> cells_{};
};

}  // namespace ringway
