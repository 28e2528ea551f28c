#include "cluster/hash_ring.h"

#include <murmurhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <unordered_set>

namespace ringway::cluster {
namespace {

// go-zero marks the hash that chooses among nodes on one point with this prefix.
constexpr std::string_view kInnerPrefix = "16777619:";

// A signed 64-bit number has at most 20 characters.
constexpr size_t kKeyTextMax = 20;

}  // namespace

uint64_t ring_hash(std::string_view text) noexcept {
  uint64_t out[2];
  lmmh_x64_128(text.data(), static_cast<unsigned>(text.size()), 0, out);
  return out[0];
}

void HashRing::assign(const std::vector<std::string>& nodes) {
  std::unordered_set<std::string_view> seen;
  nodes_.clear();
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    if (seen.insert(*node).second) nodes_.push_back(*node);
  }
  std::reverse(nodes_.begin(), nodes_.end());
  rebuild();
}

void HashRing::add(std::string_view node) {
  remove(node);
  nodes_.emplace_back(node);
  rebuild();
}

void HashRing::remove(std::string_view node) {
  const auto found = std::find(nodes_.begin(), nodes_.end(), node);
  if (found == nodes_.end()) return;
  nodes_.erase(found);
  rebuild();
}

void HashRing::rebuild() {
  points_.clear();
  points_.reserve(nodes_.size() * kRingReplicas);
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    for (uint32_t replica = 0; replica < kRingReplicas; ++replica) {
      points_.push_back({ring_hash(nodes_[node] + std::to_string(replica)), node});
    }
  }
  std::stable_sort(points_.begin(), points_.end(),
                   [](const Point& a, const Point& b) { return a.hash < b.hash; });
}

uint32_t HashRing::pick(int64_t key) const noexcept {
  if (points_.empty()) return kNoNode;
  std::array<char, kInnerPrefix.size() + kKeyTextMax> text;
  std::memcpy(text.data(), kInnerPrefix.data(), kInnerPrefix.size());
  char* const key_text = text.data() + kInnerPrefix.size();
  const char* const end = std::to_chars(key_text, text.data() + text.size(), key).ptr;

  const uint64_t hash = ring_hash({key_text, static_cast<size_t>(end - key_text)});
  auto first = std::lower_bound(points_.begin(), points_.end(), hash,
                                [](const Point& p, uint64_t h) { return p.hash < h; });
  if (first == points_.end()) first = points_.begin();
  auto last = first + 1;
  while (last != points_.end() && last->hash == first->hash) ++last;
  const auto shared = static_cast<uint64_t>(last - first);
  if (shared == 1) return first->node;
  const uint64_t inner = ring_hash({text.data(), static_cast<size_t>(end - text.data())});
  return (first + static_cast<ptrdiff_t>(inner % shared))->node;
}

}  // namespace ringway::cluster
