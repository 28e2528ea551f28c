// base/log: one line per event, to the console or a file, plain or JSON.
//
// Any thread may log. Lines carry the room they come from. Secrets (keys, nonces, plaintext) are
// never logged at any level; connections are named by peer address, keys by auth_key_id.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  bool json = false;
  std::string file_path;  // empty: standard error
  std::string service;    // JSON field "service"; empty: left out
};

// Called once before threads start; until then lines go to standard error at kInfo. Returns an
// empty string, or what is wrong with the file.
[[nodiscard]] std::string log_setup(const LogOptions& options);
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
void log_write(LogLevel level, std::string_view room, std::string_view text);
void log_flush();

template <typename... Args>
void log_at(LogLevel level, std::string_view room, fmt::format_string<Args...> format,
            Args&&... args) {
  if (!log_enabled(level)) return;
  log_write(level, room, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kDebug, room, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kInfo, room, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kWarning, room, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kError, room, format, std::forward<Args>(args)...);
}

}  // namespace ringway
