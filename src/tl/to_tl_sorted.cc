// The second way of ToTl: the fields of each message sorted before they are converted.
#include <algorithm>

#include "tl/to_tl.h"

namespace ringway::tl {

// A message that is split over several fields has the fields of all of them.
bool ToTl::enter(SortedFields& outer, size_t run, bool sort, SortedFields& inner) {
  const size_t first = list_.size();
  for (size_t i = 0; i < run; ++i) {
    const Field part = list_[outer.position() + i];
    if (part.wire != kLengthDelimited) return fail(Fault::kWireType);
    if (!index(part.view())) return false;
  }
  inner = sorted_from(first, sort);
  return true;
}

// The fields of the list from `first` on, by number unless they are to stay as they came.
SortedFields ToTl::sorted_from(size_t first, bool sort) {
  const auto begin = list_.begin() + static_cast<ptrdiff_t>(first);
  const auto less = [](const Field& a, const Field& b) {
    return a.number != b.number ? a.number < b.number : a.order < b.order;
  };
  if (sort && !std::is_sorted(begin, list_.end(), less)) std::sort(begin, list_.end(), less);
  return {list_, first, list_.size()};
}

// Appends the fields of a message, or of a part of one, to the list.
bool ToTl::index(ByteView message) {
  const uint8_t* at = message.data();
  const uint8_t* end = at + message.size();
  while (at != end) {
    if (list_.size() == kIndexedFieldsMax) return fail(Fault::kTooManyFields);
    Field field;
    if (!read_field(at, end, field)) return fail(Fault::kBadProto);
    field.order = static_cast<uint32_t>(list_.size());
    list_.push_back(field);
  }
  return true;
}

// The last member wins. Fields of it that follow each other are one message; one before another
// member is forgotten.
bool ToTl::pick_member(SortedFields& fields, const TypeRow& row) {
  if (fields.field().number == Field::kEnd) return fail(Fault::kUnset);
  const size_t first = fields.first();
  size_t begin = first;
  for (size_t i = first; i < list_.size(); ++i) {
    if (list_[i].number - 1 >= row.members) return fail(Fault::kUnknownField, list_[i].number);
    if (list_[i].number != list_[begin].number) begin = i;
  }
  while (fields.position() < begin) {
    if (!fields.next()) return false;
  }
  return true;
}

// The bits of what is there, before anything is written.
void ToTl::find_present(const SortedFields& fields, std::span<const Step> steps,
                        Words& words) const {
  SortedFields walk = fields;
  while (walk.field().number != Field::kEnd) {
    const uint32_t number = walk.field().number;
    const Step* step = number - 1 < steps.size() ? &steps[number - 1] : nullptr;
    const bool optional = step != nullptr && step->optional && step->tag.count != 0;
    bool there = optional && is_nested(step->op);
    if (optional && is_vector(step->op)) {
      // One packed field may be empty while the next is not.
      const bool packed = is_packed(step->op) && walk.field().wire == kLengthDelimited;
      there = !packed || walk.field().bytes != 0;
    } else {
      walk.skip_to_last();
      there = there || (optional && says_present(walk.field(), *step));
    }
    if (there) words.set[step->slot] |= uint32_t{1} << step->bit;
    if (!walk.next()) return;
  }
}

}  // namespace ringway::tl
