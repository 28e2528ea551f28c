// tl/schema: a TL schema in memory: types, constructors and methods, checked and cross-referenced.
//
// Made by parse_schema() and immutable from then on; any thread may read it. Combinators are
// numbered: the constructors come first, in the order of the text, then the methods. That order is
// part of the protobuf contract that is made from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringway::tl {

inline constexpr uint32_t kVectorId = 0x1cb5c415;

enum class Kind : uint8_t {
  kFlags,  // #: a word whose bits say which later parameters are there
  kTrue,   // flags.N?true: the bit is the value
  kInt,
  kLong,
  kDouble,
  kString,
  kBytes,
  kInt128,
  kInt256,
  kObject,  // a boxed type: constructor id, then its parameters
  kQuery,   // !X: any method; as a result, whatever that method answers
};

// What stands at a parameter's place, and what a method answers.
struct Value {
  Kind kind = Kind::kInt;
  bool vector = false;  // a boxed Vector of it
  uint32_t type = 0;    // of kObject: index of a Type
};

struct Param {
  static constexpr uint8_t kAlways = 0xff;

  std::string name;
  Value value;
  uint8_t word = kAlways;  // which of the combinator's flags words decides about it, from 0
  uint8_t bit = 0;         // of that word
  [[nodiscard]] bool optional() const noexcept { return word != kAlways; }
};

struct Combinator {
  std::string name;
  uint32_t id = 0;
  uint32_t line = 0;  // of the schema's text, from 1
  Value result;       // of a constructor: its type
  // Of a constructor: its place among those of its type, from 1.
  uint32_t number = 0;
  std::vector<Param> params;
  std::string definition;  // as the schema has it, for people
};

struct Type {
  std::string name;
  std::vector<uint32_t> constructors;  // indices of combinators, in order
};

struct Schema {
  std::vector<Type> types;              // in order of first appearance
  std::vector<Combinator> combinators;  // constructors, then methods
  uint32_t constructor_count = 0;

  [[nodiscard]] bool is_method(uint32_t combinator) const noexcept {
    return combinator >= constructor_count;
  }
  [[nodiscard]] size_t method_count() const noexcept {
    return combinators.size() - constructor_count;
  }
};

}  // namespace ringway::tl
