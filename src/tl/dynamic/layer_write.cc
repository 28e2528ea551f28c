// Writing; see layer.h.
#include <array>
#include <bit>

#include "base/limits.h"
#include "mtproto/tl.h"
#include "tl/dynamic/layer.h"

namespace ringway::tl::dynamic {
namespace {

template <typename T>
const T* get(const Value* value) noexcept {
  return value == nullptr ? nullptr : std::get_if<T>(&value->data);
}

// A flag that is false is not there.
bool is_given(const Value* value, const tl::Param& param) noexcept {
  if (value == nullptr) return false;
  const bool* flag = std::get_if<bool>(&value->data);
  return param.value.kind != tl::Kind::kTrue || (flag != nullptr && *flag);
}

}  // namespace

class LayerWriter {
 public:
  LayerWriter(const Layer& layer, ByteAppender& out) : layer_(layer), out_(out) {}

  bool value(const tl::Value& kind, const Value* given);
  bool object(uint32_t type, const Object& object);
  // Its id and its parameters.
  bool body(const tl::Combinator& combinator, const Object& object);

 private:
  bool one(const tl::Value& kind, const Value* given);
  bool boxed(uint32_t type, const Value* given);
  bool number(tl::Kind kind, const Value* given);
  bool text(const Value* given);
  bool raw(const Value* given, size_t bytes);

  const Layer& layer_;
  ByteAppender& out_;
};

bool LayerWriter::object(uint32_t type, const Object& object) {
  const auto found = layer_.by_name_.find(object.name);
  if (found == layer_.by_name_.end()) return false;
  const tl::Combinator& combinator = layer_.schema_->combinators[found->second];
  if (combinator.result.type != type) return false;
  return body(combinator, object);
}

bool LayerWriter::body(const tl::Combinator& combinator, const Object& object) {
  out_.u32(combinator.id);
  std::array<uint32_t, kSchemaFlagsWordsMax> words{};
  for (const tl::Param& param : combinator.params) {
    if (!param.optional() || !is_given(object.find(param.name), param)) continue;
    words.at(param.word) |= 1u << param.bit;
  }
  size_t words_written = 0;
  for (const tl::Param& param : combinator.params) {
    if (param.value.kind == tl::Kind::kFlags) {
      out_.u32(words.at(words_written++));
      continue;
    }
    if (param.value.kind == tl::Kind::kTrue) continue;
    if (param.optional() && (words.at(param.word) >> param.bit & 1) == 0) continue;
    if (!value(param.value, object.find(param.name))) return false;
  }
  return true;
}

bool LayerWriter::value(const tl::Value& kind, const Value* given) {
  if (!kind.vector) return one(kind, given);
  static const List kEmpty;
  const List* list = given == nullptr ? &kEmpty : get<List>(given);
  if (list == nullptr) return false;
  out_.u32(tl::kVectorId);
  out_.u32(static_cast<uint32_t>(list->size()));
  for (const Value& element : *list) {
    if (!one(kind, &element)) return false;
  }
  return true;
}

bool LayerWriter::one(const tl::Value& kind, const Value* given) {
  switch (kind.kind) {
    case tl::Kind::kInt:
    case tl::Kind::kLong:
    case tl::Kind::kDouble:
      return number(kind.kind, given);
    case tl::Kind::kString:
    case tl::Kind::kBytes:
      return text(given);
    case tl::Kind::kInt128:
      return raw(given, 16);
    case tl::Kind::kInt256:
      return raw(given, 32);
    case tl::Kind::kObject:
      return boxed(kind.type, given);
    default:
      return false;  // queries in queries are wrapped around a call that is written
  }
}

bool LayerWriter::number(tl::Kind kind, const Value* given) {
  if (kind == tl::Kind::kDouble) {
    const double* value = get<double>(given);
    if (given != nullptr && value == nullptr) return false;
    out_.u64(std::bit_cast<uint64_t>(value == nullptr ? 0.0 : *value));
    return true;
  }
  const int64_t* value = get<int64_t>(given);
  if (given != nullptr && value == nullptr) return false;
  const int64_t number = value == nullptr ? 0 : *value;
  if (kind == tl::Kind::kLong) {
    out_.i64(number);
    return true;
  }
  // What does not fit is a mistake of ours: an old layer has no room for it.
  if (number != static_cast<int32_t>(number)) return false;
  out_.i32(static_cast<int32_t>(number));
  return true;
}

bool LayerWriter::text(const Value* given) {
  const std::string* value = get<std::string>(given);
  if (given != nullptr && value == nullptr) return false;
  mtproto::write_tl_string(out_, value == nullptr ? ByteView() : as_bytes(*value));
  return true;
}

bool LayerWriter::raw(const Value* given, size_t bytes) {
  const std::string* value = get<std::string>(given);
  if (value == nullptr || value->size() != bytes) return false;
  out_.bytes(as_bytes(*value));
  return true;
}

bool LayerWriter::boxed(uint32_t type, const Value* given) {
  if (layer_.schema_->types[type].name == "Bool") {
    const bool* flag = get<bool>(given);
    if (given != nullptr && flag == nullptr) return false;
    const bool value = flag != nullptr && *flag;
    out_.u32(value ? mtproto::constructor::kBoolTrue : mtproto::constructor::kBoolFalse);
    return true;
  }
  const Object* nested = get<Object>(given);
  return nested != nullptr && object(type, *nested);
}

bool Layer::write_answer(const tl::Combinator& method, const Value& answer,
                         ByteAppender& out) const {
  return LayerWriter(*this, out).value(method.result, &answer);
}

bool Layer::write(std::string_view type, const Object& object, ByteAppender& out) const {
  const auto found = type_names_.find(type);
  return found != type_names_.end() && LayerWriter(*this, out).object(found->second, object);
}

bool Layer::write_call(const Object& call, ByteAppender& out) const {
  const tl::Combinator* called = method(call.name);
  return called != nullptr && LayerWriter(*this, out).body(*called, call);
}

}  // namespace ringway::tl::dynamic
