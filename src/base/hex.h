// base/hex: hexadecimal text for logs, tests and tools. Never called on secrets.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ringway {

[[nodiscard]] std::string to_hex(ByteView bytes);
// Accepts upper and lower case and ignores white space; kMalformed on anything else.
Result<Bytes> from_hex(std::string_view text);

}  // namespace ringway
