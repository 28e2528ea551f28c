#include "cluster/chunk.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace ringway::cluster {

ChunkRef ChunkRef::make(size_t capacity, bool secret) {
  void* memory = std::malloc(sizeof(Chunk) + capacity);
  RW_ASSERT(memory != nullptr);
  ChunkRef made;
  made.chunk_ = new (memory) Chunk(static_cast<uint8_t*>(memory) + sizeof(Chunk), capacity, secret);
  return made;
}

void Chunk::release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (secret_) cleanse(data_, capacity_);
  this->~Chunk();
  std::free(this);
}

void WireMessage::push_back(WireSlice slice) {
  if (size_ < few_.size()) {
    few_[size_++] = std::move(slice);
    return;
  }
  if (many_.empty()) {
    many_.reserve(2 * few_.size());
    for (WireSlice& first : few_) many_.push_back(std::move(first));
  }
  many_.push_back(std::move(slice));
  ++size_;
}

void WireMessage::clear() noexcept {
  for (WireSlice& slice : few_) slice = {};
  many_.clear();
  size_ = 0;
}

size_t wire_size(const WireMessage& message) noexcept {
  size_t size = 0;
  for (const WireSlice& slice : message) size += slice.size;
  return size;
}

WireMessage make_wire_message(ByteView bytes, bool secret) {
  ChunkRef chunk = ChunkRef::make(bytes.size(), secret);
  if (!bytes.empty()) std::memcpy(chunk->data(), bytes.data(), bytes.size());
  const uint8_t* data = chunk->data();
  WireMessage message;
  message.push_back({std::move(chunk), data, bytes.size()});
  return message;
}

Bytes flatten(const WireMessage& message) {
  Bytes bytes;
  bytes.reserve(wire_size(message));
  for (const WireSlice& slice : message) {
    bytes.insert(bytes.end(), slice.data, slice.data + slice.size);
  }
  return bytes;
}

}  // namespace ringway::cluster
