// cluster/chunk: memory that a window and a transport share without copying.
//
// A Chunk is a fixed block with a reference count. The worker writes encoded messages into it, one
// after the other, and hands out WireSlices of what is written; a transport keeps the chunk alive
// through them for as long as its own threads read. Written bytes never change while a slice
// exists; writing behind them is no conflict.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace ringway::cluster {

class Chunk {
 public:
  [[nodiscard]] uint8_t* data() noexcept { return data_; }
  [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
  // Nobody but the caller holds it: its bytes may be written again.
  [[nodiscard]] bool sole() const noexcept {
    return references_.load(std::memory_order_acquire) == 1;
  }

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;

 private:
  friend class ChunkRef;
  Chunk(uint8_t* data, size_t capacity, bool secret) noexcept
      : data_(data), capacity_(capacity), secret_(secret) {}
  ~Chunk() = default;

  std::atomic<uint32_t> references_{1};
  uint8_t* data_;
  size_t capacity_;
  bool secret_;  // cleansed when freed: it carries an authorization key
};

// One reference. Any thread may drop one; a single object belongs to one thread at a time.
class ChunkRef {
 public:
  ChunkRef() noexcept = default;
  ChunkRef(const ChunkRef& other) noexcept : chunk_(other.chunk_) {
    if (chunk_ != nullptr) chunk_->retain();
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef() {
    if (chunk_ != nullptr) chunk_->release();
  }

  [[nodiscard]] static ChunkRef make(size_t capacity, bool secret = false);

  explicit operator bool() const noexcept { return chunk_ != nullptr; }
  Chunk* operator->() const noexcept { return chunk_; }
  [[nodiscard]] Chunk* get() const noexcept { return chunk_; }
  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;

 private:
  Chunk* chunk_ = nullptr;
};

// Bytes inside a chunk, with a reference of their own.
struct WireSlice {
  ChunkRef chunk;
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// One message for a link: its slices in order. Several protobuf messages put one after the other
// are one message with all their fields, which is how wrappers join encoded items without copying
// them.
// Most have a wrapper and one item: so many slices need no memory of their own.
class WireMessage {
 public:
  WireMessage() = default;
  WireMessage(const WireMessage&) = default;
  WireMessage& operator=(const WireMessage&) = default;
  // What was moved from is empty.
  WireMessage(WireMessage&& other) noexcept
      : size_(std::exchange(other.size_, 0)),
        few_(std::move(other.few_)),
        many_(std::move(other.many_)) {}
  WireMessage& operator=(WireMessage&& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    few_ = std::move(other.few_);
    many_ = std::move(other.many_);
    return *this;
  }
  ~WireMessage() = default;

  void push_back(WireSlice slice);
  void clear() noexcept;

  [[nodiscard]] size_t size() const noexcept { return size_; }
  [[nodiscard]] const WireSlice* begin() const noexcept { return data(); }
  [[nodiscard]] const WireSlice* end() const noexcept { return data() + size_; }
  [[nodiscard]] const WireSlice& operator[](size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] const WireSlice& front() const noexcept { return data()[0]; }
  // Of a message that has any.
  [[nodiscard]] WireSlice& back() noexcept {
    return many_.empty() ? few_[size_ - 1] : many_.back();
  }

 private:
  [[nodiscard]] const WireSlice* data() const noexcept {
    return many_.empty() ? few_.data() : many_.data();
  }

  size_t size_ = 0;
  std::array<WireSlice, 2> few_;
  std::vector<WireSlice> many_;  // all of them, once there are more
};

[[nodiscard]] size_t wire_size(const WireMessage& message) noexcept;
// A message with bytes of its own.
[[nodiscard]] WireMessage make_wire_message(ByteView bytes, bool secret = false);
// The slices as one string of bytes; for transports in memory and tests.
[[nodiscard]] Bytes flatten(const WireMessage& message);

}  // namespace ringway::cluster
