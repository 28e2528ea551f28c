#include "proxy/wrappers.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace ringway::proxy {
namespace {

using tl::Op;

// Walks over TL that tl::ToTl has made: still nothing is read past its end.
class Skipper {
 public:
  Skipper(const tl::Layout& layout, ByteView tl) noexcept : layout_(layout), reader_(tl) {}

  // From behind a combinator's id to its query, or to its end; false when the bytes do not fit.
  bool parameters(uint32_t combinator, unsigned depth, bool& at_query) {
    if (depth > kTranscodeDepthMax) return false;
    const tl::Body& body = layout_.body(combinator);
    uint32_t words[kSchemaFlagsWordsMax + 1] = {1};
    for (const tl::Step& step : layout_.steps(body)) {
      if ((words[step.slot] >> step.bit & 1) == 0) continue;
      if (step.op == Op::kQuery) {
        at_query = true;
        return true;
      }
      if (step.op == Op::kFlags) {
        const auto word = reader_.u32();
        if (!word) return false;
        words[step.own_slot] = *word;
      } else if (!value(step, depth)) {
        return false;
      }
    }
    return true;
  }
  Result<uint32_t> id() { return reader_.u32(); }
  [[nodiscard]] size_t position() const noexcept { return reader_.position(); }

 private:
  bool value(const tl::Step& step, unsigned depth) {
    if (!is_vector(step.op)) return single(step.op, depth);
    const auto vector_id = reader_.u32();
    const auto count = reader_.u32();
    if (!vector_id || !count || *count > reader_.remaining()) return false;
    const Op element = element_of(step.op);
    for (uint32_t i = 0; i < *count; ++i) {
      if (!single(element, depth)) return false;
    }
    return true;
  }
  static Op element_of(Op op) noexcept {
    switch (op) {
      case Op::kInts:
        return Op::kInt;
      case Op::kLongs:
        return Op::kLong;
      case Op::kDoubles:
        return Op::kDouble;
      case Op::kStrings:
      case Op::kBytesList:
        return Op::kString;
      case Op::kInt128s:
        return Op::kInt128;
      case Op::kInt256s:
        return Op::kInt256;
      default:
        return Op::kObject;
    }
  }
  bool single(Op op, unsigned depth) {
    switch (op) {
      case Op::kTrue:
        return true;
      case Op::kInt:
        return reader_.skip(4).ok();
      case Op::kLong:
      case Op::kDouble:
        return reader_.skip(8).ok();
      case Op::kInt128:
        return reader_.skip(16).ok();
      case Op::kInt256:
        return reader_.skip(32).ok();
      case Op::kString:
      case Op::kBytes:
        return string();
      default:
        return object(depth);
    }
  }
  bool string() {
    constexpr uint8_t kLongForm = 254;
    const auto first = reader_.u8();
    if (!first) return false;
    size_t length = *first;
    size_t header = 1;
    if (*first == kLongForm) {
      const auto low = reader_.u16();
      const auto high = reader_.u8();
      if (!low || !high) return false;
      length = size_t{*high} << 16 | *low;
      header = 4;
    }
    const size_t padded = (header + length + 3) / 4 * 4;
    return reader_.skip(padded - header).ok();
  }
  bool object(unsigned depth) {
    const auto constructor = reader_.u32();
    if (!constructor) return false;
    const uint32_t combinator = layout_.by_id(*constructor);
    bool at_query = false;
    return combinator != tl::Layout::kNone && parameters(combinator, depth + 1, at_query) &&
           !at_query;
  }

  const tl::Layout& layout_;
  ByteReader reader_;
};

std::string foreign_layer(int theirs, int ours) {
  return fmt::format("invokeWithLayer: this session speaks layer {}, not {}", ours, theirs);
}

// The layer that invokeWithLayer names is its first parameter.
int layer_at(ByteView tl, size_t behind_id) {
  ByteReader reader(tl.subspan(behind_id));
  const auto layer = reader.i32();
  return layer ? *layer : 0;
}

}  // namespace

Unwrapped unwrap(const tl::Layout& layout, const MethodTable& table, int layer, uint32_t method,
                 ByteView tl) {
  Unwrapped result;
  Skipper skipper(layout, tl);
  const auto refuse = [&](std::string why) {
    result.refused = std::move(why);
    return result;
  };
  while (true) {
    const size_t begin = skipper.position();
    const auto id = skipper.id();
    if (!id || layout.by_id(*id) != method) return refuse("a call that is not what it seems");
    const MethodRow& row = table.row(method);
    const std::string& name = layout.contract().schema().combinators[method].name;
    switch (row.wrapper) {
      case Wrapper::kNone:
        result.methods.push_back(method);
        if (result.methods.size() == 1) result.skip = begin;
        return result;
      case Wrapper::kAfter:
        return refuse(name + ": name an order by the metadata x-ringway-order instead");
      case Wrapper::kLayer:
        if (const int theirs = layer_at(tl, skipper.position()); theirs != layer) {
          return refuse(foreign_layer(theirs, layer));
        }
        [[fallthrough]];
      case Wrapper::kConnection:
        if (!result.methods.empty()) return refuse(name + ": may not stand inside another call");
        break;
      case Wrapper::kOther:
        result.methods.push_back(method);
        if (result.methods.size() == 1) result.skip = begin;
        break;
    }
    bool at_query = false;
    if (!skipper.parameters(method, 0, at_query) || !at_query ||
        tl.size() - skipper.position() < 4) {
      return refuse(name + ": has no query");
    }
    method = layout.by_id(load_le<uint32_t>(tl.data() + skipper.position()));
    if (method == tl::Layout::kNone || method < table.first_method()) {
      return refuse(name + ": its query is no method");
    }
  }
}

}  // namespace ringway::proxy
