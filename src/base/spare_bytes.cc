#include "base/spare_bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

namespace ringway {
namespace {

static_assert(std::has_single_bit(kSpareBytesMin) && std::has_single_bit(kSpareBytesMax));
constexpr size_t kSizes = std::bit_width(kSpareBytesMax) - std::bit_width(kSpareBytesMin) + 1;

using Stack = std::vector<Bytes>;

// Of the largest power of two that fits into `bytes`, which is at least kSpareBytesMin.
Stack& stack_for(size_t bytes) noexcept {
  thread_local std::array<Stack, kSizes> stacks;
  return stacks[std::bit_width(bytes) - std::bit_width(kSpareBytesMin)];
}

size_t kept_max(size_t bytes) noexcept { return kSpareBytesPerSize / std::bit_floor(bytes); }

}  // namespace

Bytes take_spare_bytes(size_t size) {
  if (size <= kSpareBytesMax) {
    size = std::bit_ceil(std::max(size, kSpareBytesMin));
    Stack& stack = stack_for(size);
    if (!stack.empty()) {
      Bytes bytes = std::move(stack.back());
      stack.pop_back();
      return bytes;
    }
  }
  Bytes bytes;
  bytes.reserve(size);
  return bytes;
}

void give_spare_bytes(Bytes&& bytes) noexcept {
  Bytes given = std::move(bytes);
  if (given.capacity() < kSpareBytesMin || given.capacity() > kSpareBytesMax) return;
  Stack& stack = stack_for(given.capacity());
  if (stack.size() == kept_max(given.capacity())) return;
  given.clear();
  stack.push_back(std::move(given));
}

}  // namespace ringway
