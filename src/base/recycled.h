// base/recycled: memory of objects that come and go, for the next ones of their class.
//
// class Reply : public Recycled<Reply, 256> makes `new Reply` take the memory of a Reply that was
// deleted on the same thread, if there is any; a thread keeps that of at most kKept. Objects may be
// deleted by another thread than the one that made them. Not for secrets: nothing is overwritten.
#pragma once

#include <array>
#include <cstddef>
#include <new>

#include "base/assert.h"

namespace ringway {

template <typename T, size_t kKept>
class Recycled {
 public:
  static void* operator new(size_t size) {
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    RW_ASSERT(size == sizeof(T));
    Stack& kept = stack();
    return kept.count != 0 ? kept.memory[--kept.count] : ::operator new(size);
  }
  static void operator delete(void* memory) noexcept {
    Stack& kept = stack();
    if (kept.count < kKept) {
      kept.memory[kept.count++] = memory;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  struct Stack {
    std::array<void*, kKept> memory{};
    size_t count = 0;
    ~Stack() {
      while (count != 0) ::operator delete(memory[--count]);
    }
  };
  static Stack& stack() noexcept {
    thread_local Stack kept;
    return kept;
  }
};

}  // namespace ringway
