#include "client/inbound.h"

#include "base/limits.h"
#include "client/objects.h"
#include "mtproto/inflate.h"
#include "mtproto/tl.h"

namespace ringway::client {
Result<void> split_message(const InboundPart& message, std::vector<InboundPart>& out) {
  if (constructor_of(message.body) != mtproto::constructor::kMsgContainer) {
    out.push_back(message);
    return {};
  }
  const size_t size_before = out.size();
  const auto parse = [&]() -> Result<void> {
    ByteReader reader(message.body);
    RW_TRY(reader.skip(4));
    RW_TRY_ASSIGN(const uint32_t count, reader.u32());
    if (count > kClientContainerMessagesMax) return Error::kMalformed;
    for (uint32_t i = 0; i < count; ++i) {
      InboundPart part;
      RW_TRY_ASSIGN(part.msg_id, reader.i64());
      RW_TRY_ASSIGN(part.seq_no, reader.i32());
      RW_TRY_ASSIGN(const uint32_t bytes, reader.u32());
      RW_TRY_ASSIGN(part.body, reader.bytes(bytes));
      if (constructor_of(part.body) == mtproto::constructor::kMsgContainer)
        return Error::kMalformed;
      out.push_back(part);
    }
    return {};
  };
  auto result = parse();
  if (!result.ok()) out.resize(size_before);
  return result;
}

Result<Bytes> unpack_gzip(ByteView object, size_t bytes_max) {
  ByteReader reader(object);
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id != mtproto::constructor::kGzipPacked) return Error::kMalformed;
  RW_TRY_ASSIGN(const ByteView packed, mtproto::read_tl_string(reader));
  return mtproto::inflate_gzip(packed, bytes_max);
}

}  // namespace ringway::client
