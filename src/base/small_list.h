// base/small_list: a list that keeps its only element inside itself.
//
// For lists of which nearly all hold one element and any may hold more: the keys and sessions of a
// connection, the connections of a session. While there is one, no memory is taken from the heap.
// Elements are plain values; whatever changes the list moves them. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace ringway {

template <typename T>
class SmallList {
  static_assert(std::is_trivially_copyable_v<T>, "elements are moved as bytes");

 public:
  SmallList() noexcept : many_(nullptr) {}
  SmallList(SmallList&& other) noexcept : many_(nullptr) { take(other); }
  SmallList& operator=(SmallList&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  ~SmallList() { clear(); }

  [[nodiscard]] size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() noexcept { return in_place() ? &one_ : many_; }
  [[nodiscard]] T* end() noexcept { return begin() + size_; }
  [[nodiscard]] const T* begin() const noexcept { return in_place() ? &one_ : many_; }
  [[nodiscard]] const T* end() const noexcept { return begin() + size_; }
  [[nodiscard]] T& front() noexcept {
    RW_ASSERT(size_ != 0);
    return *begin();
  }
  [[nodiscard]] T& back() noexcept {
    RW_ASSERT(size_ != 0);
    return end()[-1];
  }

  void push_back(T value) {
    if (size_ == capacity_) grow();
    std::construct_at(end(), value);
    ++size_;
  }
  // Takes out *place, an element of this list; the others keep their order. A list that is down to
  // one element gives its memory back.
  void erase(T* place) noexcept {
    RW_ASSERT(place >= begin() && place < end());
    std::copy(place + 1, end(), place);
    --size_;
    if (size_ > 1 || in_place()) return;
    T* const memory = many_;
    const uint32_t capacity = std::exchange(capacity_, 1);
    if (size_ == 1) std::construct_at(&one_, *memory);
    std::allocator<T>().deallocate(memory, capacity);
  }
  void clear() noexcept {
    if (!in_place()) std::allocator<T>().deallocate(many_, capacity_);
    capacity_ = 1;
    size_ = 0;
  }

 private:
  static constexpr uint32_t kCapacityFirst = 4;

  [[nodiscard]] bool in_place() const noexcept { return capacity_ == 1; }
  void grow() {
    const uint32_t capacity = in_place() ? kCapacityFirst : capacity_ * 2;
    T* const memory = std::allocator<T>().allocate(capacity);
    std::uninitialized_copy(begin(), end(), memory);
    if (!in_place()) std::allocator<T>().deallocate(many_, capacity_);
    many_ = memory;
    capacity_ = capacity;
  }
  // This list is empty and in place.
  void take(SmallList& other) noexcept {
    if (!other.in_place()) {
      many_ = other.many_;
    } else if (!other.empty()) {
      std::construct_at(&one_, other.one_);
    }
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 1);
  }

  union {
    T one_;    // while in_place()
    T* many_;  // else
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = 1;
};

}  // namespace ringway
