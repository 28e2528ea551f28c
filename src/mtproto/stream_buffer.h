// mtproto/stream_buffer: the bytes of a stream that wait to become frames.
//
// Two pieces: the tail, which this object owns, and behind it the input, borrowed from the caller's
// receive buffer. A frame that lies wholly in the input is handed out where it lies; only one that
// crosses from the tail into the input is put together, once. The tail grows with the bytes that
// are there, never by a length that was announced, and gives its memory back when it is empty, so
// that an idle connection owns none; the thread keeps some of it (base/spare_bytes), and is
// grateful for a `storage` that was done with. Belongs to one transport; used by both roles.
#pragma once

#include "base/bytes.h"

namespace ringway::mtproto {

class StreamBuffer {
 public:
  StreamBuffer() noexcept = default;
  explicit StreamBuffer(Bytes tail) noexcept : tail_(std::move(tail)) {}

  // Lends `input`, until it is taken or parked. What was lent before has been taken or parked.
  void lend(ByteSpan input) noexcept;
  // Bytes not taken yet, in both pieces.
  [[nodiscard]] size_t size() const noexcept { return tail_bytes() + input_.size(); }
  [[nodiscard]] size_t tail_bytes() const noexcept { return tail_.size() - tail_begin_; }
  [[nodiscard]] bool lending() const noexcept { return !input_.empty(); }

  // The first min(size(), scratch.size()) bytes, in `scratch` when they cross the two pieces.
  [[nodiscard]] ByteView peek(ByteSpan scratch) const noexcept;
  // Takes the first `count` bytes, of size() or fewer. They lie in the input, or in `storage`,
  // which then owns them; moving `storage` keeps the span valid.
  [[nodiscard]] ByteSpan take(size_t count, Bytes& storage);
  void skip(size_t count) noexcept;
  // Everything not taken yet, to be changed in place.
  [[nodiscard]] ByteSpan tail() noexcept { return ByteSpan(tail_).subspan(tail_begin_); }
  [[nodiscard]] ByteSpan input() noexcept { return input_; }

  // Copies the input behind the tail and gives it back. `expected_bytes` is what the tail will hold
  // before it is taken, where that is known: no more than twice that is reserved.
  void park(size_t expected_bytes = SIZE_MAX);
  // Forgets everything and gives memory and input back.
  void clear() noexcept;
  // Gives the tail away; nothing is lent.
  [[nodiscard]] Bytes release();

 private:
  [[nodiscard]] ByteSpan take_from_tail(size_t count, Bytes& storage);
  void compact();
  void forget_tail() noexcept;
  void grow(size_t size);

  ByteSpan input_;
  Bytes tail_;
  size_t tail_begin_ = 0;  // what lies before was taken; below tail_.size() unless both are 0
};

}  // namespace ringway::mtproto
