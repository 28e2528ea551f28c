// base/log: one line per event, to the console or a file, plain or JSON.
//
// Any thread may log, and none waits for the console or the disk: lines go through a bounded queue
// to a thread of the log's own. What the queue has no room for is dropped, counted, and owned up to
// in the log once there is room. Before log_setup() lines are written at once.
//
// Lines carry the room they come from. Secrets (keys, nonces, plaintext) are never logged at any
// level; connections are named by peer address, keys by auth_key_id. Text from outside cannot forge
// a line: control characters arrive escaped, and JSON is always valid.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringway {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
inline constexpr size_t kLogLevels = 4;  // that lines may have
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

// When a log file is set aside, and what becomes of those that were; see base/log_file.h.
struct LogRotation {
  bool by_size = false;         // else daily
  uint64_t size_max_bytes = 0;  // by size: 0 means that the file just grows
  uint32_t backups_max = 0;     // by size: 0 means all
  uint32_t keep_days = 0;       // 0: for ever
  bool compress = false;        // gzip
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  bool json = false;
  std::string file_path;  // empty: standard error
  LogRotation rotation;
  std::string service;             // JSON field "service"; empty: left out
  uint32_t content_bytes_max = 0;  // of one line's text, the rest is cut off; 0: kLogLineBytesMax
};

// Called once, before other threads start; until then lines go to standard error at kInfo. Returns
// an empty string, or what is wrong with the file. A second call replaces the first one's options.
[[nodiscard]] std::string log_setup(const LogOptions& options);
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
void log_write(LogLevel level, std::string_view room, std::string_view text);
// Waits until everything logged so far is written, at most kLogFlushTimeoutNs.
void log_flush();

// Since the start of the process; any thread.
struct LogTally {
  std::array<uint64_t, kLogLevels> lines{};  // by level, taken into the queue
  uint64_t dropped = 0;                      // no room in the queue
  uint64_t write_errors = 0;                 // lines that the file did not take: a full disk, say
};
[[nodiscard]] LogTally log_tally() noexcept;

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
