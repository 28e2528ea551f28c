// tl/utf8: whether bytes are UTF-8, as protobuf's strings must be, and what to make of those that
// are not. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ringway::tl {

// As protobuf understands it: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(ByteView text) noexcept;

// Each maximal part that is no UTF-8 becomes one U+FFFD. The size of the result, at most three
// times that of the text; it is written to `out`, unless that is null.
size_t repair_utf8(ByteView text, uint8_t* out) noexcept;

}  // namespace ringway::tl
