// client/load_mix: which of several kinds a connection or a message is of.
//
// Pure. Weights are whole numbers; the choice for number k is always the same, close to the weights
// for any run of numbers, and without a pattern that other choices by k could fall in step with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ringway::client {

inline constexpr uint32_t kMixWeightMax = 1'000'000;

class LoadMix {
 public:
  // At least one weight, each between 1 and kMixWeightMax.
  explicit LoadMix(const std::vector<uint32_t>& weights);

  // An index into the weights.
  [[nodiscard]] size_t pick(uint64_t k) const noexcept;

 private:
  std::vector<uint64_t> ends_;  // running sums
};

// "a=3,b=1" or just "a": names and weights, 1 where none is given. kInvalidArgument for an empty
// name, a weight that is none, or a name given twice.
Result<std::vector<std::pair<std::string, uint32_t>>> parse_shares(std::string_view text);

}  // namespace ringway::client
