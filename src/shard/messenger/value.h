// shard/messenger/value: TL objects by the names of their fields, whatever the layer.
//
// What a query of a client became, and what its answer is made from. Plain values. Names are
// borrowed: from the schema, which lives as long as the program, or from literals.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringway::shard::messenger {

struct Field;
struct Value;
using List = std::vector<Value>;

struct Object {
  std::string_view name;  // of its constructor, or of its method
  std::vector<Field> fields;

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

}  // namespace ringway::shard::messenger
