#include "client/load_keys.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/small_file.h"

namespace ringway::client {
namespace {

constexpr std::string_view kTitle = "ringway-load keys 1";

template <typename T>
bool read_number(std::string_view text, int base, T& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// "auth_key_id salt time_offset_ns auth_key", all but the third in hexadecimal.
bool read_line(std::string_view line, SessionKey& key) {
  std::string_view fields[4];
  for (size_t i = 0; i < 4; ++i) {
    const size_t end = i == 3 ? line.size() : line.find(' ');
    if (end == std::string_view::npos) return false;
    fields[i] = line.substr(0, end);
    line.remove_prefix(i == 3 ? end : end + 1);
  }
  uint64_t id = 0;
  uint64_t salt = 0;
  if (!read_number(fields[0], 16, id) || !read_number(fields[1], 16, salt) ||
      !read_number(fields[2], 10, key.time_offset_ns) ||
      fields[3].size() != 2 * AuthKeyBytes::size()) {
    return false;
  }
  for (size_t i = 0; i < AuthKeyBytes::size(); ++i) {
    if (!read_number(fields[3].substr(2 * i, 2), 16, key.key.data()[i])) return false;
  }
  key.auth_key_id = static_cast<int64_t>(id);
  key.salt = static_cast<int64_t>(salt);
  return true;
}

}  // namespace

Result<std::vector<SessionKey>> parse_load_keys(std::string_view text, size_t& line) {
  std::vector<SessionKey> keys;
  line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    begin = end + 1;
    if (line == 1) {
      if (content != kTitle) return Error::kMalformed;
      continue;
    }
    if (!read_line(content, keys.emplace_back())) return Error::kMalformed;
  }
  if (line == 1) return Error::kMalformed;
  return keys;
}

std::string format_load_keys(const std::vector<SessionKey>& keys) {
  std::string text = fmt::format("{}\n", kTitle);
  for (const SessionKey& key : keys) {
    text += fmt::format("{:016x} {:016x} {} ", static_cast<uint64_t>(key.auth_key_id),
                        static_cast<uint64_t>(key.salt), key.time_offset_ns);
    for (const uint8_t byte : key.key.view()) text += fmt::format("{:02x}", byte);
    text += '\n';
  }
  return text;
}

Result<std::vector<SessionKey>> read_load_keys(const std::string& path, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT) return std::vector<SessionKey>();
    why = fmt::format("cannot read '{}': {}", path, std::strerror(errno));
    return Error::kIo;
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t line = 0;
  auto keys = parse_load_keys(text, line);
  if (!keys.ok()) why = fmt::format("'{}' is no file of load keys: line {}", path, line);
  return keys;
}

std::string write_load_keys(const std::string& path, const std::vector<SessionKey>& keys) {
  const std::string text = format_load_keys(keys);
  std::string problem;
  const auto written = replace_small_file(path, as_bytes(text), 0600, problem);
  return written.ok() ? std::string() : problem;
}

}  // namespace ringway::client
