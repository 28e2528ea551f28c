// base/log_text: makes any bytes fit for a line of the log.
//
// Pure functions. Texts come from shards, clients and the system, and may hold anything.
#pragma once

#include <string>
#include <string_view>

namespace ringway {

// For a JSON string, without the quotes: escaped, and always valid UTF-8 (what is not becomes
// U+FFFD).
[[nodiscard]] std::string json_escape(std::string_view text);

// For a plain line: control characters, which could end the line or drive a terminal, as \xNN.
[[nodiscard]] std::string plain_escape(std::string_view text);

}  // namespace ringway
