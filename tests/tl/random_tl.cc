#include "random_tl.h"

#include <algorithm>
#include <string>

namespace ringway::tl {
namespace {

constexpr uint32_t kUnknown = 1000;

}  // namespace

RandomTl::RandomTl(const Schema& schema, uint64_t seed)
    : schema_(schema),
      random_(seed),
      type_height_(schema.types.size(), kUnknown),
      type_lowest_(schema.types.size(), 0) {
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = 0; i < schema.constructor_count; ++i) {
      const uint32_t type = schema.combinators[i].result.type;
      if (height(i) + 1 >= type_height_[type]) continue;
      type_height_[type] = height(i) + 1;
      type_lowest_[type] = i;
      changed = true;
    }
  }
}

uint32_t RandomTl::height(uint32_t combinator) const {
  uint32_t most = 0;
  for (const Param& param : schema_.combinators[combinator].params) {
    if (param.optional() || param.value.vector || param.value.kind != Kind::kObject) continue;
    most = std::max(most, type_height_[param.value.type]);
  }
  return most;
}

Bytes RandomTl::combinator(uint32_t index) {
  out_.clear();
  put_combinator(index, 1);
  return out_;
}

Bytes RandomTl::value(const Value& value) {
  out_.clear();
  put_value(value, 0);
  return out_;
}

uint64_t RandomTl::number() {
  switch (below(6)) {
    case 0:
      return 0;
    case 1:
      return below(200);
    case 2:
      return ~uint64_t{0} - below(3);
    case 3:
      return uint64_t{1} << below(64);
    default:
      return random_();
  }
}

void RandomTl::put_bytes(size_t count) {
  for (size_t i = 0; i < count; ++i) out_.push_back(static_cast<uint8_t>(random_()));
}

void RandomTl::put_string(bool text) {
  static constexpr const char* kPieces[] = {
      "a", "Z", " ", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x7f", "0123456789abcdef"};
  const size_t wanted = below(20) == 0 ? 240 + below(40) : below(24);
  std::string value;
  while (value.size() < wanted) {
    if (text) {
      value += kPieces[below(std::size(kPieces))];
    } else {
      value += static_cast<char>(random_());
    }
  }
  if (value.size() < 254) {
    out_.push_back(static_cast<uint8_t>(value.size()));
  } else {
    ByteAppender(out_).u32(static_cast<uint32_t>(value.size() << 8 | 254));
  }
  ByteAppender(out_).bytes(as_bytes(value));
  while (out_.size() % 4 != 0) out_.push_back(0);
}

void RandomTl::put_combinator(uint32_t index, unsigned depth) {
  const Combinator& combinator = schema_.combinators[index];
  ByteAppender appender(out_);
  appender.u32(combinator.id);
  std::vector<uint32_t> words;
  for (const Param& param : combinator.params) {
    if (param.optional() && (words[param.word] >> param.bit & 1) == 0) continue;
    if (param.value.kind != Kind::kFlags) {
      put_value(param.value, depth);
      continue;
    }
    // Few bits, many, all or none; those that nobody uses as well.
    auto word = static_cast<uint32_t>(random_());
    if (below(3) == 0) word &= static_cast<uint32_t>(random_());
    if (below(6) == 0) word = ~uint32_t{0};
    if (small(depth) || below(6) == 0) word = 0;
    words.push_back(word);
    appender.u32(word);
  }
}

void RandomTl::put_object(uint32_t type, unsigned depth) {
  const auto& constructors = schema_.types[type].constructors;
  const bool lowest = small(depth) || below(8) == 0;
  put_combinator(lowest ? type_lowest_[type] : constructors[below(constructors.size())], depth);
}

void RandomTl::put_query(unsigned depth) {
  uint32_t method = 0;
  // When it is to be small, one that needs nothing.
  do {
    method = schema_.constructor_count + static_cast<uint32_t>(below(schema_.method_count()));
  } while (small(depth) && !schema_.combinators[method].params.empty());
  put_combinator(method, depth);
}

void RandomTl::put_value(const Value& value, unsigned depth) {
  if (!value.vector) return put_one(value, depth);
  const size_t count = small(depth) ? 0 : below(4);
  ByteAppender appender(out_);
  appender.u32(kVectorId);
  appender.u32(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) put_one(value, depth);
}

void RandomTl::put_one(const Value& value, unsigned depth) {
  ByteAppender appender(out_);
  switch (value.kind) {
    case Kind::kFlags:
    case Kind::kTrue:
      return;
    case Kind::kInt:
      return appender.u32(static_cast<uint32_t>(number()));
    case Kind::kLong:
    case Kind::kDouble:
      return appender.u64(number());
    case Kind::kString:
      return put_string(true);
    case Kind::kBytes:
      return put_string(false);
    case Kind::kInt128:
      return put_bytes(16);
    case Kind::kInt256:
      return put_bytes(32);
    case Kind::kObject:
      return put_object(value.type, depth + 1);
    case Kind::kQuery:
      return put_query(depth + 1);
  }
}

}  // namespace ringway::tl
