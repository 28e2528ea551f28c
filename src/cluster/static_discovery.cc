#include "cluster/static_discovery.h"

#include <algorithm>
#include <charconv>

namespace ringway::cluster {
namespace {

constexpr std::string_view kDirect = "direct:///";
constexpr std::string_view kDns = "dns:///";

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

void add_distinct(NodeSet& nodes, std::string_view address) {
  if (std::find(nodes.begin(), nodes.end(), address) == nodes.end()) nodes.emplace_back(address);
}

class StaticDiscovery final : public Discovery {
 public:
  explicit StaticDiscovery(NodeSet nodes) : nodes_(std::move(nodes)) {}

  void start(NodeListener listener) override { listener(nodes_); }
  void stop() override {}

 private:
  const NodeSet nodes_;
};

}  // namespace

bool is_address(std::string_view address) {
  if (address.starts_with("unix:")) return address.size() > 5;
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) return false;
  const std::string_view port = address.substr(colon + 1);
  unsigned value = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == port.data() + port.size() && value > 0 &&
         value <= 65535;
}

NodeSet parse_target(std::string_view target, std::string& error) {
  std::string_view rest = trim(target);
  if (rest.starts_with(kDirect)) {
    rest.remove_prefix(kDirect.size());
  } else if (rest.starts_with(kDns)) {
    rest.remove_prefix(kDns.size());
  } else if (rest.find("://") != std::string_view::npos) {
    error = "target " + std::string(target) + ": only dns:/// and direct:/// are served";
    return {};
  }
  NodeSet nodes;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view address = trim(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (address.empty()) continue;
    if (!is_address(address)) {
      error = "target " + std::string(target) + ": " + std::string(address) + " is no host:port";
      return {};
    }
    add_distinct(nodes, address);
  }
  if (nodes.empty()) error = "target " + std::string(target) + " names no address";
  return nodes;
}

std::unique_ptr<Discovery> make_static_discovery(const std::vector<std::string>& endpoints,
                                                 std::string& error) {
  NodeSet nodes;
  for (const std::string& endpoint : endpoints) {
    const std::string_view address = trim(endpoint);
    if (!is_address(address)) {
      error = "endpoint " + endpoint + " is no host:port";
      return nullptr;
    }
    add_distinct(nodes, address);
  }
  if (nodes.empty()) {
    error = "no session endpoints are configured";
    return nullptr;
  }
  return std::make_unique<StaticDiscovery>(std::move(nodes));
}

}  // namespace ringway::cluster
