// cluster/hash_ring: which shard owns a key, exactly as go-zero's consistent hash decides it.
//
// Every gateway and every session service of a cluster must agree on the owner of a key, so this is
// a reimplementation to the bit: 100 points per node at MurmurHash3 x64-128 (first half, seed 0) of
// the node's name followed by a decimal index; a key, as signed decimal text, belongs to the first
// point at or after its own hash, wrapping around. Points that several nodes share are decided by a
// second hash over those nodes in the order in which they joined.
//
// Source: go-zero core/hash/consistenthash.go. One thread owns a ring; pick() may run on many
// threads while none changes it. Borrowed node names live until the next add() or remove().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::cluster {

inline constexpr uint32_t kRingReplicas = 100;
inline constexpr uint32_t kNoNode = UINT32_MAX;

// MurmurHash3 x64-128, seed 0, first 64 bits.
[[nodiscard]] uint64_t ring_hash(std::string_view text) noexcept;

class HashRing {
 public:
  // These nodes in this joining order and no others. A name that comes twice counts where it is
  // last.
  void assign(const std::vector<std::string>& nodes);
  // Adds a node at the end of the joining order; one that is there already joins anew.
  void add(std::string_view node);
  void remove(std::string_view node);

  // The position in nodes() of the key's owner; kNoNode while the ring is empty.
  [[nodiscard]] uint32_t pick(int64_t key) const noexcept;
  // In joining order.
  [[nodiscard]] const std::vector<std::string>& nodes() const noexcept { return nodes_; }

 private:
  struct Point {
    uint64_t hash = 0;
    uint32_t node = 0;
  };

  void rebuild();

  std::vector<std::string> nodes_;
  std::vector<Point> points_;  // by hash; points of equal hash stand in joining order
};

}  // namespace ringway::cluster
