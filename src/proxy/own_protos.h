// proxy/own_protos: the services that are the proxy's own, as .proto text. Any thread.
#pragma once

#include <string>

namespace ringway::proxy {

// ringway.proxy.v1: the stream of updates that can be resumed.
[[nodiscard]] std::string updates_service_proto();

}  // namespace ringway::proxy
