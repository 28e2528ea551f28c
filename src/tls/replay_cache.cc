#include "tls/replay_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/random.h"

namespace ringway::tls {
namespace {

constexpr size_t kEntriesFirst = 16;
constexpr uint32_t kEmpty = UINT32_MAX;
// A hello ahead of the clock may be repeated for longer than one of now.
constexpr int64_t kRepeatableSeconds = kFakeHelloAgeMaxSeconds + kFakeHelloAheadMaxSeconds;
static_assert(std::has_single_bit(kFakeHelloStripes));

using Id = std::array<uint8_t, 16>;

struct Entry {
  Id id;
  uint64_t hash = 0;
  int64_t seconds = 0;
};

__extension__ typedef unsigned __int128 Product;

uint64_t mix(uint64_t a, uint64_t b) noexcept {
  const Product product = static_cast<Product>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

// The entries stand in a ring, oldest first, as they came; an open-addressed index of twice as many
// places finds them. An entry leaves only at the front.
class ReplayCache::Stripe {
 public:
  void set_capacity(size_t entries_max) noexcept { entries_max_ = entries_max; }

  Verdict insert(const Id& id, uint64_t hash, int64_t now) {
    const std::lock_guard lock(mutex_);
    if (find(id, hash)) return Verdict::kSeen;
    // Two for one, so that a crowd of old entries is gone soon and nobody pays for all of it.
    for (int i = 0; i < 2 && count_ > 0 && age(now) > kFakeHelloRememberedSeconds; ++i) drop();
    if (count_ == entries_max_) {
      if (age(now) <= kRepeatableSeconds) return Verdict::kFull;
      drop();
    }
    if (count_ == ring_.size()) grow();
    const auto at = static_cast<uint32_t>((first_ + count_) & (ring_.size() - 1));
    ring_[at] = {id, hash, now};
    ++count_;
    place(at);
    return Verdict::kNew;
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  size_t slot_of(uint64_t hash) const noexcept { return hash & (index_.size() - 1); }
  size_t next_slot(size_t slot) const noexcept { return (slot + 1) & (index_.size() - 1); }
  int64_t age(int64_t now) const noexcept { return now - ring_[first_].seconds; }

  bool find(const Id& id, uint64_t hash) const noexcept {
    if (count_ == 0) return false;
    for (size_t slot = slot_of(hash); index_[slot] != kEmpty; slot = next_slot(slot)) {
      if (ring_[index_[slot]].id == id) return true;
    }
    return false;
  }

  void place(uint32_t at) noexcept {
    size_t slot = slot_of(ring_[at].hash);
    while (index_[slot] != kEmpty) slot = next_slot(slot);
    index_[slot] = at;
  }

  // Forgets the oldest. Entries behind its place in the index move up, so that a search may go on
  // ending at the first empty place.
  void drop() noexcept {
    size_t hole = slot_of(ring_[first_].hash);
    while (index_[hole] != first_) hole = next_slot(hole);
    for (size_t slot = next_slot(hole); index_[slot] != kEmpty; slot = next_slot(slot)) {
      const size_t wanted = slot_of(ring_[index_[slot]].hash);
      const size_t mask = index_.size() - 1;
      if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
      index_[hole] = index_[slot];
      hole = slot;
    }
    index_[hole] = kEmpty;
    first_ = (first_ + 1) & static_cast<uint32_t>(ring_.size() - 1);
    --count_;
  }

  void grow() {
    std::vector<Entry> ring(std::max(kEntriesFirst, 2 * ring_.size()));
    for (size_t i = 0; i < count_; ++i) ring[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_ = std::move(ring);
    first_ = 0;
    index_.assign(2 * ring_.size(), kEmpty);
    for (uint32_t i = 0; i < count_; ++i) place(i);
  }

  mutable std::mutex mutex_;
  size_t entries_max_ = 0;
  std::vector<Entry> ring_;  // a power of two of them, or none yet
  std::vector<uint32_t> index_;
  uint32_t first_ = 0;
  size_t count_ = 0;
};

ReplayCache::ReplayCache(size_t hellos_max)
    : stripes_(std::make_unique<Stripe[]>(kFakeHelloStripes)) {
  std::array<uint8_t, sizeof hash_key_> drawn;
  crypto::random_bytes(drawn);
  std::memcpy(hash_key_.data(), drawn.data(), drawn.size());
  const size_t entries_max = std::max<size_t>(1, hellos_max / kFakeHelloStripes);
  for (size_t i = 0; i < kFakeHelloStripes; ++i) stripes_[i].set_capacity(entries_max);
}

ReplayCache::~ReplayCache() = default;

ReplayCache::Verdict ReplayCache::insert(std::span<const uint8_t, 16> id, int64_t now_seconds) {
  Id own;
  std::copy(id.begin(), id.end(), own.begin());
  const uint64_t hash = mix(mix(load_le<uint64_t>(own.data()) ^ hash_key_[0], hash_key_[1] | 1) ^
                                load_le<uint64_t>(own.data() + 8),
                            hash_key_[0] | 1);
  // The part by the high bits, the place in it by the low ones.
  return stripes_[hash >> 32 & (kFakeHelloStripes - 1)].insert(own, hash, now_seconds);
}

size_t ReplayCache::size() const {
  size_t count = 0;
  for (size_t i = 0; i < kFakeHelloStripes; ++i) count += stripes_[i].size();
  return count;
}

}  // namespace ringway::tls
