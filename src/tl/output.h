// tl/output: the buffer that transcoding writes into.
//
// Grows without clearing what it grows by, never far above its limit, and keeps its memory when it
// is emptied: one per thread serves all of its messages. Pointers into it last until the next
// room_for(). Writers ask for a little more room than they turn out to need: so whether the limit
// is kept is looked at when a message is complete.
#pragma once

#include <cstdint>
#include <memory>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

namespace ringway::tl {

class Output {
 public:
  explicit Output(size_t bytes_max = kTranscodedBytesMax) noexcept : bytes_max_(bytes_max) {}

  [[nodiscard]] size_t size() const noexcept { return size_; }
  [[nodiscard]] ByteView bytes() const noexcept { return {data_.get(), size_}; }
  [[nodiscard]] uint8_t* at(size_t position) noexcept { return data_.get() + position; }
  void clear() noexcept { size_ = 0; }
  // Forgets what stands behind the first `size` bytes.
  void truncate(size_t size) noexcept {
    RW_ASSERT(size <= size_);
    size_ = size;
  }

  [[nodiscard]] bool over_limit() const noexcept { return size_ > bytes_max_; }

  // Where the next `count` bytes may be written, null when that is far above the limit.
  [[nodiscard]] uint8_t* room_for(size_t count) {
    if (count > capacity_ - size_ && !grow(count)) [[unlikely]]
      return nullptr;
    return data_.get() + size_;
  }
  // Takes over what was written from room_for()'s pointer up to `end`.
  void written_to(const uint8_t* end) noexcept { size_ = static_cast<size_t>(end - data_.get()); }

 private:
  [[nodiscard]] bool grow(size_t count);

  std::unique_ptr<uint8_t[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t bytes_max_;
};

}  // namespace ringway::tl
