#include "config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace ringway::config {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// `base` is for whole numbers only, as in std::from_chars.
template <typename T, typename... Base>
std::optional<T> from_digits(std::string_view text, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array kDurationUnits{
    Unit{"ns", 1},
    Unit{"us", 1000},
    Unit{"ms", kNsPerMs},
    Unit{"s", kNsPerSecond},
    Unit{"m", 60 * kNsPerSecond},
    Unit{"h", 3600 * kNsPerSecond},
};

constexpr std::array kSizeUnits{
    Unit{"b", 1},
    Unit{"kib", 1024},
    Unit{"mib", 1024 * 1024},
    Unit{"gib", 1024 * 1024 * 1024},
};

template <size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) noexcept {
  const auto found = std::find_if(units.begin(), units.end(),
                                  [name](const Unit& unit) { return same_word(unit.name, name); });
  return found == units.end() ? nullptr : &*found;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Cuts the longest prefix whose characters satisfy `keep` off `text`.
template <typename Keep>
std::string_view take_while(std::string_view& text, Keep keep) {
  size_t length = 0;
  while (length < text.size() && keep(text[length])) ++length;
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(length);
  return taken;
}

// One "1.5s" of a duration; the number must have digits and at most one point.
std::optional<double> take_duration_part(std::string_view& text) {
  const std::string_view number = take_while(text, [](char c) { return is_digit(c) || c == '.'; });
  const std::string_view name = take_while(text, [](char c) { return !is_digit(c) && c != '.'; });
  const auto value = from_digits<double>(number);
  const Unit* unit = find_unit(kDurationUnits, name);
  if (!value || unit == nullptr) return {};
  return *value * static_cast<double>(unit->factor);
}

// One "4" or "0-3" of a core list, added to `cores`.
bool add_cores(std::string_view part, std::vector<int>& cores) {
  const size_t dash = part.find('-');
  const auto first = parse_number(trim(part.substr(0, dash)));
  const auto last =
      dash == std::string_view::npos ? first : parse_number(trim(part.substr(dash + 1)));
  if (!first || !last || *first > *last || *last > uint64_t{kCoreNumberMax}) return false;
  for (int core = static_cast<int>(*first); core <= static_cast<int>(*last); ++core) {
    if (std::find(cores.begin(), cores.end(), core) != cores.end()) return false;
    cores.push_back(core);
  }
  return true;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<bool> parse_flag(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on"}) {
    if (same_word(text, yes)) return true;
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (same_word(text, no)) return false;
  }
  return {};
}

std::optional<uint64_t> parse_number(std::string_view text) { return from_digits<uint64_t>(text); }

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto number = parse_number(take_while(text, is_digit));
  if (!number || text.empty()) return number;
  const Unit* unit = find_unit(kSizeUnits, trim(text));
  if (unit == nullptr) return {};
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(*number, static_cast<uint64_t>(unit->factor), &bytes)) return {};
  return bytes;
}

std::optional<int64_t> parse_duration_ns(std::string_view text) {
  if (text.empty()) return {};
  double total = 0;
  if (std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; })) {
    const auto seconds = from_digits<double>(text);
    if (!seconds) return {};
    total = *seconds * static_cast<double>(kNsPerSecond);
  } else {
    while (!text.empty()) {
      const auto part = take_duration_part(text);
      if (!part) return {};
      total += *part;
    }
  }
  if (!(total <= static_cast<double>(kNoTimeoutNs))) return {};
  return std::llround(total);
}

std::optional<std::vector<int>> parse_cores(std::string_view text) {
  std::vector<int> cores;
  text = trim(text);
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (!add_cores(trim(text.substr(0, comma)), cores)) return {};
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return {};
  }
  return cores;
}

std::string cores_text(const std::vector<int>& cores) {
  if (cores.empty()) return "any";
  std::string text;
  for (size_t i = 0; i < cores.size();) {
    size_t last = i;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", cores[i]) : fmt::format("{}-{}", cores[i], cores[last]);
    i = last + 1;
  }
  return text;
}

std::optional<int64_t> parse_fingerprint(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    const auto bits = from_digits<uint64_t>(text.substr(2), 16);
    if (!bits) return {};
    return static_cast<int64_t>(*bits);
  }
  if (text.starts_with('-')) return from_digits<int64_t>(text);
  const auto bits = from_digits<uint64_t>(text);
  if (!bits) return {};
  return static_cast<int64_t>(*bits);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const auto port = from_digits<uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) return {};
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 4) return {};
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return {};
  } else if (host.find(':') != std::string_view::npos) {
    return {};  // an IPv6 address without brackets cannot be told from its port
  }
  if (host == "*") host = {};
  if (host.find_first_of(" \t/[]") != std::string_view::npos) return {};
  return Endpoint{std::string(host), *port};
}

size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr size_t kLettersMax = 64;
  a = a.substr(0, kLettersMax);
  b = b.substr(0, kLettersMax);
  // row[j]: distance between the letters of `a` so far and the first j letters of `b`.
  std::array<size_t, kLettersMax + 1> row{};
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace ringway::config
