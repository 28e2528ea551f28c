// shard/method_names: what a method is called, for error messages and logs. A constant table.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringway::shard {

// The name of an API method or protocol call, such as "help.getConfig"; empty when unknown.
[[nodiscard]] std::string_view method_name(uint32_t constructor) noexcept;

}  // namespace ringway::shard
