#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace ringway {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<bool> g_json{false};

spdlog::logger& logger() {
  // Made on first use and never destroyed, so that late threads may still log during exit.
  static auto* instance = new std::shared_ptr<spdlog::logger>(spdlog::stderr_logger_mt("ringway"));
  return **instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::string json_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

std::string log_setup(const LogOptions& options) {
  try {
    auto& target = logger();
    if (!options.file_path.empty()) {
      auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file_path);
      target.sinks().assign({sink});
    }
    g_json.store(options.json, std::memory_order_relaxed);
    if (options.json) {
      const std::string service =
          options.service.empty() ? "" : R"("service":")" + json_escape(options.service) + R"(",)";
      target.set_pattern(R"({"@timestamp":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",)" + service +
                         "%v}");
    } else {
      target.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    }
    target.set_level(to_spdlog(options.level));
    target.flush_on(options.file_path.empty() ? spdlog::level::trace : spdlog::level::info);
    g_level.store(options.level, std::memory_order_relaxed);
  } catch (const spdlog::spdlog_ex& failure) {
    return failure.what();
  }
  return "";
}

bool log_enabled(LogLevel level) noexcept {
  return level >= g_level.load(std::memory_order_relaxed);
}

void log_write(LogLevel level, std::string_view room, std::string_view text) {
  if (g_json.load(std::memory_order_relaxed)) {
    logger().log(to_spdlog(level), R"("room":"{}","content":"{}")", json_escape(room),
                 json_escape(text));
  } else {
    logger().log(to_spdlog(level), "{}: {}", room, text);
  }
}

void log_flush() { logger().flush(); }

}  // namespace ringway
