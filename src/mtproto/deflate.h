// mtproto/deflate: gzip, for what is sent. Pure; any thread; the input is borrowed for the call.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace ringway::mtproto {

// One gzip stream of `plain`; nothing when it would take more than `bytes_max` bytes.
[[nodiscard]] std::optional<Bytes> deflate_gzip(ByteView plain, size_t bytes_max);

}  // namespace ringway::mtproto
