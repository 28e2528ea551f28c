#include "proxy/own_protos.h"

#include <google/protobuf/descriptor.h>

#include "ringway/proxy/v1/updates.pb.h"

namespace ringway::proxy {

// What was compiled in has no comments any more; docs/PROXY.md has them.
std::string updates_service_proto() {
  return ringway::proxy::v1::ListenRequest::descriptor()->file()->DebugString();
}

}  // namespace ringway::proxy
