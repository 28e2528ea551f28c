// cluster/proto_wire: just enough of protobuf's encoding to write and read the messages of a link.
//
// The writer puts fields into a span whose size was computed first with the size functions; fields
// with their default value are left out, so the bytes equal what generated code writes when fields
// are written in ascending order. The reader walks the fields of bytes from outside: whatever is
// malformed yields an Error, unknown fields are skipped. Views borrow from the input.
//
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::cluster {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

[[nodiscard]] constexpr size_t varint_size(uint64_t value) noexcept {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}
[[nodiscard]] constexpr size_t tag_size(uint32_t field) noexcept { return varint_size(field << 3); }
// A whole field with tag; zero when the value is the default and left out. Negative int32 and int64
// are extended to ten bytes.
[[nodiscard]] constexpr size_t int_field_size(uint32_t field, int64_t value) noexcept {
  return value == 0 ? 0 : tag_size(field) + varint_size(static_cast<uint64_t>(value));
}
// A length-delimited field, also when empty.
[[nodiscard]] constexpr size_t message_field_size(uint32_t field, size_t size) noexcept {
  return tag_size(field) + varint_size(size) + size;
}
[[nodiscard]] constexpr size_t bytes_field_size(uint32_t field, size_t size) noexcept {
  return size == 0 ? 0 : message_field_size(field, size);
}

class ProtoWriter {
 public:
  explicit ProtoWriter(ByteSpan out) noexcept : out_(out) {}

  void int_field(uint32_t field, int64_t value) noexcept {
    if (value == 0) return;
    tag(field, WireType::kVarint);
    varint(static_cast<uint64_t>(value));
  }
  void bytes_field(uint32_t field, ByteView value) noexcept {
    if (value.empty()) return;
    message_header(field, value.size());
    out_.bytes(value);
  }
  void text_field(uint32_t field, std::string_view value) noexcept {
    bytes_field(field, as_bytes(value));
  }
  // Tag and length of a nested message whose `size` bytes come next.
  void message_header(uint32_t field, size_t size) noexcept {
    tag(field, WireType::kBytes);
    varint(size);
  }

  [[nodiscard]] size_t position() const noexcept { return out_.position(); }

 private:
  void tag(uint32_t field, WireType type) noexcept {
    varint(uint64_t{field} << 3 | static_cast<uint64_t>(type));
  }
  void varint(uint64_t value) noexcept {
    // Checked once: the rest stays within its size.
    uint8_t* at = out_.take(varint_size(value)).data();
    while (value >= 0x80) {
      *at++ = static_cast<uint8_t>(value | 0x80);
      value >>= 7;
    }
    *at = static_cast<uint8_t>(value);
  }

  ByteWriter out_;
};

struct ProtoField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;  // of a number
  ByteView bytes;      // of a length-delimited field

  [[nodiscard]] bool is_number(uint32_t field) const noexcept {
    return number == field && type == WireType::kVarint;
  }
  [[nodiscard]] bool is_bytes(uint32_t field) const noexcept {
    return number == field && type == WireType::kBytes;
  }
  [[nodiscard]] int64_t as_int64() const noexcept { return static_cast<int64_t>(value); }
  [[nodiscard]] int32_t as_int32() const noexcept { return static_cast<int32_t>(value); }
};

class ProtoReader {
 public:
  explicit ProtoReader(ByteView bytes) noexcept : in_(bytes) {}

  [[nodiscard]] bool done() const noexcept { return in_.empty(); }
  // The next field. kTruncated, or kMalformed for a bad tag, varint or one of the retired group
  // types.
  Result<ProtoField> next() noexcept;

 private:
  Result<uint64_t> varint() noexcept;

  ByteReader in_;
};

}  // namespace ringway::cluster
