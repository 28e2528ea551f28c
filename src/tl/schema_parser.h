// tl/schema_parser: schema text to Schema, or what is wrong with it and in which line.
//
// Accepts the one-combinator-per-line form in which Telegram's schemas are published: constructors,
// "---functions---", methods; blank lines and // comments; the definitions of the built-in types
// and of vector are passed over. Pure; the text is only borrowed for the call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tl/schema.h"

namespace ringway::tl {

struct SchemaProblem {
  uint32_t line = 0;  // from 1
  std::string text;   // what is wrong, and what would be right
};

struct ParsedSchema {
  std::unique_ptr<const Schema> schema;  // null when there are errors
  std::vector<SchemaProblem> errors;     // at most kSchemaProblemsMax
  // What may be a mistake but can be served: ids that are not the CRC-32 of their line.
  std::vector<SchemaProblem> warnings;
  std::optional<int> layer;  // of the comment "// LAYER 228", where there is one
};

[[nodiscard]] ParsedSchema parse_schema(std::string_view text);

}  // namespace ringway::tl
