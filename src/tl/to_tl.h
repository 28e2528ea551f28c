// tl/to_tl: protobuf bytes to TL bytes, without objects in between.
//
// What a protobuf serializer writes has its fields in the order of the TL parameters and is
// converted in one walk. When that walk comes upon a field that is out of order, doubled or split,
// or fails, the message is converted once more with the fields of each message sorted first: that
// gives what protobuf's own rules of merging say, and its verdict counts. Neither way costs more
// than the bytes there are, however they are nested. One per thread; the layout is shared.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tl/fields.h"
#include "tl/layout.h"
#include "tl/output.h"
#include "tl/problem.h"

namespace ringway::tl {

class ToTl {
 public:
  explicit ToTl(const Layout& layout) noexcept : layout_(layout) {}

  // All of them append to `out`, which on failure is as it was, and return kMalformed, kNotAllowed
  // (unknown fields and foreign queries) or kTooLarge; problem() then says more.

  // A Req message as a call. The method whose result will come: `method`, or the innermost query of
  // one that answers X.
  Result<uint32_t> request(uint32_t method, ByteView proto, Output& out);
  // A Type message as a boxed object.
  Result<void> object(uint32_t type, ByteView proto, Output& out);
  // What a method whose answer is not X answers, from the message that its rpc returns.
  Result<void> answer(uint32_t method, ByteView proto, Output& out);
  // A Pred or Req message as that constructor or method.
  Result<void> combinator(uint32_t combinator, ByteView proto, Output& out);

  [[nodiscard]] const Problem& problem() const noexcept { return problem_; }
  // Messages that had to be sorted, since this was made.
  [[nodiscard]] uint64_t sorted_messages() const noexcept { return sorted_messages_; }

 private:
  enum class Root : uint8_t { kCombinator, kObject, kAnswer };
  // Which bits of a flags word decided, while the words are not known to the end.
  struct Words {
    uint32_t set[kSchemaFlagsWordsMax + 1] = {1};    // as they will be sent
    uint32_t passed[kSchemaFlagsWordsMax + 1] = {};  // parameters left out because of a clear bit
    size_t position[kSchemaFlagsWordsMax + 1] = {};  // in the output
  };

  Result<void> convert(Root root, uint32_t index, ByteView proto, Output& out);
  template <typename Fields>
  bool convert_root(Root root, uint32_t index, ByteView proto);
  template <typename Fields>
  bool vector_answer(Fields& fields, uint32_t method);

  bool fail(Fault fault, uint32_t number = 0);
  bool leave(uint32_t combinator, uint32_t param, uint32_t element = Problem::kNoElement);

  template <typename Fields>
  bool object(Fields& fields, uint32_t type, unsigned depth);
  template <typename Fields>
  bool body(Fields& fields, uint32_t combinator, unsigned depth);
  template <typename Fields>
  bool steps(Fields& fields, uint32_t combinator, Words& words, unsigned depth);
  template <typename Fields>
  bool present(Fields& fields, const Step& step, Words& words, unsigned depth, uint32_t& element);
  template <typename Fields>
  bool nested(Fields& fields, const Step& step, unsigned depth);
  template <typename Fields>
  bool query(Fields& fields, unsigned depth);
  template <typename Fields>
  bool vector(Fields& fields, const Step& step, unsigned depth, uint32_t& count);
  bool absent(const Step& step, Words& words);
  // Whether the field of a single scalar says that it is there.
  [[nodiscard]] static bool says_present(const Field& field, const Step& step) noexcept {
    if (step.wire != kLengthDelimited) {
      const bool low_half = step.op == Op::kInt;
      const uint64_t value = low_half ? static_cast<uint32_t>(field.value) : field.value;
      return step.explicit_presence || value != 0;
    }
    return step.explicit_presence || field.bytes != 0;
  }
  bool scalar(const Field& field, const Step& step, Words& words);
  bool announce(const Step& step, Words& words);
  bool numbers(const Field& field, const Step& step, uint32_t& count);
  bool string(const Field& field, bool text);
  bool fixed(const Field& field, size_t bytes);
  void find_present(const SortedFields& fields, std::span<const Step> steps, Words& words) const;

  // The fields of a message inside: `runs` fields from where the outer one stands.
  bool enter(ForwardFields& outer, size_t run, bool sort, ForwardFields& inner);
  bool enter(SortedFields& outer, size_t run, bool sort, SortedFields& inner);
  bool index(ByteView message);
  SortedFields sorted_from(size_t first, bool sort);
  bool pick_member(ForwardFields& fields, const TypeRow& row);
  bool pick_member(SortedFields& fields, const TypeRow& row);
  void exit(const ForwardFields&) noexcept {}
  void exit(const SortedFields& fields) noexcept { list_.resize(fields.first()); }

  bool put32(uint32_t value);
  bool put64(uint64_t value);
  bool put_zeros(size_t bytes);

  const Layout& layout_;
  Output* out_ = nullptr;
  Problem problem_;
  std::vector<Field> list_;  // of the messages that are being read, innermost last
  uint32_t answered_ = 0;    // the innermost method
  uint64_t sorted_messages_ = 0;
};

}  // namespace ringway::tl
