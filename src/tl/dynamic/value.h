// tl/dynamic/value: TL objects by the names of their fields, whatever the layer.
//
// What bytes became, and what bytes are made from. Plain values. Names are borrowed: from the
// schema, which must outlive them, or from literals.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace ringway::tl::dynamic {

struct Field;
struct Value;
using List = std::vector<Value>;

struct Object {
  std::string_view name;  // of its constructor, or of its method
  std::vector<Field> fields;
  // Where it stood in what was read, with its constructor; borrowed. Empty for what was made.
  ByteView bytes;

  // Null when there is no such field.
  [[nodiscard]] const Value* find(std::string_view field) const noexcept;
  // The field's value; 0, "" or null when it is not there or is something else.
  [[nodiscard]] int64_t number(std::string_view field) const noexcept;
  [[nodiscard]] std::string_view text(std::string_view field) const noexcept;
  [[nodiscard]] const Object* object(std::string_view field) const noexcept;
  [[nodiscard]] const List* list(std::string_view field) const noexcept;
};

// Its constructors are defined below Field: they need it complete.
struct Value {
  Value();
  // NOLINTBEGIN(google-explicit-constructor): fields are written as the plain values that they have
  template <std::same_as<bool> T>
  Value(T flag);
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T number);
  Value(double number);
  Value(const char* text);
  Value(std::string_view text);
  Value(std::string text);
  Value(List list);
  Value(Object object);
  // NOLINTEND(google-explicit-constructor)

  // Texts and bytes alike are strings; flags and Bools are bools.
  std::variant<bool, int64_t, double, std::string, List, Object> data;
};

struct Field {
  std::string_view name;
  Value value;
};

template <std::same_as<bool> T>
Value::Value(T flag) : data(flag) {}
template <std::integral T>
requires(!std::same_as<T, bool>) Value::Value(T number) : data(static_cast<int64_t>(number)) {}

}  // namespace ringway::tl::dynamic
