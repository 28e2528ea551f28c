#include "config/endpoint.h"

#include <fmt/format.h>

namespace ringway::config {

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.host.find(':') == std::string::npos) {
    return fmt::format("{}:{}", endpoint.host, endpoint.port);
  }
  return fmt::format("[{}]:{}", endpoint.host, endpoint.port);
}

}  // namespace ringway::config
