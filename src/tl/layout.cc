#include "tl/layout.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

namespace ringway::tl {
namespace {

// How often the least sizes of types are made from each other; each round only raises them.
constexpr int kSizeRounds = 4;

Op op_of(const Value& value) {
  switch (value.kind) {
    case Kind::kFlags:
      return Op::kFlags;
    case Kind::kTrue:
      return Op::kTrue;
    case Kind::kInt:
      return value.vector ? Op::kInts : Op::kInt;
    case Kind::kLong:
      return value.vector ? Op::kLongs : Op::kLong;
    case Kind::kDouble:
      return value.vector ? Op::kDoubles : Op::kDouble;
    case Kind::kString:
      return value.vector ? Op::kStrings : Op::kString;
    case Kind::kBytes:
      return value.vector ? Op::kBytesList : Op::kBytes;
    case Kind::kInt128:
      return value.vector ? Op::kInt128s : Op::kInt128;
    case Kind::kInt256:
      return value.vector ? Op::kInt256s : Op::kInt256;
    case Kind::kObject:
      return value.vector ? Op::kObjects : Op::kObject;
    case Kind::kQuery:
      return Op::kQuery;
  }
  return Op::kQuery;
}

WireType wire_of(Op op) {
  switch (op) {
    case Op::kFlags:
    case Op::kTrue:
    case Op::kInt:
    case Op::kLong:
      return kVarint;
    case Op::kDouble:
      return kFixed64;
    default:
      return kLengthDelimited;
  }
}

Tag make_tag(uint32_t number, WireType wire) {
  uint8_t raw[kVarintBytesMax] = {};
  Tag tag;
  tag.count = static_cast<uint8_t>(put_varint(raw, number << 3 | wire) - raw);
  static_assert(kSchemaConstructorsMax << 3 < 1 << 21, "a tag is three bytes at most");
  tag.bytes = load_le<uint32_t>(raw);
  return tag;
}

}  // namespace

Layout::Layout(const Contract& contract) : contract_(contract) {
  const Schema& schema = contract.schema();
  bodies_.reserve(schema.combinators.size());
  for (uint32_t i = 0; i < schema.combinators.size(); ++i) add_body(i);
  add_types();
  add_ids();
}

void Layout::add_body(uint32_t combinator) {
  const Schema& schema = contract_.schema();
  const Combinator& source = schema.combinators[combinator];
  Body body;
  body.id = source.id;
  body.first_step = static_cast<uint32_t>(steps_.size());
  body.steps = static_cast<uint16_t>(source.params.size());
  if (!schema.is_method(combinator)) {
    body.type = source.result.type;
    body.member = make_tag(source.number, kLengthDelimited);
  }
  for (uint32_t i = 0; i < source.params.size(); ++i) {
    const Param& param = source.params[i];
    Step step;
    step.op = op_of(param.value);
    step.wire = wire_of(step.op);
    step.type = param.value.type;
    step.optional = param.optional();
    if (step.optional) {
      step.slot = static_cast<uint8_t>(param.word + 1);
      step.bit = param.bit;
    }
    if (step.op == Op::kFlags) step.own_slot = body.slots++;
    if (const FieldSpec* field = contract_.field_of(combinator, i)) {
      step.tag = make_tag(i + 1, step.wire);
      step.explicit_presence = field->optional;
    }
    steps_.push_back(step);
  }
  bodies_.push_back(body);
}

void Layout::add_types() {
  for (const Type& type : contract_.schema().types) {
    TypeRow row;
    row.first_member = static_cast<uint32_t>(members_.size());
    row.members = static_cast<uint32_t>(type.constructors.size());
    members_.insert(members_.end(), type.constructors.begin(), type.constructors.end());
    types_.push_back(row);
  }
  for (int round = 0; round < kSizeRounds; ++round) {
    for (TypeRow& row : types_) {
      uint32_t least = UINT32_MAX;
      for (uint32_t number = 1; number <= row.members; ++number) {
        least = std::min(least, body_bytes_min(bodies_[member(row, number)]));
      }
      row.bytes_min = std::max(row.bytes_min, least);
    }
  }
}

uint32_t Layout::body_bytes_min(const Body& body) const noexcept {
  uint64_t bytes = 4;
  for (const Step& step : steps(body)) {
    if (step.optional) continue;
    bytes += is_vector(step.op) ? 8 : element_bytes_min(step);
  }
  // A type that needs itself has no finite value; a bound is enough of it.
  return static_cast<uint32_t>(std::min<uint64_t>(bytes, kTranscodedBytesMax));
}

uint32_t Layout::element_bytes_min(const Step& step) const noexcept {
  switch (step.op) {
    case Op::kLong:
    case Op::kLongs:
    case Op::kDouble:
    case Op::kDoubles:
      return 8;
    case Op::kInt128:
    case Op::kInt128s:
      return 16;
    case Op::kInt256:
    case Op::kInt256s:
      return 32;
    case Op::kObject:
    case Op::kObjects:
      return types_[step.type].bytes_min;
    default:
      return 4;
  }
}

void Layout::add_ids() {
  const size_t slots = std::bit_ceil(bodies_.size() * 2 + 1);
  ids_.resize(slots);
  id_shift_ = 32 - std::countr_zero(slots);
  for (uint32_t i = 0; i < bodies_.size(); ++i) {
    size_t slot = bodies_[i].id * kIdFactor >> id_shift_;
    while (ids_[slot].combinator != kNone) slot = (slot + 1) & (slots - 1);
    ids_[slot] = {bodies_[i].id, i};
  }
}

Step Layout::answer_step(uint32_t method) const noexcept {
  const Value& result = contract_.schema().combinators[method].result;
  RW_ASSERT(result.vector);
  Step step;
  step.op = op_of(result);
  step.wire = wire_of(step.op);
  step.type = result.type;
  step.tag = make_tag(1, step.wire);
  return step;
}

}  // namespace ringway::tl
