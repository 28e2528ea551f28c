#include "tl/dynamic/value.h"

#include <algorithm>

namespace ringway::tl::dynamic {
namespace {

template <typename T>
const T* as(const Value* value) noexcept {
  return value == nullptr ? nullptr : std::get_if<T>(&value->data);
}

}  // namespace

Value::Value() = default;
Value::Value(double number) : data(number) {}
Value::Value(const char* text) : data(std::string(text)) {}
Value::Value(std::string_view text) : data(std::string(text)) {}
Value::Value(std::string text) : data(std::move(text)) {}
Value::Value(List list) : data(std::move(list)) {}
Value::Value(Object object) : data(std::move(object)) {}

const Value* Object::find(std::string_view field) const noexcept {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [field](const Field& one) { return one.name == field; });
  return found == fields.end() ? nullptr : &found->value;
}

int64_t Object::number(std::string_view field) const noexcept {
  const auto* value = as<int64_t>(find(field));
  return value == nullptr ? 0 : *value;
}

std::string_view Object::text(std::string_view field) const noexcept {
  const auto* value = as<std::string>(find(field));
  return value == nullptr ? std::string_view() : *value;
}

const Object* Object::object(std::string_view field) const noexcept {
  return as<Object>(find(field));
}

const List* Object::list(std::string_view field) const noexcept { return as<List>(find(field)); }

}  // namespace ringway::tl::dynamic
