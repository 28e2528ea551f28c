#include "net/chunk_pool.h"

#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace ringway::net {
namespace {

Chunk* make_chunk(size_t capacity, uint8_t size_class) {
  void* memory = std::malloc(sizeof(Chunk) + capacity);
  RW_ASSERT(memory != nullptr);
  auto* chunk = new (memory) Chunk;
  chunk->capacity = static_cast<uint32_t>(capacity);
  chunk->size_class = size_class;
  return chunk;
}

}  // namespace

ChunkPool::~ChunkPool() {
  for (Chunk* chunk : idle_) {
    while (chunk != nullptr) {
      Chunk* next = chunk->next;
      std::free(chunk);
      chunk = next;
    }
  }
}

Chunk* ChunkPool::take(size_t bytes) {
  RW_ASSERT(bytes <= UINT32_MAX);
  uint8_t size_class = 0;
  while (size_class < kOwnSize && kChunkBytes[size_class] < bytes) ++size_class;
  Chunk* chunk = nullptr;
  if (size_class < kOwnSize && idle_[size_class] != nullptr) {
    chunk = idle_[size_class];
    idle_[size_class] = chunk->next;
    bytes_idle_ -= chunk->capacity;
    chunk->next = nullptr;
    chunk->begin = chunk->end = 0;
  } else {
    chunk = make_chunk(size_class < kOwnSize ? kChunkBytes[size_class] : bytes, size_class);
  }
  bytes_in_use_ += chunk->capacity;
  return chunk;
}

void ChunkPool::give_back(Chunk* chunk) noexcept {
  bytes_in_use_ -= chunk->capacity;
  if (cleanse_) cleanse(chunk->data(), chunk->end);
  if (chunk->size_class == kOwnSize || bytes_idle_ + chunk->capacity > kIdleBytesMax) {
    std::free(chunk);
    return;
  }
  bytes_idle_ += chunk->capacity;
  chunk->next = idle_[chunk->size_class];
  idle_[chunk->size_class] = chunk;
}

}  // namespace ringway::net
