// cluster/static_discovery: shards named in the configuration.
//
// Either a list of endpoints, or a target in go-zero's writing: "host:port", "dns:///host:port",
// "direct:///host:port,host:port". Any thread; no state that changes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/discovery.h"

namespace ringway::cluster {

// host:port, with an IPv6 host in brackets; or unix:path.
[[nodiscard]] bool is_address(std::string_view address);

// The addresses that a target names. Empty with the reason in `error` when it names none.
[[nodiscard]] NodeSet parse_target(std::string_view target, std::string& error);

// Null with the reason in `error` when an endpoint is no host:port, or there is none. Addresses
// that appear twice count once.
[[nodiscard]] std::unique_ptr<Discovery> make_static_discovery(
    const std::vector<std::string>& endpoints, std::string& error);

}  // namespace ringway::cluster
