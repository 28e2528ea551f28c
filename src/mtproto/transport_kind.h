// mtproto/transport_kind: the framings that a client may choose.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringway::mtproto {

enum class TransportKind : uint8_t { kUndecided, kAbridged, kIntermediate, kPadded, kFull };

// "abridged", "intermediate", "padded", "full"; "undecided".
[[nodiscard]] std::string_view to_string(TransportKind kind) noexcept;

}  // namespace ringway::mtproto
