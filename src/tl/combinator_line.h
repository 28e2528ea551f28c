// tl/combinator_line: one line of a TL schema, split into its words.
//
// Pure. Everything is borrowed from the line. What the words mean is schema_parser's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::tl {

struct LineParam {
  std::string_view name;
  std::string_view type;  // with "flags.N?" where there is one
};

struct CombinatorLine {
  std::string_view name;
  std::optional<uint32_t> id;
  std::vector<std::string_view> variables;  // X of {X:Type}
  std::vector<LineParam> params;
  std::string_view result;
};

// Splits "name#id {X:Type} name:type ... = Type;". Returns what is wrong with it, or nothing; then
// `out` is filled.
[[nodiscard]] std::string_view split_combinator(std::string_view line, CombinatorLine& out);

// What the line's id should be: the CRC-32 of its text in the form in which ids are made.
[[nodiscard]] uint32_t combinator_crc(const CombinatorLine& line);

// The bit of "flags.N?": word's name, N and the type behind it; nothing for a type without one. N
// is 32 when it is no number below 32.
struct Condition {
  std::string_view word;
  uint32_t bit = 0;
  std::string_view type;
};
[[nodiscard]] std::optional<Condition> split_condition(std::string_view type) noexcept;

}  // namespace ringway::tl
