// Fuzzing of what looks into messages by the names of their fields.
//
// The first byte chooses the layer (bits 0 and 1) and what the bytes are (bits 2 and 3): an object,
// the answer to a method, or a query; the next two choose the method. What is taken lies inside the
// input, is within the limits, and comes back: written, it is read again as what it was, with the
// same fields, and gives the same bytes.
#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "fuzz_support.h"
#include "tl/dynamic/layer.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

using namespace ringway;
using fuzz::require;
using tl::dynamic::Field;
using tl::dynamic::Layer;
using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

namespace {

constexpr size_t kInputBytesMax = 32 * 1024;
constexpr size_t kHeaderBytes = 3;

struct Known {
  explicit Known(int number)
      : schema(tl::parse_schema(*tl::embedded_schema(number)).schema), layer(number, schema) {}

  const std::shared_ptr<const tl::Schema> schema;
  const Layer layer;
};

const Known& known(uint8_t choice) {
  static const std::array<Known, 3> all = {Known(tl::kCompatLayer), Known(tl::kMiddleLayer),
                                           Known(tl::kModernLayer)};
  return all[(choice & 3) % all.size()];
}

const tl::Combinator& method_of(const Known& in, uint16_t choice) {
  return in.schema->combinators[in.schema->constructor_count + choice % in.schema->method_count()];
}

class Checker {
 public:
  Checker(const Known& in, ByteView input, size_t values_max)
      : in_(in), input_(input), values_left_(values_max) {}

  void request(const tl::Combinator& method, const Object& request) {
    object(request, 0);
    all_there(method, request, input_);
  }

  // An object counts when it stands in another or in a list.
  void object(const Object& object, size_t depth) {
    require(depth <= kTranscodeDepthMax + 1);
    if (!object.bytes.empty()) {
      require(object.bytes.data() >= input_.data() &&
              object.bytes.data() + object.bytes.size() <= input_.data() + input_.size());
      all_there(*in_.layer.constructor(object.name), object,
                object.bytes.subspan(sizeof(uint32_t)));
    }
    for (const auto& field : object.fields) {
      require(object.find(field.name) != nullptr);
      value(field.value, depth);
    }
  }
  void value(const Value& value, size_t depth) {
    if (const auto* list = std::get_if<List>(&value.data)) {
      for (const Value& element : *list) this->value(element, depth);
      return;
    }
    // Flags take no bytes, and so no place.
    if (std::holds_alternative<bool>(value.data)) return;
    require(values_left_-- > 0);
    if (const auto* nested = std::get_if<Object>(&value.data)) object(*nested, depth + 1);
  }

 private:
  // Just the fields that the flags announce, by the words that stand before all else.
  static void all_there(const tl::Combinator& combinator, const Object& object, ByteView body) {
    std::vector<uint32_t> words;
    bool at_begin = true;
    for (const tl::Param& param : combinator.params) {
      if (param.value.kind == tl::Kind::kFlags) {
        if (at_begin) words.push_back(load_le<uint32_t>(&body[words.size() * sizeof(uint32_t)]));
        continue;
      }
      at_begin = false;
      if (param.optional() && param.word >= words.size()) continue;
      const bool there = !param.optional() || (words[param.word] >> param.bit & 1) != 0;
      require((object.find(param.name) != nullptr) == there);
    }
  }

  const Known& in_;
  ByteView input_;
  size_t values_left_;
};

// Whether two say the same, wherever they stood; doubles by their bits, for NaN is none of its own.
bool same(const Value& one, const Value& other);

bool same(const Object& one, const Object& other) {
  const auto same_field = [](const Field& a, const Field& b) {
    return a.name == b.name && same(a.value, b.value);
  };
  return one.name == other.name && std::ranges::equal(one.fields, other.fields, same_field);
}

bool same(const Value& one, const Value& other) {
  if (one.data.index() != other.data.index()) return false;
  const auto same_data = [&]<typename T>(const T& data) {
    const T& its = std::get<T>(other.data);
    if constexpr (std::is_same_v<T, double>) {
      return std::bit_cast<uint64_t>(data) == std::bit_cast<uint64_t>(its);
    } else if constexpr (std::is_same_v<T, List>) {
      return std::ranges::equal(data, its,
                                [](const Value& a, const Value& b) { return same(a, b); });
    } else if constexpr (std::is_same_v<T, Object>) {
      return same(data, its);
    } else {
      return data == its;
    }
  };
  return std::visit(same_data, one.data);
}

void check_object(const Known& in, ByteView input) {
  const auto read = in.layer.read_object(input);
  if (!read.ok()) return;
  Checker(in, input, kTlAnswerValuesMax).object(*read, 0);
  require(read->bytes.size() == input.size());
  const std::string& type = in.schema->types[in.layer.constructor(read->name)->result.type].name;
  Bytes written;
  ByteAppender out(written);
  require(in.layer.write(type, *read, out));
  const auto again = in.layer.read_object(written);
  require(again.ok() && same(*again, *read));
  Bytes rewritten;
  ByteAppender to_rewritten(rewritten);
  require(in.layer.write(type, *again, to_rewritten) && rewritten == written);
}

void check_answer(const Known& in, const tl::Combinator& method, ByteView input) {
  const auto read = in.layer.read_answer(method, input);
  if (!read.ok()) return;
  Checker(in, input, kTlAnswerValuesMax).value(*read, 0);
  Bytes written;
  ByteAppender out(written);
  require(in.layer.write_answer(method, *read, out));
  const auto again = in.layer.read_answer(method, written);
  require(again.ok() && same(*again, *read));
  Bytes rewritten;
  ByteAppender to_rewritten(rewritten);
  require(in.layer.write_answer(method, *again, to_rewritten) && rewritten == written);
}

void check_query(const Known& in, const tl::Combinator& method, ByteView input) {
  const auto read = in.layer.read(method.id, input);
  if (!read.ok()) return;
  require(read->method->id == method.id);
  Checker(in, input, kTlQueryValuesMax).request(method, read->request);
  Bytes written;
  ByteAppender out(written);
  require(in.layer.write_call(read->request, out));
  const auto again = in.layer.read(method.id, ByteView(written).subspan(sizeof(uint32_t)));
  require(again.ok() && same(again->request, read->request));
  Bytes rewritten;
  ByteAppender to_rewritten(rewritten);
  require(in.layer.write_call(again->request, to_rewritten) && rewritten == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeaderBytes || size > kInputBytesMax) return 0;
  const Known& in = known(data[0]);
  const tl::Combinator& method = method_of(in, load_le<uint16_t>(data + 1));
  const ByteView input(data + kHeaderBytes, size - kHeaderBytes);
  switch (data[0] >> 2 & 3) {
    case 0:
      check_object(in, input);
      break;
    case 1:
      check_answer(in, method, input);
      break;
    default:
      check_query(in, method, input);
  }
  return 0;
}
