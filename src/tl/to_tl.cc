#include "tl/to_tl.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "tl/utf8.h"

namespace ringway::tl {
namespace {

Error error_of(Fault fault) {
  switch (fault) {
    case Fault::kUnknownField:
    case Fault::kForeignQuery:
      return Error::kNotAllowed;
    case Fault::kTooLarge:
    case Fault::kTooManyFields:
    case Fault::kStringTooLong:
      return Error::kTooLarge;
    default:
      return Error::kMalformed;
  }
}

}  // namespace

Result<uint32_t> ToTl::request(uint32_t method, ByteView proto, Output& out) {
  RW_ASSERT(layout_.contract().schema().is_method(method));
  RW_TRY(convert(Root::kCombinator, method, proto, out));
  return answered_;
}

Result<void> ToTl::combinator(uint32_t combinator, ByteView proto, Output& out) {
  return convert(Root::kCombinator, combinator, proto, out);
}

Result<void> ToTl::object(uint32_t type, ByteView proto, Output& out) {
  return convert(Root::kObject, type, proto, out);
}

Result<void> ToTl::answer(uint32_t method, ByteView proto, Output& out) {
  const Value& result = layout_.contract().schema().combinators[method].result;
  RW_ASSERT(result.kind != Kind::kQuery);
  if (!result.vector) return convert(Root::kObject, result.type, proto, out);
  return convert(Root::kAnswer, method, proto, out);
}

Result<void> ToTl::convert(Root root, uint32_t index, ByteView proto, Output& out) {
  out_ = &out;
  const size_t begin = out.size();
  problem_.clear();
  if (convert_root<ForwardFields>(root, index, proto)) return {};
  // Whatever it was, the rules of merging have the last word.
  ++sorted_messages_;
  out.truncate(begin);
  problem_.clear();
  list_.clear();
  const bool ok = convert_root<SortedFields>(root, index, proto);
  // One large message is no reason to keep so much for ever.
  if (list_.capacity() > kIndexedFieldsKept) std::vector<Field>().swap(list_);
  if (ok) return {};
  out.truncate(begin);
  return error_of(problem_.fault);
}

template <typename Fields>
bool ToTl::convert_root(Root root, uint32_t index, ByteView proto) {
  if (proto.size() > UINT32_MAX) return fail(Fault::kTooLarge);
  Fields fields;
  // The whole message as the one field of something around it.
  if constexpr (Fields::kSorted) {
    Field whole;
    whole.number = 1;
    whole.wire = kLengthDelimited;
    whole.data = proto.data();
    whole.bytes = static_cast<uint32_t>(proto.size());
    list_.push_back(whole);
    SortedFields outer(list_, 0, 1);
    if (!enter(outer, 1, root != Root::kObject, fields)) return false;
  } else {
    fields = ForwardFields(proto);
    if (!fields.next()) return fail(Fault::kBadProto);
  }
  const bool ok = root == Root::kCombinator ? body(fields, index, 1)
                  : root == Root::kObject   ? object(fields, index, 1)
                                            : vector_answer(fields, index);
  return ok && (!out_->over_limit() || fail(Fault::kTooLarge));
}

template <typename Fields>
bool ToTl::vector_answer(Fields& fields, uint32_t method) {
  uint32_t count = 0;
  const bool ok = fields.field().number == 1 ? vector(fields, layout_.answer_step(method), 0, count)
                                             : put32(kVectorId) && put32(0);
  if (!ok) return leave(method, Problem::kAnswer, count);
  const uint32_t number = fields.field().number;
  return number == Field::kEnd || fail(Fault::kUnknownField, number);
}

// Always false, as are all that fail.
bool ToTl::fail(Fault fault, uint32_t number) {
  problem_.fault = fault;
  problem_.number = number;
  return false;
}

bool ToTl::leave(uint32_t combinator, uint32_t param, uint32_t element) {
  problem_.trail.push_back({combinator, param, element});
  return false;
}

bool ToTl::enter(ForwardFields& outer, size_t /*run*/, bool /*sort*/, ForwardFields& inner) {
  inner = ForwardFields(outer.field().view());
  return inner.next() || fail(Fault::kBadProto);
}

bool ToTl::pick_member(ForwardFields& fields, const TypeRow& row) {
  const uint32_t number = fields.field().number;
  if (number == Field::kEnd) return fail(Fault::kUnset);
  return number - 1 < row.members || fail(Fault::kUnknownField, number);
}

template <typename Fields>
bool ToTl::object(Fields& fields, uint32_t type, unsigned depth) {
  const TypeRow& row = layout_.type(type);
  if (!pick_member(fields, row)) return false;
  const uint32_t combinator = layout_.member(row, fields.field().number);
  Fields inner;
  bool ok = fields.field().wire == kLengthDelimited || fail(Fault::kWireType);
  size_t run = 1;
  if constexpr (Fields::kSorted) run = list_.size() - fields.position();
  ok = ok && enter(fields, run, true, inner) && body(inner, combinator, depth);
  if (!ok) return leave(combinator, Problem::kMember);
  exit(inner);
  if constexpr (!Fields::kSorted) {
    if (!fields.next() || fields.field().number != Field::kEnd) return fail(Fault::kBadProto);
  }
  return true;
}

template <typename Fields>
bool ToTl::body(Fields& fields, uint32_t combinator, unsigned depth) {
  if (depth > kTranscodeDepthMax) return fail(Fault::kTooDeep);
  const Body& body = layout_.body(combinator);
  Words words;
  if constexpr (Fields::kSorted) find_present(fields, layout_.steps(body), words);
  if (layout_.contract().schema().is_method(combinator)) answered_ = combinator;
  if (!put32(body.id) || !steps(fields, combinator, words, depth)) return false;
  for (unsigned slot = 1; slot < body.slots; ++slot) {
    store_le(out_->at(words.position[slot]), words.set[slot]);
  }
  const uint32_t number = fields.field().number;
  return number == Field::kEnd || fail(Fault::kUnknownField, number);
}

template <typename Fields>
bool ToTl::steps(Fields& fields, uint32_t combinator, Words& words, unsigned depth) {
  const std::span<const Step> all = layout_.steps(layout_.body(combinator));
  uint32_t number = 0;
  for (const Step& step : all) {
    ++number;
    const uint32_t next = fields.field().number;
    uint32_t element = Problem::kNoElement;
    bool ok = true;
    if (next == number && step.tag.count != 0) {
      ok = present(fields, step, words, depth, element);
    } else if (next < number || next == number) {
      return fail(Fault::kUnknownField, next);  // or one that comes too late: then sorting helps
    } else {
      ok = absent(step, words);
    }
    if (!ok) return leave(combinator, number - 1, element);
  }
  return true;
}

// A parameter without a field.
bool ToTl::absent(const Step& step, Words& words) {
  if (step.op == Op::kTrue) return true;
  if (step.optional && (words.set[step.slot] >> step.bit & 1) == 0) {
    words.passed[step.slot] |= uint32_t{1} << step.bit;
    return true;
  }
  switch (step.op) {
    case Op::kFlags:
      words.position[step.own_slot] = out_->size();
      return put32(0);
    case Op::kInt:
    case Op::kString:
    case Op::kBytes:
      return put_zeros(4);
    case Op::kLong:
    case Op::kDouble:
      return put_zeros(8);
    case Op::kInt128:
      return put_zeros(16);
    case Op::kInt256:
      return put_zeros(32);
    case Op::kObject:
    case Op::kQuery:
      return fail(Fault::kMissing);
    default:
      return put32(kVectorId) && put32(0);
  }
}

// Sets the bit of an optional parameter that is there. False when an earlier one with the same bit
// has been left out already.
bool ToTl::announce(const Step& step, Words& words) {
  if (!step.optional) return true;
  const uint32_t bit = uint32_t{1} << step.bit;
  if ((words.passed[step.slot] & bit) != 0) return fail(Fault::kMissing);
  words.set[step.slot] |= bit;
  return true;
}

template <typename Fields>
bool ToTl::present(Fields& fields, const Step& step, Words& words, unsigned depth,
                   uint32_t& element) {
  if (is_vector(step.op)) {
    const size_t begin = out_->size();
    uint32_t count = 0;
    if (!vector(fields, step, depth, count)) {
      element = count;
      return false;
    }
    if (count != 0) return announce(step, words);
    // Fields without elements are as good as none.
    out_->truncate(begin);
    return absent(step, words);
  }
  if (is_nested(step.op)) return announce(step, words) && nested(fields, step, depth + 1);
  if constexpr (Fields::kSorted) fields.skip_to_last();
  if (fields.field().wire != step.wire) return fail(Fault::kWireType);
  if (step.op != Op::kFlags && (step.optional || step.op == Op::kTrue) &&
      !says_present(fields.field(), step)) {
    if (!absent(step, words)) return false;
  } else if (!scalar(fields.field(), step, words)) {
    return false;
  }
  return fields.next() || fail(Fault::kBadProto);
}

bool ToTl::scalar(const Field& field, const Step& step, Words& words) {
  if (!announce(step, words)) return false;
  switch (step.op) {
    case Op::kFlags:
      words.position[step.own_slot] = out_->size();
      words.set[step.own_slot] |= static_cast<uint32_t>(field.value);
      return put32(0);
    case Op::kTrue:
      return true;
    case Op::kInt:
      return put32(static_cast<uint32_t>(field.value));
    case Op::kLong:
    case Op::kDouble:
      return put64(field.value);
    case Op::kString:
      return string(field, true);
    case Op::kBytes:
      return string(field, false);
    case Op::kInt128:
    case Op::kInt256: {
      const size_t bytes = step.op == Op::kInt128 ? 16 : 32;
      // Without explicit presence, an empty field is one that is not there.
      if (field.bytes == 0 && !step.explicit_presence) return put_zeros(bytes);
      return fixed(field, bytes);
    }
    default:
      return fail(Fault::kWireType);
  }
}

template <typename Fields>
bool ToTl::nested(Fields& fields, const Step& step, unsigned depth) {
  if (fields.field().wire != kLengthDelimited) return fail(Fault::kWireType);
  if (step.op == Op::kQuery) return query(fields, depth);
  Fields inner;
  size_t run = 1;
  if constexpr (Fields::kSorted) {
    SortedFields last = fields;
    run = last.skip_to_last();
  }
  if (!enter(fields, run, false, inner) || !object(inner, step.type, depth)) return false;
  exit(inner);
  for (size_t i = 0; i < run; ++i) {
    if (!fields.next()) return fail(Fault::kBadProto);
  }
  return true;
}

// An Any: which request it is, and that request. Of what is doubled in it, the last counts.
template <typename Fields>
bool ToTl::query(Fields& fields, unsigned depth) {
  ByteView url;
  ByteView value;
  const uint32_t number = fields.field().number;
  while (fields.field().number == number) {
    if (fields.field().wire != kLengthDelimited) return fail(Fault::kWireType);
    ForwardFields parts(fields.field().view());
    for (;;) {
      if (!parts.next()) return fail(Fault::kBadProto);
      const Field& part = parts.field();
      if (part.number == Field::kEnd) break;
      if (part.number > 2) return fail(Fault::kUnknownField, part.number);
      if (part.wire != kLengthDelimited) return fail(Fault::kWireType);
      (part.number == 1 ? url : value) = part.view();
    }
    if (!fields.next()) return fail(Fault::kBadProto);
  }
  const std::string_view name = as_text(url);
  const auto method = layout_.contract().method_of_request(name.substr(name.rfind('/') + 1));
  if (!method || name.find('/') == std::string_view::npos) return fail(Fault::kForeignQuery);
  Fields inner;
  bool ok = true;
  if constexpr (Fields::kSorted) {
    const size_t first = list_.size();
    ok = index(value);
    if (ok) inner = sorted_from(first, true);
  } else {
    inner = ForwardFields(value);
    ok = inner.next() || fail(Fault::kBadProto);
  }
  if (!ok || !body(inner, *method, depth)) return leave(*method, Problem::kMember);
  exit(inner);
  return true;
}

template <typename Fields>
bool ToTl::vector(Fields& fields, const Step& step, unsigned depth, uint32_t& count) {
  const uint32_t number = fields.field().number;
  if (!put32(kVectorId)) return false;
  const size_t position = out_->size();
  if (!put32(0)) return false;
  while (fields.field().number == number) {
    const Field field = fields.field();
    bool ok = true;
    if (is_packed(step.op)) {
      ok = numbers(field, step, count);
    } else if (field.wire != kLengthDelimited) {
      ok = fail(Fault::kWireType);
    } else if (step.op == Op::kObjects) {
      Fields inner;
      ok = enter(fields, 1, false, inner) && object(inner, step.type, depth + 1);
      if (ok) exit(inner);
    } else if (step.op == Op::kStrings || step.op == Op::kBytesList) {
      ok = string(field, step.op == Op::kStrings);
    } else {
      ok = fixed(field, step.op == Op::kInt128s ? 16 : 32);
    }
    if (!ok) return false;
    if (!is_packed(step.op)) ++count;
    if (!fields.next()) return fail(Fault::kBadProto);
  }
  store_le(out_->at(position), count);
  return true;
}

// Numbers of a vector: a packed row of them, or one by itself.
bool ToTl::numbers(const Field& field, const Step& step, uint32_t& count) {
  const bool wide = step.op != Op::kInts;
  if (field.wire != kLengthDelimited) {
    if (field.wire != (step.op == Op::kDoubles ? kFixed64 : kVarint)) return fail(Fault::kWireType);
    ++count;
    return wide ? put64(field.value) : put32(static_cast<uint32_t>(field.value));
  }
  if (step.op == Op::kDoubles) {
    if (field.bytes % 8 != 0) return fail(Fault::kBadProto);
    uint8_t* to = out_->room_for(field.bytes);
    if (to == nullptr) return fail(Fault::kTooLarge);
    if (field.bytes != 0) std::memcpy(to, field.data, field.bytes);
    out_->written_to(to + field.bytes);
    count += field.bytes / 8;
    return true;
  }
  const uint8_t* at = field.data;
  const uint8_t* end = at + field.bytes;
  for (uint64_t value = 0; at != end; ++count) {
    if (!get_varint(at, end, value)) return fail(Fault::kBadProto);
    if (!(wide ? put64(value) : put32(static_cast<uint32_t>(value)))) return false;
  }
  return true;
}

bool ToTl::string(const Field& field, bool text) {
  const ByteView value = field.view();
  if (value.size() > kTlStringBytesMax) return fail(Fault::kStringTooLong);
  if (text && !is_utf8(value)) return fail(Fault::kNotUtf8);
  const size_t head = value.size() < 254 ? 1 : 4;
  const size_t whole = (head + value.size() + 3) & ~size_t{3};
  uint8_t* to = out_->room_for(whole + 4);
  if (to == nullptr) return fail(Fault::kTooLarge);
  uint8_t* const end = to + whole;
  store_le(end - 4, uint32_t{0});  // the padding, before what may stand in its place
  if (head == 1) {
    *to = static_cast<uint8_t>(value.size());
  } else {
    store_le(to, static_cast<uint32_t>(value.size() << 8 | 254));
  }
  if (!value.empty()) std::memcpy(to + head, value.data(), value.size());
  out_->written_to(end);
  return true;
}

bool ToTl::fixed(const Field& field, size_t bytes) {
  if (field.bytes != bytes) return fail(Fault::kFixedBytes, static_cast<uint32_t>(bytes));
  uint8_t* to = out_->room_for(bytes);
  if (to == nullptr) return fail(Fault::kTooLarge);
  std::memcpy(to, field.data, bytes);
  out_->written_to(to + bytes);
  return true;
}

bool ToTl::put32(uint32_t value) {
  uint8_t* to = out_->room_for(sizeof value);
  if (to == nullptr) return fail(Fault::kTooLarge);
  store_le(to, value);
  out_->written_to(to + sizeof value);
  return true;
}

bool ToTl::put64(uint64_t value) {
  uint8_t* to = out_->room_for(sizeof value);
  if (to == nullptr) return fail(Fault::kTooLarge);
  store_le(to, value);
  out_->written_to(to + sizeof value);
  return true;
}

bool ToTl::put_zeros(size_t bytes) {
  uint8_t* to = out_->room_for(bytes);
  if (to == nullptr) return fail(Fault::kTooLarge);
  std::memset(to, 0, bytes);
  out_->written_to(to + bytes);
  return true;
}

}  // namespace ringway::tl
