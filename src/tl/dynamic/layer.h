// tl/dynamic/layer: one layer's schema, read and written by names.
//
// For those who look into messages, or make a few: every layout comes from the schema, so no TL is
// typed by hand. That needs neither generated code nor protobuf's runtime; the price is an
// allocation per field, which transcoding (tl/to_tl, tl/to_proto) does not pay.
//
// Immutable once made; any thread.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tl/dynamic/value.h"
#include "tl/schema.h"

namespace ringway::tl::dynamic {

struct Query {
  const tl::Combinator* method = nullptr;
  Object request;
};

class Layer {
 public:
  Layer(int number, std::shared_ptr<const tl::Schema> schema);

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] const tl::Schema& schema() const noexcept { return *schema_; }
  // Whether there is a constructor of this name, and whether its field is an object.
  [[nodiscard]] bool has(std::string_view constructor) const;
  [[nodiscard]] bool is_object(std::string_view constructor, std::string_view field) const;
  // The type of what a method answers; empty for vectors.
  [[nodiscard]] std::string_view result_type(const tl::Combinator& method) const;

  // All of these: kTruncated, kMalformed, kTrailing: not what the layer has. kTooLarge: more than
  // kTlQueryValuesMax values in a query or kTlAnswerValuesMax in an answer, or too deep. kNotFound:
  // no method, or no constructor, of this layer.
  [[nodiscard]] Result<Query> read(uint32_t constructor, ByteView arguments) const;
  // A boxed object of any type.
  [[nodiscard]] Result<Object> read_object(ByteView tl) const;
  // What `method` answers.
  [[nodiscard]] Result<Value> read_answer(const tl::Combinator& method, ByteView tl) const;

  // Null when the layer has no method, or no constructor, of this name.
  [[nodiscard]] const tl::Combinator* method(std::string_view name) const;
  [[nodiscard]] const tl::Combinator* constructor(std::string_view name) const;
  // The ids of a type's constructors; empty when the layer has no such type.
  [[nodiscard]] std::vector<uint32_t> constructors_of(std::string_view type) const;
  // Appends a call: the method's id and its parameters. Rules as below.
  [[nodiscard]] bool write_call(const Object& call, ByteAppender& out) const;
  // Appends what `method` answers, and an object of the type of this name. Fields that the layer
  // does not have are left out; numbers, texts, Bools and vectors that are not given are 0, empty
  // and false. False, with nothing of use in `out`: the layer has no such constructor there, or an
  // object is missing.
  [[nodiscard]] bool write_answer(const tl::Combinator& method, const Value& answer,
                                  ByteAppender& out) const;
  [[nodiscard]] bool write(std::string_view type, const Object& object, ByteAppender& out) const;

 private:
  friend class LayerReader;
  friend class LayerWriter;

  int number_;
  std::shared_ptr<const tl::Schema> schema_;
  std::unordered_map<uint32_t, uint32_t> by_id_;            // of combinators
  std::unordered_map<std::string_view, uint32_t> by_name_;  // of constructors
  std::unordered_map<std::string_view, uint32_t> methods_;
  std::unordered_map<std::string_view, uint32_t> type_names_;  // of types
};

// The layers that are part of the program. Loaded when first asked for, then there for good.
class Layers {
 public:
  // The nearest one at or below; the lowest for 0 and for what is below all.
  [[nodiscard]] static const Layer& nearest(int number);
};

}  // namespace ringway::tl::dynamic
