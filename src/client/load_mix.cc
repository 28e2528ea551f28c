#include "client/load_mix.h"

#include <algorithm>
#include <charconv>

#include "base/assert.h"

namespace ringway::client {

LoadMix::LoadMix(const std::vector<uint32_t>& weights) {
  RW_ASSERT(!weights.empty());
  uint64_t sum = 0;
  for (const uint32_t weight : weights) {
    RW_ASSERT(weight > 0);
    sum += weight;
    ends_.push_back(sum);
  }
}

size_t LoadMix::pick(uint64_t k) const noexcept {
  if (ends_.size() == 1) return 0;
  // The golden ratio's multiples fill the unit interval evenly, whatever part of them is looked at.
  const uint64_t fraction = (k * 0x9e3779b97f4a7c15ULL) >> 32;
  const uint64_t at = (fraction * ends_.back()) >> 32;
  return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), at) - ends_.begin());
}

Result<std::vector<std::pair<std::string, uint32_t>>> parse_shares(std::string_view text) {
  std::vector<std::pair<std::string, uint32_t>> shares;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    uint32_t weight = 1;
    if (equals < part.size()) {
      const std::string_view digits = part.substr(equals + 1);
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
      if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
        return Error::kInvalidArgument;
      }
    }
    if (name.empty() || weight == 0 || weight > kMixWeightMax) return Error::kInvalidArgument;
    for (const auto& [known, unused] : shares) {
      if (known == name) return Error::kInvalidArgument;
    }
    shares.emplace_back(name, weight);
  }
  return shares;
}

}  // namespace ringway::client
