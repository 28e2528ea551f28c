#include "shard/method_names.h"

#include <algorithm>
#include <iterator>

namespace ringway::shard {
namespace {

struct MethodName {
  uint32_t constructor;
  std::string_view name;
};

constexpr MethodName kMethodNames[] = {
#include "shard/method_names.inc"
};

constexpr bool strictly_ascending() {
  for (size_t i = 1; i < std::size(kMethodNames); ++i) {
    if (kMethodNames[i - 1].constructor >= kMethodNames[i].constructor) return false;
  }
  return true;
}
static_assert(strictly_ascending(), "binary search needs an ordered table");

}  // namespace

std::string_view method_name(uint32_t constructor) noexcept {
  const auto* found = std::lower_bound(
      std::begin(kMethodNames), std::end(kMethodNames), constructor,
      [](const MethodName& entry, uint32_t wanted) { return entry.constructor < wanted; });
  if (found == std::end(kMethodNames) || found->constructor != constructor) return {};
  return found->name;
}

}  // namespace ringway::shard
