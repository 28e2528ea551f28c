#include "cluster/http2_memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ringway::cluster {

Http2Memory::Http2Memory() noexcept {
  functions_.mem_user_data = this;
  functions_.malloc = [](size_t size, void* self) {
    return static_cast<Http2Memory*>(self)->take(size);
  };
  functions_.free = [](void* memory, void* self) {
    static_cast<Http2Memory*>(self)->give_back(memory);
  };
  functions_.calloc = [](size_t count, size_t size, void* self) -> void* {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    void* memory = static_cast<Http2Memory*>(self)->take(count * size);
    if (memory != nullptr) std::memset(memory, 0, count * size);
    return memory;
  };
  functions_.realloc = [](void* memory, size_t size, void* self) {
    return static_cast<Http2Memory*>(self)->resize(memory, size);
  };
}

Http2Memory::~Http2Memory() {
  for (Kept& kept : kept_) {
    while (kept.count != 0) std::free(kept.heads[--kept.count]);
  }
}

Http2Memory::Kept& Http2Memory::kept(size_t capacity) noexcept {
  static_assert(kSmallest << (kSizes - 1) == kLargest);
  return kept_[std::bit_width(capacity) - std::bit_width(kSmallest)];
}

void* Http2Memory::take(size_t size) noexcept {
  if (size > SIZE_MAX - sizeof(Head)) return nullptr;
  if (size <= kLargest) {
    size = std::bit_ceil(std::max(size, kSmallest));
    Kept& pieces = kept(size);
    if (pieces.count != 0) return pieces.heads[--pieces.count] + 1;
  }
  void* memory = std::malloc(sizeof(Head) + size);
  if (memory == nullptr) return nullptr;
  return new (memory) Head{size} + 1;
}

void Http2Memory::give_back(void* memory) noexcept {
  if (memory == nullptr) return;
  Head* head = static_cast<Head*>(memory) - 1;
  if (head->capacity <= kLargest) {
    Kept& pieces = kept(head->capacity);
    if (pieces.count < kKept) {
      pieces.heads[pieces.count++] = head;
      return;
    }
  }
  std::free(head);
}

void* Http2Memory::resize(void* memory, size_t size) noexcept {
  if (memory == nullptr) return take(size);
  const size_t capacity = (static_cast<Head*>(memory) - 1)->capacity;
  if (size <= capacity) return memory;
  void* larger = take(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, capacity);
  give_back(memory);
  return larger;
}

}  // namespace ringway::cluster
