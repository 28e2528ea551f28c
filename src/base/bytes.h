// base/bytes: the only way to read and write wire bytes.
//
// ByteReader and ByteWriter are bounds-checked cursors over memory that they borrow: the memory
// must outlive them. All integers are little-endian, as MTProto has them, unless a name says
// otherwise. A read past the end fails with Error::kTruncated and leaves the cursor where it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ringway {

using ByteView = std::span<const uint8_t>;
using ByteSpan = std::span<uint8_t>;
using Bytes = std::vector<uint8_t>;

// Loads and stores of fixed-size little-endian integers at any alignment.
template <typename T>
[[nodiscard]] inline T load_le(const uint8_t* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
inline void store_le(uint8_t* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Compares equal-sized secrets in constant time; false when the sizes differ.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b) noexcept;
[[nodiscard]] inline bool equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Overwrites memory in a way that the compiler may not remove.
void cleanse(void* memory, size_t size) noexcept;

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] size_t position() const noexcept { return position_; }
  [[nodiscard]] size_t remaining() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] bool empty() const noexcept { return remaining() == 0; }
  // What has not been read yet; borrowed.
  [[nodiscard]] ByteView rest() const noexcept { return bytes_.subspan(position_); }

  Result<uint8_t> u8() noexcept { return number<uint8_t>(); }
  Result<uint16_t> u16() noexcept { return number<uint16_t>(); }
  Result<uint32_t> u32() noexcept { return number<uint32_t>(); }
  Result<int32_t> i32() noexcept { return number<int32_t>(); }
  Result<uint64_t> u64() noexcept { return number<uint64_t>(); }
  Result<int64_t> i64() noexcept { return number<int64_t>(); }
  // `count` bytes, borrowed from the input.
  Result<ByteView> bytes(size_t count) noexcept;
  Result<void> skip(size_t count) noexcept;
  // Reads exactly out.size() bytes.
  Result<void> copy_to(ByteSpan out) noexcept;

 private:
  template <typename T>
  Result<T> number() noexcept {
    if (remaining() < sizeof(T)) return Error::kTruncated;
    const T value = load_le<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  ByteView bytes_;
  size_t position_ = 0;
};

// Writes into a fixed span. Overflow is a bug of the caller (sizes are computed first) and asserts.
class ByteWriter {
 public:
  explicit ByteWriter(ByteSpan bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] size_t position() const noexcept { return position_; }
  [[nodiscard]] size_t remaining() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] ByteView written() const noexcept { return bytes_.first(position_); }

  void u8(uint8_t value) noexcept { number(value); }
  void u16(uint16_t value) noexcept { number(value); }
  void u32(uint32_t value) noexcept { number(value); }
  void i32(int32_t value) noexcept { number(value); }
  void u64(uint64_t value) noexcept { number(value); }
  void i64(int64_t value) noexcept { number(value); }
  void bytes(ByteView value) noexcept;
  void fill(uint8_t value, size_t count) noexcept;
  // Hands out the next `count` bytes to be filled in place.
  [[nodiscard]] ByteSpan take(size_t count) noexcept;

 private:
  template <typename T>
  void number(T value) noexcept {
    RW_ASSERT(remaining() >= sizeof(T));
    store_le(bytes_.data() + position_, value);
    position_ += sizeof(T);
  }

  ByteSpan bytes_;
  size_t position_ = 0;
};

// Appends to a growing vector; for replies and tests, not for the per-message path.
class ByteAppender {
 public:
  explicit ByteAppender(Bytes& out) noexcept : out_(out) {}

  void u8(uint8_t value) { out_.push_back(value); }
  void u16(uint16_t value) { number(value); }
  void u32(uint32_t value) { number(value); }
  void i32(int32_t value) { number(value); }
  void u64(uint64_t value) { number(value); }
  void i64(int64_t value) { number(value); }
  void bytes(ByteView value) { append(out_, value); }

 private:
  template <typename T>
  void number(T value) {
    uint8_t raw[sizeof(T)];
    store_le(raw, value);
    out_.insert(out_.end(), raw, raw + sizeof(T));
  }

  Bytes& out_;
};

}  // namespace ringway
