#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

constexpr uint8_t kLongForm = 0xfe;  // a 3-byte length follows
constexpr size_t kLongLengthMax = 0xffffff;
constexpr size_t kAlignment = 4;

size_t length_bytes(size_t value_bytes) noexcept { return value_bytes < kLongForm ? 1 : 4; }

size_t padding_bytes(size_t unpadded) noexcept {
  return (kAlignment - unpadded % kAlignment) % kAlignment;
}

}  // namespace

Result<ByteView> read_tl_string(ByteReader& reader) noexcept {
  ByteReader cursor = reader;
  RW_TRY_ASSIGN(const uint8_t first, cursor.u8());
  size_t value_bytes = first;
  size_t prefix_bytes = 1;
  if (first == kLongForm) {
    uint8_t raw[3];
    RW_TRY(cursor.copy_to(raw));
    value_bytes = raw[0] | size_t{raw[1]} << 8 | size_t{raw[2]} << 16;
    prefix_bytes = 4;
  } else if (first > kLongForm) {
    return Error::kMalformed;
  }
  RW_TRY_ASSIGN(const ByteView value, cursor.bytes(value_bytes));
  RW_TRY(cursor.skip(padding_bytes(prefix_bytes + value_bytes)));
  reader = cursor;
  return value;
}

void write_tl_string(ByteAppender& out, ByteView value) {
  RW_ASSERT(value.size() <= kLongLengthMax);
  if (value.size() < kLongForm) {
    out.u8(static_cast<uint8_t>(value.size()));
  } else {
    out.u32(static_cast<uint32_t>(value.size()) << 8 | kLongForm);
  }
  out.bytes(value);
  for (size_t i = padding_bytes(length_bytes(value.size()) + value.size()); i > 0; --i) out.u8(0);
}

size_t tl_string_bytes(size_t bytes) noexcept {
  const size_t unpadded = length_bytes(bytes) + bytes;
  return unpadded + padding_bytes(unpadded);
}

bool is_client_service(uint32_t number) noexcept {
  switch (number) {
    case constructor::kMsgsAck:
    case constructor::kHttpWait:
    case constructor::kMsgsStateReq:
    case constructor::kMsgsStateInfo:
    case constructor::kMsgsAllInfo:
    case constructor::kMsgDetailedInfo:
    case constructor::kMsgNewDetailedInfo:
    case constructor::kMsgResendReq:
    case constructor::kMsgResendAnsReq:
    case constructor::kGetFutureSalts:
    case constructor::kDestroySession:
    case constructor::kDestroyAuthKey:
    case constructor::kRpcDropAnswer:
      return true;
    default:
      return false;
  }
}

}  // namespace ringway::mtproto
