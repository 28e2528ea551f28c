// base/slab: a bounded table of objects with generation-checked slots.
//
// One thread owns a slab. Slots are handed out from a free list and their addresses never change.
// Every release bumps the slot's generation, so a handle kept too long finds nothing instead of a
// stranger. Memory grows in blocks of kSlabBlock objects up to slots_max and is kept for reuse.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace ringway {

inline constexpr uint32_t kSlabBlock = 256;
inline constexpr uint32_t kGenerationMask = 0x00ff'ffff;  // 24 bits: it rides in a ring's user_data

struct SlabHandle {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;

  [[nodiscard]] bool valid() const noexcept { return slot != UINT32_MAX; }
  friend bool operator==(const SlabHandle&, const SlabHandle&) = default;
};

template <typename T>
class Slab {
 public:
  explicit Slab(uint32_t slots_max) : slots_max_(slots_max) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (uint32_t slot = 0; slot < slots_made_; ++slot) {
      if (entry(slot).used) object(slot)->~T();
    }
  }

  [[nodiscard]] uint32_t size() const noexcept { return used_count_; }
  [[nodiscard]] uint32_t capacity() const noexcept { return slots_max_; }
  [[nodiscard]] bool full() const noexcept { return used_count_ == slots_max_; }

  // Makes an object in a free slot; an invalid handle when the table is full.
  template <typename... Args>
  [[nodiscard]] SlabHandle emplace(Args&&... args) {
    if (full()) return {};
    const uint32_t slot = take_slot();
    new (entry(slot).storage) T(std::forward<Args>(args)...);
    entry(slot).used = true;
    ++used_count_;
    return {slot, entry(slot).generation};
  }

  // The object, or null when the handle is stale.
  [[nodiscard]] T* get(SlabHandle handle) noexcept {
    if (handle.slot >= slots_made_) return nullptr;
    Entry& e = entry(handle.slot);
    return e.used && e.generation == handle.generation ? object(handle.slot) : nullptr;
  }

  void release(SlabHandle handle) noexcept {
    T* found = get(handle);
    RW_ASSERT(found != nullptr);
    found->~T();
    Entry& e = entry(handle.slot);
    e.used = false;
    e.generation = (e.generation + 1) & kGenerationMask;
    free_slots_.push_back(handle.slot);
    --used_count_;
  }

  // Calls visit(handle, object) for every object; visit may release the object it is given.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (uint32_t slot = 0; slot < slots_made_; ++slot) {
      if (entry(slot).used) visit(SlabHandle{slot, entry(slot).generation}, *object(slot));
    }
  }

 private:
  struct Entry {
    alignas(T) unsigned char storage[sizeof(T)];
    uint32_t generation = 1;
    bool used = false;
  };

  Entry& entry(uint32_t slot) noexcept { return blocks_[slot / kSlabBlock][slot % kSlabBlock]; }
  T* object(uint32_t slot) noexcept {
    return std::launder(reinterpret_cast<T*>(entry(slot).storage));
  }

  uint32_t take_slot() {
    if (!free_slots_.empty()) {
      const uint32_t slot = free_slots_.back();
      free_slots_.pop_back();
      return slot;
    }
    if (slots_made_ == blocks_.size() * kSlabBlock)
      blocks_.push_back(std::make_unique<Entry[]>(kSlabBlock));
    return slots_made_++;
  }

  const uint32_t slots_max_;
  uint32_t slots_made_ = 0;
  uint32_t used_count_ = 0;
  std::vector<std::unique_ptr<Entry[]>> blocks_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace ringway
