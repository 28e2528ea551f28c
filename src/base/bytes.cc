#include "base/bytes.h"

namespace ringway {

bool equal_constant_time(ByteView a, ByteView b) noexcept {
  if (a.size() != b.size()) return false;
  uint64_t difference = 0;
  size_t at = 0;
  for (; a.size() - at >= sizeof difference; at += sizeof difference) {
    difference |= load_le<uint64_t>(a.data() + at) ^ load_le<uint64_t>(b.data() + at);
  }
  for (; at < a.size(); ++at) difference |= static_cast<uint64_t>(a[at] ^ b[at]);
  return difference == 0;
}

void cleanse(void* memory, size_t size) noexcept {
  if (size == 0) return;
  std::memset(memory, 0, size);
  // The empty statement claims to read the memory, so the stores above must happen.
  asm volatile("" : : "r"(memory) : "memory");
}

Result<ByteView> ByteReader::bytes(size_t count) noexcept {
  if (remaining() < count) return Error::kTruncated;
  const ByteView view = bytes_.subspan(position_, count);
  position_ += count;
  return view;
}

Result<void> ByteReader::skip(size_t count) noexcept {
  if (remaining() < count) return Error::kTruncated;
  position_ += count;
  return {};
}

Result<void> ByteReader::copy_to(ByteSpan out) noexcept {
  if (remaining() < out.size()) return Error::kTruncated;
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + position_, out.size());
  position_ += out.size();
  return {};
}

void ByteWriter::bytes(ByteView value) noexcept {
  RW_ASSERT(remaining() >= value.size());
  if (!value.empty()) std::memcpy(bytes_.data() + position_, value.data(), value.size());
  position_ += value.size();
}

void ByteWriter::fill(uint8_t value, size_t count) noexcept {
  RW_ASSERT(remaining() >= count);
  if (count != 0) std::memset(bytes_.data() + position_, value, count);
  position_ += count;
}

ByteSpan ByteWriter::take(size_t count) noexcept {
  RW_ASSERT(remaining() >= count);
  const ByteSpan span = bytes_.subspan(position_, count);
  position_ += count;
  return span;
}

}  // namespace ringway
