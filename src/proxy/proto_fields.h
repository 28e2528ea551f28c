// proxy/proto_fields: small protobuf messages, written field by field.
//
// For messages of a few fields that are not worth generated code: the caller knows the numbers.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tl/wire.h"

namespace ringway::proxy {

inline void add_varint(std::string& out, uint64_t value) {
  uint8_t bytes[tl::kVarintBytesMax];
  const uint8_t* end = tl::put_varint(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}
inline void add_number(std::string& out, uint32_t field, uint64_t value) {
  add_varint(out, uint64_t{field} << 3 | tl::kVarint);
  add_varint(out, value);
}
// A string, bytes or a message.
inline void add_bytes(std::string& out, uint32_t field, std::string_view value) {
  add_varint(out, uint64_t{field} << 3 | tl::kLengthDelimited);
  add_varint(out, value.size());
  out.append(value);
}
[[nodiscard]] inline size_t bytes_field_size(uint32_t field, size_t value_bytes) noexcept {
  return tl::varint_bytes(uint64_t{field} << 3) + tl::varint_bytes(value_bytes) + value_bytes;
}

}  // namespace ringway::proxy
