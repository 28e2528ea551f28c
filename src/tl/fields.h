// tl/fields: the fields of one protobuf message, one at a time.
//
// Two ways to walk them: forward as they stand in the bytes, for messages whose fields are in
// order, and sorted by number, for all others. Both borrow the message's bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "tl/wire.h"

namespace ringway::tl {

struct Field {
  static constexpr uint32_t kEnd = UINT32_MAX;

  uint32_t number = kEnd;
  uint32_t order = 0;             // among the fields of its message
  uint64_t value = 0;             // of a number
  const uint8_t* data = nullptr;  // of a length-delimited one
  uint32_t bytes = 0;
  WireType wire = kVarint;

  [[nodiscard]] ByteView view() const noexcept { return {data, bytes}; }
};

// Reads the field at `at` and moves behind it; false when there is none that is whole and of a kind
// that proto3 has.
[[nodiscard]] inline bool read_field(const uint8_t*& at, const uint8_t* end,
                                     Field& field) noexcept {
  uint64_t tag = 0;
  if (!get_varint(at, end, tag) || tag >> 3 == 0 || tag >> 3 >= Field::kEnd) return false;
  field.number = static_cast<uint32_t>(tag >> 3);
  field.wire = static_cast<WireType>(tag & 7);
  const auto left = static_cast<size_t>(end - at);
  switch (tag & 7) {
    case kVarint:
      return get_varint(at, end, field.value);
    case kFixed64:
      if (left < 8) return false;
      field.value = load_le<uint64_t>(at);
      at += 8;
      return true;
    case kFixed32:
      if (left < 4) return false;
      at += 4;
      return true;
    case kLengthDelimited: {
      uint64_t bytes = 0;
      if (!get_varint(at, end, bytes)) return false;
      if (bytes > static_cast<size_t>(end - at) || bytes > UINT32_MAX) return false;
      field.data = at;
      field.bytes = static_cast<uint32_t>(bytes);
      at += bytes;
      return true;
    }
    default:
      return false;
  }
}

// The fields in the order of the bytes.
class ForwardFields {
 public:
  static constexpr bool kSorted = false;

  ForwardFields() = default;
  explicit ForwardFields(ByteView message) noexcept
      : at_(message.data()), end_(message.data() + message.size()) {}

  // Goes to the next field, or behind the last; false when there is no whole field.
  [[nodiscard]] bool next() noexcept {
    if (at_ == end_) {
      field_.number = Field::kEnd;
      return true;
    }
    return read_field(at_, end_, field_);
  }
  [[nodiscard]] const Field& field() const noexcept { return field_; }

 private:
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  Field field_;
};

// Fields by number; of one number, in the order of the bytes. They lie in a list that messages
// inside messages share as a stack, [first, last) being this message's.
class SortedFields {
 public:
  static constexpr bool kSorted = true;

  SortedFields() = default;
  SortedFields(const std::vector<Field>& list, size_t first, size_t last) noexcept
      : list_(&list), first_(first), last_(last), at_(first) {
    load();
  }
  [[nodiscard]] bool next() noexcept {
    ++at_;
    load();
    return true;
  }
  [[nodiscard]] const Field& field() const noexcept { return field_; }
  // Goes to the last field that has the number of this one; how many there were.
  size_t skip_to_last() noexcept {
    size_t count = 1;
    while (at_ + 1 < last_ && (*list_)[at_ + 1].number == field_.number) {
      ++at_;
      ++count;
    }
    load();
    return count;
  }
  [[nodiscard]] size_t first() const noexcept { return first_; }
  [[nodiscard]] size_t position() const noexcept { return at_; }

 private:
  // A copy: the list grows while messages inside this one are read.
  void load() noexcept {
    if (at_ < last_) {
      field_ = (*list_)[at_];
    } else {
      field_.number = Field::kEnd;
    }
  }

  const std::vector<Field>* list_ = nullptr;
  size_t first_ = 0;
  size_t last_ = 0;
  size_t at_ = 0;
  Field field_;
};

}  // namespace ringway::tl
