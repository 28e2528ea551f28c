// crypto/base64: the standard alphabet with padding (RFC 4648, section 4). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::crypto {

[[nodiscard]] std::string to_base64(ByteView bytes);
// kMalformed for anything that to_base64() would not have written.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text);

}  // namespace ringway::crypto
