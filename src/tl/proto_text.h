// tl/proto_text: a contract as .proto files, for code generators. Pure; any thread.
#pragma once

#include <string>

#include "tl/contract.h"

namespace ringway::tl {

// types.tl.proto: every message with the TL definition it comes from, and the service Mtproto.
[[nodiscard]] std::string types_proto_text(const Contract& contract);
// tl_update.proto, which imports it.
[[nodiscard]] std::string updates_proto_text(const Contract& contract);

}  // namespace ringway::tl
