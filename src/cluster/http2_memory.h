// cluster/http2_memory: what nghttp2 takes from the heap for one session, and takes again.
//
// nghttp2 makes a small object for each frame of its own (window updates, acknowledgements) and
// frees it once that is sent. Freed pieces of up to kLargest bytes are kept, kKept of each size.
// Belongs to one session, on its thread, and outlives it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringway::cluster {

class Http2Memory {
 public:
  Http2Memory() noexcept;
  ~Http2Memory();
  Http2Memory(const Http2Memory&) = delete;
  Http2Memory& operator=(const Http2Memory&) = delete;

  [[nodiscard]] nghttp2_mem* functions() noexcept { return &functions_; }

 private:
  static constexpr size_t kSmallest = 64;
  static constexpr size_t kLargest = 1024;
  static constexpr size_t kSizes = 5;  // powers of two
  static constexpr size_t kKept = 16;
  // Stands before each piece.
  struct alignas(std::max_align_t) Head {
    size_t capacity = 0;
  };
  struct Kept {
    std::array<Head*, kKept> heads{};
    size_t count = 0;
  };

  [[nodiscard]] void* take(size_t size) noexcept;
  void give_back(void* memory) noexcept;
  [[nodiscard]] void* resize(void* memory, size_t size) noexcept;
  [[nodiscard]] Kept& kept(size_t capacity) noexcept;

  nghttp2_mem functions_{};
  std::array<Kept, kSizes> kept_;
};

}  // namespace ringway::cluster
