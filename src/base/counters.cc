#include "base/counters.h"

namespace ringway {

std::string_view counter_name(Counter counter) noexcept {
  static constexpr std::array<std::string_view, kCounterCount> kNames = {
#define X(identifier, name) name,
      RINGWAY_COUNTERS(X)
#undef X
  };
  return kNames[static_cast<size_t>(counter)];
}

}  // namespace ringway
