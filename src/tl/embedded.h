// tl/embedded: the schemas that are part of the program. Immutable; any thread.
#pragma once

#include <optional>
#include <string_view>

namespace ringway::tl {

inline constexpr int kModernLayer = 228;
inline constexpr int kMiddleLayer = 144;  // what many libraries of today speak
inline constexpr int kCompatLayer = 71;   // whose contract has no layer in its package names

// The text of layer 71, 144 or 228; nothing for another layer.
[[nodiscard]] std::optional<std::string_view> embedded_schema(int layer) noexcept;

}  // namespace ringway::tl
