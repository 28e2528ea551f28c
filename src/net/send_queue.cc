#include "net/send_queue.h"

#include <algorithm>

#include "base/assert.h"

namespace ringway::net {

ByteSpan SendQueue::reserve(ChunkPool& pool, size_t size) {
  RW_ASSERT(size > 0);
  RW_ASSERT(size <= UINT32_MAX - queued_bytes_);
  if (tail_ == nullptr || tail_->room() < size) {
    // A queue that already waits for its peer will grow: a larger chunk keeps the gather short.
    // Only up to the largest pooled size, though: a small message behind a big one must not cost as
    // much again.
    size_t capacity = size;
    if (tail_ != nullptr) {
      const size_t grown = std::min<size_t>(2 * tail_->size(), ChunkPool::kChunkBytes.back());
      capacity = std::max(size, grown);
    }
    Chunk* chunk = pool.take(capacity);
    if (tail_ == nullptr) {
      head_ = chunk;
    } else {
      tail_->next = chunk;
    }
    tail_ = chunk;
  }
  uint8_t* start = tail_->data() + tail_->end;
  tail_->end += static_cast<uint32_t>(size);
  queued_bytes_ += static_cast<uint32_t>(size);
  return {start, size};
}

size_t SendQueue::gather(std::span<iovec> out) const noexcept {
  size_t count = 0;
  size_t left = committed_bytes_;
  for (Chunk* chunk = head_; left > 0 && count < out.size(); chunk = chunk->next) {
    const size_t size = std::min(left, chunk->size());
    out[count++] = {chunk->data() + chunk->begin, size};
    left -= size;
  }
  return count;
}

void SendQueue::consume(ChunkPool& pool, size_t size) noexcept {
  RW_ASSERT(size <= committed_bytes_);
  queued_bytes_ -= static_cast<uint32_t>(size);
  committed_bytes_ -= static_cast<uint32_t>(size);
  while (size > 0) {
    const size_t taken = std::min(size, head_->size());
    head_->begin += static_cast<uint32_t>(taken);
    size -= taken;
    if (head_->size() > 0) break;
    Chunk* spent = head_;
    head_ = head_->next;
    if (head_ == nullptr) tail_ = nullptr;
    pool.give_back(spent);
  }
}

void SendQueue::clear(ChunkPool& pool) noexcept {
  while (head_ != nullptr) {
    Chunk* spent = head_;
    head_ = head_->next;
    pool.give_back(spent);
  }
  tail_ = nullptr;
  queued_bytes_ = committed_bytes_ = 0;
}

}  // namespace ringway::net
