// net/send_queue: the bytes that one connection still has to send, in order.
//
// Space is reserved at the end, filled by the caller (possibly turns later: sealing is batched) and
// becomes sendable with commit(). Addresses are stable until the bytes were sent, so that a send in
// the kernel and a reservation being filled never move. An empty queue owns no memory. Chunks come
// from the worker's pool, which is passed in to keep the queue small. One thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/chunk_pool.h"

namespace ringway::net {

class SendQueue {
 public:
  SendQueue() = default;
  ~SendQueue() { RW_ASSERT(head_ == nullptr); }  // clear() needs the pool
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  // `size` contiguous writable bytes at the end of the queue; size > 0.
  [[nodiscard]] ByteSpan reserve(ChunkPool& pool, size_t size);
  // Everything reserved so far may be sent.
  void commit() noexcept { committed_bytes_ = queued_bytes_; }

  // Describes committed bytes from the front, at most out.size() pieces; returns how many.
  [[nodiscard]] size_t gather(std::span<iovec> out) const noexcept;
  // `size` bytes of the front were sent; size <= committed_bytes().
  void consume(ChunkPool& pool, size_t size) noexcept;
  // Gives all memory back. No send may be in the kernel.
  void clear(ChunkPool& pool) noexcept;

  [[nodiscard]] size_t queued_bytes() const noexcept { return queued_bytes_; }
  [[nodiscard]] size_t committed_bytes() const noexcept { return committed_bytes_; }

 private:
  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  uint32_t queued_bytes_ = 0;     // reserved and not yet sent
  uint32_t committed_bytes_ = 0;  // of those, the sendable ones at the front
};

}  // namespace ringway::net
