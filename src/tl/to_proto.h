// tl/to_proto: TL bytes to protobuf bytes, without objects in between.
//
// One walk over the TL; the length of a nested message is filled in behind it, and what was written
// moves up when it needs more than a byte. What comes out is what protobuf's own serializer would
// write. One per thread; the layout is shared.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "tl/layout.h"
#include "tl/output.h"
#include "tl/problem.h"

namespace ringway::tl {

class ToProto {
 public:
  explicit ToProto(const Layout& layout) noexcept : layout_(layout) {}

  // All of them append to `out`, which on failure is as it was, take the whole of `tl`, and return
  // kMalformed, kTruncated, kTrailing or kTooLarge; problem() then says more.

  // What `method` was answered, as the message that its rpc returns. `answered` is the method whose
  // result `tl` is: the same, or the innermost query of a method that answers X. Then an Any of its
  // answer comes out.
  Result<void> answer(uint32_t method, uint32_t answered, ByteView tl, Output& out);
  // A boxed object of a type, as its Type message.
  Result<void> object(uint32_t type, ByteView tl, Output& out);
  // Any constructor or method, as its Pred or Req message; which one it is.
  Result<uint32_t> combinator(ByteView tl, Output& out);

  [[nodiscard]] const Problem& problem() const noexcept { return problem_; }
  // Strings that were not UTF-8 and became so, since this was made.
  [[nodiscard]] uint64_t repaired_strings() const noexcept { return repaired_strings_; }

 private:
  Result<void> finish(bool ok, size_t begin);
  bool fail(Fault fault, uint32_t number = 0);
  bool leave(uint32_t combinator, uint32_t param, uint32_t element = Problem::kNoElement);
  void start(ByteView tl, Output& out) noexcept;

  bool result_value(uint32_t method);
  bool body(uint32_t combinator, unsigned depth);
  bool step(const Step& step, uint32_t* words, uint32_t combinator, uint32_t param, unsigned depth);
  bool number32(const Step& step);
  bool number64(const Step& step);
  bool real(const Step& step);
  bool text(const Step& step);
  bool raw(const Step& step, size_t bytes);
  bool object(const Tag& tag, uint32_t type, unsigned depth);
  bool query(const Step& step, unsigned depth);
  bool member(uint32_t type, uint32_t& combinator);
  bool vector(const Step& step, uint32_t combinator, uint32_t param, unsigned depth);
  bool vector_count(const Step& step, uint32_t& count);
  bool element(const Step& step, unsigned depth);
  bool packed(const Step& step, uint32_t count);

  bool take_string(ByteView& value);
  bool put_string(const Tag& tag, ByteView value);
  // A nested message between the two: its length is written when it is known.
  bool open(const Tag& tag, size_t& content);
  bool close(size_t content);
  [[nodiscard]] size_t left() const noexcept { return static_cast<size_t>(end_ - at_); }

  const Layout& layout_;
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  Output* out_ = nullptr;
  Problem problem_;
  uint64_t repaired_strings_ = 0;
};

}  // namespace ringway::tl
