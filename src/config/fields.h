// config/fields: the kinds of values that keys have, with their ranges and what is said when they
// miss.
//
// Each function reads one key of a Section into a member and leaves it alone when the key is
// absent. What is in effect is told in the notation of the file.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/section.h"
#include "config/values.h"

namespace ringway::config {

struct Range {
  uint64_t min = 0;
  uint64_t max = UINT32_MAX - 1;
};

// For Section::value(): a value that has a word of its own.
inline auto shown_as(std::string_view word, uint64_t when) {
  return [word, when](const auto& value) {
    return static_cast<uint64_t>(value) == when ? std::string(word) : shown(value);
  };
}

inline std::optional<uint64_t> in_range(std::optional<uint64_t> value, Range range) {
  return value && *value >= range.min && *value <= range.max ? value : std::nullopt;
}

template <typename T>
void read_number(Section& section, std::string_view name, T& out, Range range) {
  section.value(name, out, fmt::format("a number from {} to {}", range.min, range.max),
                [range](std::string_view text) { return in_range(parse_number(text), range); });
}

template <typename T>
void read_size(Section& section, std::string_view name, T& out, Range range) {
  section.value(
      name, out,
      fmt::format("a size from {} to {} bytes, such as 65536 or 64KiB", range.min, range.max),
      [range](std::string_view text) { return in_range(parse_size(text), range); });
}

// "auto" arrives as 0.
template <typename T>
void read_auto(Section& section, std::string_view name, T& out, uint32_t max) {
  section.value(
      name, out, fmt::format("\"auto\" or a number from 1 to {}", max),
      [max](std::string_view text) -> std::optional<uint64_t> {
        if (same_word(text, "auto")) return 0;
        return in_range(parse_number(text), {1, max});
      },
      shown_as("auto", 0));
}

// A count of something; 0 in the file means no limit.
inline void read_count_limit(Section& section, std::string_view name, uint32_t& out) {
  constexpr uint64_t kMost = 1'000'000'000;
  section.value(
      name, out, fmt::format("a number from 0 (no limit) to {}", kMost),
      [](std::string_view text) -> std::optional<uint64_t> {
        const auto count = in_range(parse_number(text), {0, kMost});
        return count == uint64_t{0} ? kNoLimit : count;
      },
      shown_as("no limit", kNoLimit));
}

// Memory stays bounded whatever the file says: 0 means the largest size there is.
inline void read_byte_limit(Section& section, std::string_view name, uint32_t& out, Range range) {
  section.value(name, out,
                fmt::format("0 (the largest) or a size from {} to {} bytes", range.min, range.max),
                [range](std::string_view text) -> std::optional<uint64_t> {
                  const auto bytes = parse_size(text);
                  return bytes == uint64_t{0} ? range.max : in_range(bytes, range);
                });
}

inline constexpr std::string_view kDurationExpected =
    "a duration up to 30 days, such as 30s, 500ms, 1m30s or a number of seconds";

inline std::optional<int64_t> parse_bounded_duration(std::string_view text) {
  constexpr int64_t kMostNs = 30LL * 86400 * kNsPerSecond;
  const auto ns = parse_duration_ns(text);
  return ns && *ns <= kMostNs ? ns : std::nullopt;
}

inline std::string shown_duration(int64_t ns) {
  if (ns == kNoTimeoutNs) return "no limit";
  if (ns % kNsPerSecond == 0) return fmt::format("{}s", ns / kNsPerSecond);
  return fmt::format("{}ms", static_cast<double>(ns) / static_cast<double>(kNsPerMs));
}

// 0 in the file means no limit.
inline void read_timeout(Section& section, std::string_view name, int64_t& out) {
  section.value(
      name, out, kDurationExpected,
      [](std::string_view text) {
        const auto ns = parse_bounded_duration(text);
        return ns == int64_t{0} ? std::optional(kNoTimeoutNs) : ns;
      },
      shown_duration);
}

// Core numbers as a list or as "0-3,8"; no core is `when_empty`, which the file may say too.
inline void read_cores(Section& section, std::string_view name, std::vector<int>& out,
                       std::string_view when_empty) {
  section.joined_value(
      name, out,
      fmt::format("{} or core numbers up to {} such as \"0-3,8\", none twice", when_empty,
                  kCoreNumberMax),
      [when_empty](std::string_view text) {
        return same_word(text, when_empty) ? std::optional(std::vector<int>()) : parse_cores(text);
      },
      [when_empty](const std::vector<int>& cores) {
        return cores.empty() ? std::string(when_empty) : cores_text(cores);
      });
}

// One of a few words.
template <typename T>
void read_word(Section& section, std::string_view name, T& out,
               std::initializer_list<std::pair<std::string_view, T>> words) {
  std::string expected = "one of";
  for (const auto& [word, unused] : words) expected += fmt::format(" {}", word);
  section.value(
      name, out, expected,
      [words](std::string_view text) -> std::optional<T> {
        for (const auto& [word, value] : words) {
          if (same_word(text, word)) return value;
        }
        return {};
      },
      // The first word of a value is its name.
      [words](const T& value) {
        const auto* named = std::find_if(words.begin(), words.end(),
                                         [&](const auto& pair) { return pair.second == value; });
        return named == words.end() ? std::string() : std::string(named->first);
      });
}

inline void read_error_style(Section& section, HttpErrorStyle& out) {
  read_word<HttpErrorStyle>(
      section, "HttpErrorStyle", out,
      {{"status", HttpErrorStyle::kStatus}, {"gnetway", HttpErrorStyle::kGnetway}});
}

}  // namespace ringway::config
