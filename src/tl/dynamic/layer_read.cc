// Reading; see layer.h.
#include <array>
#include <bit>

#include "base/limits.h"
#include "mtproto/tl.h"
#include "tl/dynamic/layer.h"

namespace ringway::tl::dynamic {

class LayerReader {
 public:
  LayerReader(const Layer& layer, ByteView bytes, size_t values_max, size_t depth_max)
      : layer_(layer), whole_(bytes), in_(bytes), values_left_(values_max), depth_max_(depth_max) {}

  Result<Object> body(const tl::Combinator& combinator, size_t depth);
  Result<Object> any_object();
  Result<Value> value(const tl::Value& kind, size_t depth);
  [[nodiscard]] bool at_end() const noexcept { return in_.empty(); }

 private:
  Result<Value> one(const tl::Value& kind, size_t depth);
  Result<Value> boxed(uint32_t type, size_t depth);

  const Layer& layer_;
  ByteView whole_;
  ByteReader in_;
  size_t values_left_;
  size_t depth_max_;
};

// What servers send is deeper than what clients do: pages of blocks of texts within texts.
constexpr size_t kAnswerDepthMax = kTranscodeDepthMax;

Result<Object> LayerReader::body(const tl::Combinator& combinator, size_t depth) {
  if (depth > depth_max_) return Error::kTooLarge;
  Object object{combinator.name, {}};
  std::array<uint32_t, kSchemaFlagsWordsMax> words{};
  size_t words_read = 0;
  for (const tl::Param& param : combinator.params) {
    if (param.value.kind == tl::Kind::kFlags) {
      RW_TRY_ASSIGN(words.at(words_read), in_.u32());
      ++words_read;
      continue;
    }
    const bool there = !param.optional() || (words.at(param.word) >> param.bit & 1) != 0;
    if (!there) continue;
    if (param.value.kind == tl::Kind::kTrue) {
      object.fields.push_back({param.name, true});
      continue;
    }
    RW_TRY_ASSIGN(Value read, value(param.value, depth));
    object.fields.push_back({param.name, std::move(read)});
  }
  return object;
}

Result<Value> LayerReader::value(const tl::Value& kind, size_t depth) {
  if (!kind.vector) return one(kind, depth);
  RW_TRY_ASSIGN(const uint32_t id, in_.u32());
  if (id != tl::kVectorId) return Error::kMalformed;
  RW_TRY_ASSIGN(const uint32_t count, in_.u32());
  // The least element takes four bytes.
  if (count > in_.remaining() / 4) return Error::kTruncated;
  if (count > values_left_) return Error::kTooLarge;
  List list;
  list.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    RW_TRY_ASSIGN(Value element, one(kind, depth));
    list.push_back(std::move(element));
  }
  return Value(std::move(list));
}

Result<Value> LayerReader::one(const tl::Value& kind, size_t depth) {
  if (values_left_ == 0) return Error::kTooLarge;
  --values_left_;
  switch (kind.kind) {
    case tl::Kind::kInt: {
      RW_TRY_ASSIGN(const int32_t number, in_.i32());
      return Value(number);
    }
    case tl::Kind::kLong: {
      RW_TRY_ASSIGN(const int64_t number, in_.i64());
      return Value(number);
    }
    case tl::Kind::kDouble: {
      RW_TRY_ASSIGN(const uint64_t bits, in_.u64());
      return Value(std::bit_cast<double>(bits));
    }
    case tl::Kind::kString:
    case tl::Kind::kBytes: {
      RW_TRY_ASSIGN(const ByteView text, mtproto::read_tl_string(in_));
      return Value(as_text(text));
    }
    case tl::Kind::kInt128:
    case tl::Kind::kInt256: {
      RW_TRY_ASSIGN(const ByteView raw, in_.bytes(kind.kind == tl::Kind::kInt128 ? 16 : 32));
      return Value(as_text(raw));
    }
    case tl::Kind::kObject:
      return boxed(kind.type, depth + 1);
    default:
      return Error::kMalformed;  // a query in a query has been unwrapped before
  }
}

Result<Value> LayerReader::boxed(uint32_t type, size_t depth) {
  const size_t begin = whole_.size() - in_.remaining();
  RW_TRY_ASSIGN(const uint32_t id, in_.u32());
  const auto found = layer_.by_id_.find(id);
  if (found == layer_.by_id_.end()) return Error::kMalformed;
  const tl::Combinator& combinator = layer_.schema_->combinators[found->second];
  if (layer_.schema_->is_method(found->second) || combinator.result.type != type) {
    return Error::kMalformed;
  }
  if (id == mtproto::constructor::kBoolTrue || id == mtproto::constructor::kBoolFalse) {
    return Value(id == mtproto::constructor::kBoolTrue);
  }
  RW_TRY_ASSIGN(Object object, body(combinator, depth));
  object.bytes = whole_.subspan(begin, whole_.size() - in_.remaining() - begin);
  return Value(std::move(object));
}

Result<Object> LayerReader::any_object() {
  ByteReader ahead = in_;
  RW_TRY_ASSIGN(const uint32_t id, ahead.u32());
  const auto found = layer_.by_id_.find(id);
  if (found == layer_.by_id_.end() || layer_.schema_->is_method(found->second)) {
    return Error::kNotFound;
  }
  RW_TRY_ASSIGN(Value read, boxed(layer_.schema_->combinators[found->second].result.type, 0));
  Object* object = std::get_if<Object>(&read.data);
  if (object == nullptr) return Error::kMalformed;  // a Bool
  return std::move(*object);
}

Result<Query> Layer::read(uint32_t constructor, ByteView arguments) const {
  const auto found = by_id_.find(constructor);
  if (found == by_id_.end() || !schema_->is_method(found->second)) return Error::kNotFound;
  const tl::Combinator& method = schema_->combinators[found->second];
  LayerReader reader(*this, arguments, kTlQueryValuesMax, kTlValueDepthMax);
  RW_TRY_ASSIGN(Object request, reader.body(method, 0));
  if (!reader.at_end()) return Error::kTrailing;
  return Query{&method, std::move(request)};
}

Result<Object> Layer::read_object(ByteView tl) const {
  LayerReader reader(*this, tl, kTlAnswerValuesMax, kAnswerDepthMax);
  RW_TRY_ASSIGN(Object object, reader.any_object());
  if (!reader.at_end()) return Error::kTrailing;
  return object;
}

Result<Value> Layer::read_answer(const tl::Combinator& method, ByteView tl) const {
  LayerReader reader(*this, tl, kTlAnswerValuesMax, kAnswerDepthMax);
  RW_TRY_ASSIGN(Value answer, reader.value(method.result, 0));
  if (!reader.at_end()) return Error::kTrailing;
  return answer;
}

}  // namespace ringway::tl::dynamic
