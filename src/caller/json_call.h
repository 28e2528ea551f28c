// caller/json_call: one call whose request and answer are JSON, for programs that were not compiled
// against a contract. Makes a descriptor pool of the whole schema for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "caller/caller.h"
#include "tl/contract.h"

namespace ringway {

struct JsonAnswer {
  std::string type;  // name of the message, such as TypeMessagesDialogs
  std::string json;  // over several lines
};

// Nothing, and why. `method` is named as TL names it.
[[nodiscard]] std::optional<JsonAnswer> call_by_json(Caller& caller, const tl::Contract& contract,
                                                     std::string_view method, std::string_view json,
                                                     std::string& problem);

}  // namespace ringway
