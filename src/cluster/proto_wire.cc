#include "cluster/proto_wire.h"

namespace ringway::cluster {

Result<uint64_t> ProtoReader::varint() noexcept {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    RW_TRY_ASSIGN(const uint8_t byte, in_.u8());
    // The tenth byte holds one bit; protobuf ignores what overflows.
    value |= shift < 64 ? static_cast<uint64_t>(byte & 0x7f) << shift : 0;
    if ((byte & 0x80) == 0) return value;
  }
  return Error::kMalformed;
}

Result<ProtoField> ProtoReader::next() noexcept {
  RW_TRY_ASSIGN(const uint64_t tag, varint());
  if (tag >> 3 == 0 || tag > UINT32_MAX) return Error::kMalformed;
  ProtoField field;
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint: {
      RW_TRY_ASSIGN(field.value, varint());
      return field;
    }
    case WireType::kFixed64: {
      RW_TRY_ASSIGN(field.value, in_.u64());
      return field;
    }
    case WireType::kBytes: {
      RW_TRY_ASSIGN(const uint64_t size, varint());
      if (size > in_.remaining()) return Error::kTruncated;
      RW_TRY_ASSIGN(field.bytes, in_.bytes(static_cast<size_t>(size)));
      return field;
    }
    case WireType::kFixed32: {
      RW_TRY_ASSIGN(field.value, in_.u32());
      return field;
    }
  }
  return Error::kMalformed;
}

}  // namespace ringway::cluster
