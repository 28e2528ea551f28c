#include "tl/output.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringway::tl {
namespace {

constexpr size_t kFirstBytes = 4096;
constexpr size_t kSpareBytes = 64;  // more than any writer asks for in vain

}  // namespace

bool Output::grow(size_t count) {
  if (count > bytes_max_ + kSpareBytes - size_) return false;
  const size_t wanted = std::max({kFirstBytes, capacity_ * 2, size_ + count});
  const size_t capacity = std::min(wanted, bytes_max_ + kSpareBytes);
  std::unique_ptr<uint8_t[]> data(new uint8_t[capacity]);
  if (size_ != 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
  return true;
}

}  // namespace ringway::tl
