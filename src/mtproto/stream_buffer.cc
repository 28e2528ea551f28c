#include "mtproto/stream_buffer.h"

#include <algorithm>
#include <utility>

#include "base/spare_bytes.h"

namespace ringway::mtproto {

void StreamBuffer::lend(ByteSpan input) noexcept {
  RW_ASSERT(input_.empty());
  input_ = input;
}

ByteView StreamBuffer::peek(ByteSpan scratch) const noexcept {
  const ByteView tail = ByteView(tail_).subspan(tail_begin_);
  if (tail.empty()) return input_.first(std::min(input_.size(), scratch.size()));
  if (tail.size() >= scratch.size()) return tail.first(scratch.size());
  ByteWriter writer(scratch);
  writer.bytes(tail);
  writer.bytes(input_.first(std::min(input_.size(), writer.remaining())));
  return writer.written();
}

ByteSpan StreamBuffer::take(size_t count, Bytes& storage) {
  RW_ASSERT(count <= size());
  if (tail_.empty()) {
    const ByteSpan taken = input_.first(count);
    input_ = input_.subspan(count);
    return taken;
  }
  const size_t in_tail = tail_bytes();
  if (count <= in_tail) return take_from_tail(count, storage);
  const ByteSpan rest = input_.first(count - in_tail);
  if (tail_begin_ == 0) {
    grow(count);  // all of it is here
    tail_.insert(tail_.end(), rest.begin(), rest.end());
    storage = std::exchange(tail_, Bytes());
  } else {
    Bytes whole = take_spare_bytes(count);
    whole.insert(whole.end(), tail_.begin() + static_cast<ptrdiff_t>(tail_begin_), tail_.end());
    whole.insert(whole.end(), rest.begin(), rest.end());
    storage = std::move(whole);
    forget_tail();
  }
  input_ = input_.subspan(rest.size());
  return storage;
}

ByteSpan StreamBuffer::take_from_tail(size_t count, Bytes& storage) {
  const ByteSpan place = ByteSpan(tail_).subspan(tail_begin_, count);
  // The last frame of the tail takes the memory with it, unless most of that memory is of frames
  // that are gone.
  if (count == tail_bytes() && tail_begin_ <= count) {
    storage = std::exchange(tail_, Bytes());
    tail_begin_ = 0;
    return place;
  }
  storage = take_spare_bytes(count);
  storage.assign(place.begin(), place.end());
  skip(count);
  return storage;
}

void StreamBuffer::skip(size_t count) noexcept {
  RW_ASSERT(count <= size());
  const size_t in_tail = std::min(count, tail_bytes());
  tail_begin_ += in_tail;
  input_ = input_.subspan(count - in_tail);
  if (tail_begin_ == tail_.size()) forget_tail();
}

// Drops what was taken from the front of the tail. Called when that is at least as much as what
// stays, so that every byte is moved at most once for a byte that was taken.
void StreamBuffer::compact() {
  Bytes rest = take_spare_bytes(tail_bytes());
  rest.insert(rest.end(), tail_.begin() + static_cast<ptrdiff_t>(tail_begin_), tail_.end());
  forget_tail();
  tail_ = std::move(rest);
}

void StreamBuffer::forget_tail() noexcept {
  give_spare_bytes(std::exchange(tail_, Bytes()));
  tail_begin_ = 0;
}

void StreamBuffer::grow(size_t size) {
  if (size <= tail_.capacity()) return;
  Bytes larger = take_spare_bytes(size);
  larger.insert(larger.end(), tail_.begin(), tail_.end());
  give_spare_bytes(std::exchange(tail_, std::move(larger)));
}

void StreamBuffer::park(size_t expected_bytes) {
  if (tail_begin_ != 0 && tail_begin_ >= tail_bytes()) compact();
  if (input_.empty()) return;
  const size_t needed = tail_.size() + input_.size();
  if (needed > tail_.capacity()) {
    const size_t doubled = std::max(needed, 2 * tail_.capacity());
    const size_t expected =
        expected_bytes > SIZE_MAX - tail_begin_ ? SIZE_MAX : tail_begin_ + expected_bytes;
    grow(std::max(needed, std::min(doubled, expected)));
  }
  tail_.insert(tail_.end(), input_.begin(), input_.end());
  input_ = {};
}

void StreamBuffer::clear() noexcept {
  input_ = {};
  forget_tail();
}

Bytes StreamBuffer::release() {
  RW_ASSERT(input_.empty());
  if (tail_begin_ != 0) compact();
  return std::exchange(tail_, Bytes());
}

}  // namespace ringway::mtproto
