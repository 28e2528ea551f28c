// net/chunk_pool: memory for bytes on their way out, in three sizes.
//
// Each worker has one pool. An idle connection owns no chunk. Chunks of the three sizes are kept
// for reuse, up to kIdleBytesMax in all; larger ones (one big message) go back to the allocator at
// once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ringway::net {

// A piece of a send queue: bytes [begin, end) of data() are queued, [end, capacity) is free.
struct Chunk {
  Chunk* next = nullptr;
  uint32_t capacity = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint8_t size_class = 0;

  [[nodiscard]] uint8_t* data() noexcept { return reinterpret_cast<uint8_t*>(this + 1); }
  [[nodiscard]] size_t room() const noexcept { return capacity - end; }
  [[nodiscard]] size_t size() const noexcept { return end - begin; }
};

class ChunkPool {
 public:
  static constexpr std::array<uint32_t, 3> kChunkBytes = {1024, 8 * 1024, 64 * 1024};
  static constexpr size_t kIdleBytesMax = 16 * 1024 * 1024;

  // `cleanse`: what a chunk held is overwritten when it is given back.
  explicit ChunkPool(bool cleanse = false) noexcept : cleanse_(cleanse) {}
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // An empty chunk with room for at least `bytes`. `bytes` is below 4 GiB.
  [[nodiscard]] Chunk* take(size_t bytes);
  void give_back(Chunk* chunk) noexcept;

  [[nodiscard]] size_t bytes_in_use() const noexcept { return bytes_in_use_; }
  [[nodiscard]] size_t bytes_idle() const noexcept { return bytes_idle_; }

 private:
  static constexpr uint8_t kOwnSize = 3;

  const bool cleanse_;
  std::array<Chunk*, 3> idle_{};
  size_t bytes_in_use_ = 0;
  size_t bytes_idle_ = 0;
};

}  // namespace ringway::net
