#include "tl/to_proto.h"

#include <cstring>

#include "base/assert.h"
#include "tl/utf8.h"
#include "tl/wire.h"

namespace ringway::tl {
namespace {

// The most that a tag and a number behind it take, with what a tag is stored over.
constexpr size_t kScalarRoom = 16;
constexpr std::string_view kUrlPrefix = "type.googleapis.com/";
constexpr Tag kUrlTag{0x0a, 1};
constexpr Tag kValueTag{0x12, 1};

// Stores four bytes, of which tag.count stay.
uint8_t* put_tag(uint8_t* out, const Tag& tag) noexcept {
  store_le(out, tag.bytes);
  return out + tag.count;
}

Error error_of(Fault fault) {
  switch (fault) {
    case Fault::kTruncated:
      return Error::kTruncated;
    case Fault::kTrailing:
      return Error::kTrailing;
    case Fault::kTooLarge:
      return Error::kTooLarge;
    default:
      return Error::kMalformed;
  }
}

}  // namespace

void ToProto::start(ByteView tl, Output& out) noexcept {
  at_ = tl.data();
  end_ = tl.data() + tl.size();
  out_ = &out;
  problem_.clear();
}

Result<void> ToProto::finish(bool ok, size_t begin) {
  if (ok && at_ != end_) ok = fail(Fault::kTrailing);
  if (ok && out_->over_limit()) ok = fail(Fault::kTooLarge);
  if (ok) return {};
  out_->truncate(begin);
  return error_of(problem_.fault);
}

// Always false, as are all that fail.
bool ToProto::fail(Fault fault, uint32_t number) {
  problem_.fault = fault;
  problem_.number = number;
  return false;
}

bool ToProto::leave(uint32_t combinator, uint32_t param, uint32_t element) {
  problem_.trail.push_back({combinator, param, element});
  return false;
}

Result<void> ToProto::object(uint32_t type, ByteView tl, Output& out) {
  start(tl, out);
  const size_t begin = out.size();
  uint32_t combinator = 0;
  size_t content = 0;
  bool ok = member(type, combinator) && open(layout_.body(combinator).member, content);
  if (ok && !body(combinator, 1)) ok = leave(combinator, Problem::kMember);
  return finish(ok && close(content), begin);
}

Result<uint32_t> ToProto::combinator(ByteView tl, Output& out) {
  start(tl, out);
  const size_t begin = out.size();
  uint32_t found = Layout::kNone;
  bool ok = left() >= 4 || fail(Fault::kTruncated);
  if (ok) {
    const auto id = load_le<uint32_t>(at_);
    at_ += 4;
    found = layout_.by_id(id);
    ok = found != Layout::kNone ? body(found, 1) : fail(Fault::kUnknownConstructor, id);
  }
  RW_TRY(finish(ok, begin));
  return found;
}

Result<void> ToProto::answer(uint32_t method, uint32_t answered, ByteView tl, Output& out) {
  start(tl, out);
  const size_t begin = out.size();
  const Contract& contract = layout_.contract();
  RW_ASSERT(contract.answer_of(answered) != Contract::kAnyMessage);
  if (contract.answer_of(method) != Contract::kAnyMessage) {
    RW_ASSERT(contract.answer_of(method) == contract.answer_of(answered));
    return finish(result_value(answered), begin);
  }
  size_t content = 0;
  const std::string url =
      std::string(kUrlPrefix) + contract.full_name(contract.answer_of(answered));
  const bool ok = put_string(kUrlTag, as_bytes(url)) && open(kValueTag, content) &&
                  result_value(answered) && close(content);
  return finish(ok, begin);
}

// The answer of a method that is not X.
bool ToProto::result_value(uint32_t method) {
  const Value& result = layout_.contract().schema().combinators[method].result;
  if (result.vector) return vector(layout_.answer_step(method), method, Problem::kAnswer, 0);
  uint32_t combinator = 0;
  size_t content = 0;
  if (!member(result.type, combinator) || !open(layout_.body(combinator).member, content)) {
    return false;
  }
  if (!body(combinator, 1)) return leave(combinator, Problem::kMember);
  return close(content);
}

bool ToProto::body(uint32_t combinator, unsigned depth) {
  if (depth > kTranscodeDepthMax) return fail(Fault::kTooDeep);
  uint32_t words[kSchemaFlagsWordsMax + 1];
  words[0] = 1;
  const std::span<const Step> steps = layout_.steps(layout_.body(combinator));
  for (const Step& one : steps) {
    if ((words[one.slot] >> one.bit & 1) == 0) continue;
    const auto param = static_cast<uint32_t>(&one - steps.data());
    if (!step(one, words, combinator, param, depth)) return false;
  }
  return true;
}

inline bool ToProto::step(const Step& step, uint32_t* words, uint32_t combinator, uint32_t param,
                          unsigned depth) {
  bool ok = true;
  switch (step.op) {
    case Op::kFlags:
      if (left() >= 4) words[step.own_slot] = load_le<uint32_t>(at_);
      ok = number32(step);
      break;
    case Op::kInt:
      ok = number32(step);
      break;
    case Op::kTrue:
      if (step.tag.count != 0) {
        uint8_t* to = out_->room_for(kScalarRoom);
        if (to == nullptr) return fail(Fault::kTooLarge) || leave(combinator, param);
        to = put_tag(to, step.tag);
        *to++ = 1;
        out_->written_to(to);
      }
      break;
    case Op::kLong:
      ok = number64(step);
      break;
    case Op::kDouble:
      ok = real(step);
      break;
    case Op::kString:
      ok = text(step);
      break;
    case Op::kBytes: {
      ByteView value;
      ok = take_string(value) &&
           ((value.empty() && !step.explicit_presence) || put_string(step.tag, value));
      break;
    }
    case Op::kInt128:
      ok = raw(step, 16);
      break;
    case Op::kInt256:
      ok = raw(step, 32);
      break;
    case Op::kObject:
      ok = object(step.tag, step.type, depth + 1);
      break;
    case Op::kQuery:
      ok = query(step, depth + 1);
      break;
    default:
      return vector(step, combinator, param, depth);  // which says where by itself
  }
  return ok || leave(combinator, param);
}

bool ToProto::number32(const Step& step) {
  if (left() < 4) return fail(Fault::kTruncated);
  const auto value = load_le<int32_t>(at_);
  at_ += 4;
  if (value == 0 && !step.explicit_presence) return true;
  uint8_t* to = out_->room_for(kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  // A negative one goes over the wire as 64 bits.
  out_->written_to(
      put_varint(put_tag(to, step.tag), static_cast<uint64_t>(static_cast<int64_t>(value))));
  return true;
}

bool ToProto::number64(const Step& step) {
  if (left() < 8) return fail(Fault::kTruncated);
  const auto value = load_le<uint64_t>(at_);
  at_ += 8;
  if (value == 0 && !step.explicit_presence) return true;
  uint8_t* to = out_->room_for(kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  out_->written_to(put_varint(put_tag(to, step.tag), value));
  return true;
}

bool ToProto::real(const Step& step) {
  if (left() < 8) return fail(Fault::kTruncated);
  const auto value = load_le<uint64_t>(at_);
  at_ += 8;
  // Minus zero is not all zeros, and stands on the wire.
  if (value == 0 && !step.explicit_presence) return true;
  uint8_t* to = out_->room_for(kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_tag(to, step.tag);
  store_le(to, value);
  out_->written_to(to + 8);
  return true;
}

bool ToProto::raw(const Step& step, size_t bytes) {
  if (left() < bytes) return fail(Fault::kTruncated);
  const ByteView value(at_, bytes);
  at_ += bytes;
  return put_string(step.tag, value);
}

bool ToProto::text(const Step& step) {
  ByteView value;
  if (!take_string(value)) return false;
  if (value.empty() && !step.explicit_presence) return true;
  if (is_utf8(value)) [[likely]]
    return put_string(step.tag, value);
  ++repaired_strings_;
  const size_t bytes = repair_utf8(value, nullptr);
  uint8_t* to = out_->room_for(bytes + kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_varint(put_tag(to, step.tag), bytes);
  repair_utf8(value, to);
  out_->written_to(to + bytes);
  return true;
}

// A TL string: one byte of length, or fe and three, then padding to four bytes.
bool ToProto::take_string(ByteView& value) {
  if (left() < 4) return fail(Fault::kTruncated);
  size_t head = 1;
  size_t bytes = at_[0];
  if (bytes >= 254) {
    if (bytes == 255) return fail(Fault::kBadString);
    head = 4;
    bytes = load_le<uint32_t>(at_) >> 8;
  }
  const size_t whole = (head + bytes + 3) & ~size_t{3};
  if (left() < whole) return fail(Fault::kTruncated);
  value = {at_ + head, bytes};
  at_ += whole;
  return true;
}

bool ToProto::put_string(const Tag& tag, ByteView value) {
  uint8_t* to = out_->room_for(value.size() + kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_varint(put_tag(to, tag), value.size());
  if (!value.empty()) std::memcpy(to, value.data(), value.size());
  out_->written_to(to + value.size());
  return true;
}

bool ToProto::open(const Tag& tag, size_t& content) {
  uint8_t* to = out_->room_for(kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_tag(to, tag);
  *to++ = 0;  // most are shorter than 128 bytes
  out_->written_to(to);
  content = out_->size();
  return true;
}

bool ToProto::close(size_t content) {
  const size_t bytes = out_->size() - content;
  const size_t more = varint_bytes(bytes) - 1;
  if (more != 0) {
    uint8_t* to = out_->room_for(more);
    if (to == nullptr) return fail(Fault::kTooLarge);
    std::memmove(out_->at(content) + more, out_->at(content), bytes);
    out_->written_to(to + more);
  }
  put_varint(out_->at(content - 1), bytes);
  return true;
}

// Reads an id and finds the constructor of this type that it is.
bool ToProto::member(uint32_t type, uint32_t& combinator) {
  if (left() < 4) return fail(Fault::kTruncated);
  const auto id = load_le<uint32_t>(at_);
  at_ += 4;
  combinator = layout_.by_id(id);
  if (combinator == Layout::kNone) return fail(Fault::kUnknownConstructor, id);
  if (layout_.contract().schema().is_method(combinator) || layout_.body(combinator).type != type) {
    return fail(Fault::kWrongConstructor, id);
  }
  return true;
}

// A Type message with its Pred inside: both lengths are filled in together, so that what lies
// inside moves only once.
bool ToProto::object(const Tag& tag, uint32_t type, unsigned depth) {
  uint32_t combinator = 0;
  if (!member(type, combinator)) return false;
  const Body& found = layout_.body(combinator);
  uint8_t* to = out_->room_for(kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_tag(to, tag);
  *to++ = static_cast<uint8_t>(found.member.count + 1);
  to = put_tag(to, found.member);
  *to++ = 0;
  out_->written_to(to);
  if (found.steps == 0) {
    return depth <= kTranscodeDepthMax ||
           (fail(Fault::kTooDeep) || leave(combinator, Problem::kMember));
  }
  const size_t content = out_->size();
  if (!body(combinator, depth)) return leave(combinator, Problem::kMember);
  const size_t inner = out_->size() - content;
  const size_t outer = found.member.count + varint_bytes(inner) + inner;
  const size_t more = varint_bytes(inner) + varint_bytes(outer) - 2;
  const size_t head = content - found.member.count - 2;
  if (more != 0) {
    to = out_->room_for(more);
    if (to == nullptr) return fail(Fault::kTooLarge);
    std::memmove(out_->at(content) + more, out_->at(content), inner);
    out_->written_to(to + more);
  }
  to = put_varint(out_->at(head), outer);
  for (unsigned i = 0; i < found.member.count; ++i) {
    *to++ = static_cast<uint8_t>(found.member.bytes >> 8 * i);
  }
  put_varint(to, inner);
  return true;
}

// Any method, as an Any of its Req message.
bool ToProto::query(const Step& step, unsigned depth) {
  if (left() < 4) return fail(Fault::kTruncated);
  const auto id = load_le<uint32_t>(at_);
  at_ += 4;
  const uint32_t method = layout_.by_id(id);
  if (method == Layout::kNone) return fail(Fault::kUnknownConstructor, id);
  const Contract& contract = layout_.contract();
  if (!contract.schema().is_method(method)) return fail(Fault::kWrongConstructor, id);
  const std::string url = std::string(kUrlPrefix) + contract.full_name(method);
  size_t outer = 0;
  size_t inner = 0;
  if (!open(step.tag, outer) || !put_string(kUrlTag, as_bytes(url))) return false;
  const size_t before_value = out_->size();
  if (!open(kValueTag, inner)) return false;
  if (!body(method, depth)) return leave(method, Problem::kMember);
  // An empty value is not written, as protobuf has it.
  if (out_->size() == inner) {
    out_->truncate(before_value);
  } else if (!close(inner)) {
    return false;
  }
  return close(outer);
}

bool ToProto::vector(const Step& step, uint32_t combinator, uint32_t param, unsigned depth) {
  uint32_t count = 0;
  if (!vector_count(step, count)) return leave(combinator, param);
  if (is_packed(step.op)) {
    return count == 0 || packed(step, count) || leave(combinator, param);
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (!element(step, depth)) return leave(combinator, param, i);
  }
  return true;
}

bool ToProto::vector_count(const Step& step, uint32_t& count) {
  if (left() < 8) return fail(Fault::kTruncated);
  const auto id = load_le<uint32_t>(at_);
  if (id != kVectorId) return fail(Fault::kNoVector, id);
  count = load_le<uint32_t>(at_ + 4);
  at_ += 8;
  if (count > left() / layout_.element_bytes_min(step)) return fail(Fault::kVectorCount, count);
  return true;
}

bool ToProto::element(const Step& step, unsigned depth) {
  Step one = step;
  one.explicit_presence = true;  // an element that is empty is there all the same
  switch (step.op) {
    case Op::kObjects:
      return object(step.tag, step.type, depth + 1);
    case Op::kStrings:
      return text(one);
    case Op::kInt128s:
      return raw(step, 16);
    case Op::kInt256s:
      return raw(step, 32);
    default: {
      ByteView value;
      return take_string(value) && put_string(step.tag, value);
    }
  }
}

// Numbers stand side by side in one field. The count has been checked against the bytes.
bool ToProto::packed(const Step& step, uint32_t count) {
  const auto int_at = [this](uint32_t i) {
    return static_cast<uint64_t>(int64_t{load_le<int32_t>(at_ + size_t{i} * 4)});
  };
  const auto long_at = [this](uint32_t i) { return load_le<uint64_t>(at_ + size_t{i} * 8); };
  size_t bytes = 0;
  if (step.op == Op::kDoubles) {
    bytes = size_t{count} * 8;
  } else {
    for (uint32_t i = 0; i < count; ++i) {
      bytes += varint_bytes(step.op == Op::kInts ? int_at(i) : long_at(i));
    }
  }
  uint8_t* to = out_->room_for(bytes + kScalarRoom);
  if (to == nullptr) return fail(Fault::kTooLarge);
  to = put_varint(put_tag(to, step.tag), bytes);
  if (step.op == Op::kDoubles) {
    std::memcpy(to, at_, bytes);
    to += bytes;
  } else if (step.op == Op::kInts) {
    for (uint32_t i = 0; i < count; ++i) to = put_varint(to, int_at(i));
  } else {
    for (uint32_t i = 0; i < count; ++i) to = put_varint(to, long_at(i));
  }
  at_ += size_t{count} * (step.op == Op::kInts ? 4 : 8);
  out_->written_to(to);
  return true;
}

}  // namespace ringway::tl
