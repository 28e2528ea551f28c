#include "tl/combinator_line.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

namespace ringway::tl {
namespace {

constexpr std::string_view kSpaces = " \t\r";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// Takes the next word off `rest`; empty at the end.
std::string_view next_word(std::string_view& rest) {
  rest = trim(rest);
  const std::string_view word = rest.substr(0, rest.find_first_of(kSpaces));
  rest.remove_prefix(word.size());
  return word;
}

// Letters, digits, '_' and, between words, '.': what protobuf names can be made from.
bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !is_letter(text.front()) || text.back() == '.') return false;
  for (size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' ? text[i - 1] == '.' : !is_letter(c) && !(c >= '0' && c <= '9') && c != '_') {
      return false;
    }
  }
  return true;
}

bool read_id(std::string_view digits, uint32_t& id) {
  if (digits.empty() || digits.size() > 8) return false;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, id, 16);
  return error == std::errc() && stop == end;
}

std::string_view split_head(std::string_view word, CombinatorLine& out) {
  const size_t hash = word.find('#');
  out.name = word.substr(0, hash);
  if (!is_name(out.name)) return "a name of letters, digits, '_' and '.' must come first";
  if (hash == std::string_view::npos) return {};
  uint32_t id = 0;
  if (!read_id(word.substr(hash + 1), id)) return "the id after '#' must be 1 to 8 hex digits";
  out.id = id;
  return {};
}

std::string_view split_param(std::string_view word, CombinatorLine& out) {
  if (word.front() == '{') {
    constexpr std::string_view kEnd = ":Type}";
    if (!word.ends_with(kEnd) || word.size() <= kEnd.size() + 1) {
      return "only {X:Type} may stand in braces";
    }
    out.variables.push_back(word.substr(1, word.size() - kEnd.size() - 1));
    return {};
  }
  const size_t colon = word.find(':');
  if (colon == std::string_view::npos) return "a parameter must be name:type";
  const LineParam param{word.substr(0, colon), word.substr(colon + 1)};
  if (!is_name(param.name) || param.name.find('.') != std::string_view::npos) {
    return "a parameter's name must be letters, digits and '_'";
  }
  if (param.type.empty()) return "a parameter without a type";
  out.params.push_back(param);
  return {};
}

void append_for_crc(std::string& text, std::string_view word) {
  for (const char c : word) {
    if (c == '<') {
      text += ' ';
    } else if (c != '>' && c != '{' && c != '}') {
      text += c;
    }
  }
}

}  // namespace

std::string_view split_combinator(std::string_view line, CombinatorLine& out) {
  line = trim(line);
  if (line.empty() || line.back() != ';') return "the line must end with ';'";
  line.remove_suffix(1);
  const size_t equals = line.rfind('=');
  if (equals == std::string_view::npos) return "the line must say '= Type'";
  out.result = trim(line.substr(equals + 1));
  if (out.result.empty() || out.result.find_first_of(kSpaces) != std::string_view::npos) {
    return "one type must follow '='";
  }
  std::string_view rest = line.substr(0, equals);
  if (const std::string_view wrong = split_head(next_word(rest), out); !wrong.empty()) return wrong;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (const std::string_view wrong = split_param(word, out); !wrong.empty()) return wrong;
  }
  return {};
}

uint32_t combinator_crc(const CombinatorLine& line) {
  std::string text(line.name);
  for (const std::string_view variable : line.variables) {
    text.append(" ").append(variable).append(":Type");
  }
  for (const LineParam& param : line.params) {
    const std::optional<Condition> condition = split_condition(param.type);
    if (condition && condition->type == "true") continue;
    const std::string_view bare = condition ? condition->type : param.type;
    text.append(" ").append(param.name).append(":");
    append_for_crc(text, param.type.substr(0, param.type.size() - bare.size()));
    append_for_crc(text, bare == "bytes" ? "string" : bare);
  }
  text += " = ";
  append_for_crc(text, line.result);
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

std::optional<Condition> split_condition(std::string_view type) noexcept {
  const size_t question = type.find('?');
  if (question == std::string_view::npos) return std::nullopt;
  const std::string_view condition = type.substr(0, question);
  const size_t dot = condition.find('.');
  Condition out{condition.substr(0, dot), 32, type.substr(question + 1)};
  if (dot == std::string_view::npos) return out;
  const char* begin = condition.data() + dot + 1;
  const char* end = condition.data() + condition.size();
  uint32_t bit = 0;
  const auto [stop, error] = std::from_chars(begin, end, bit);
  if (error == std::errc() && stop == end) out.bit = std::min(bit, uint32_t{32});
  return out;
}

}  // namespace ringway::tl
