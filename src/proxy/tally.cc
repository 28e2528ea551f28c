#include "proxy/tally.h"

namespace ringway::proxy {

StatusTally& ClientTally::of(std::string_view client) {
  const std::lock_guard lock(mutex_);
  const auto found = tallies_.find(client);
  if (found != tallies_.end()) return *found->second;
  return *tallies_.emplace(std::string(client), std::make_unique<StatusTally>()).first->second;
}

}  // namespace ringway::proxy
