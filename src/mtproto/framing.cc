#include "mtproto/framing.h"

#include "base/limits.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kUnencryptedHeaderBytes = 20;  // zero key id, msg_id, length
constexpr size_t kCipherBlockBytes = 16;
constexpr size_t kCipherBytesMin =
    (kMessagePrefixBytes + kMessagePaddingMin + kCipherBlockBytes - 1) / kCipherBlockBytes *
    kCipherBlockBytes;
static_assert(kCipherBytesMin == 48);

Result<FrameContent> read_unencrypted_content(ByteSpan payload) noexcept {
  ByteReader reader(payload);
  RW_TRY(reader.skip(kUnencryptedHeaderBytes - sizeof(uint32_t)));
  RW_TRY_ASSIGN(const uint32_t data_bytes, reader.u32());
  // Some clients put up to 256 bytes behind the data on any transport; they mean nothing.
  if (data_bytes > reader.remaining()) return Error::kTruncated;
  FrameContent content;
  content.bytes = payload.first(kUnencryptedHeaderBytes + data_bytes);
  return content;
}

}  // namespace

Result<FrameContent> read_frame(TransportKind kind, ByteSpan payload) noexcept {
  ByteReader reader(payload);
  RW_TRY_ASSIGN(const int64_t auth_key_id, reader.i64());
  if (auth_key_id == 0) return read_unencrypted_content(payload);
  if (payload.size() < kMessageHeaderBytes) return Error::kTruncated;
  const size_t surplus = (payload.size() - kMessageHeaderBytes) % kCipherBlockBytes;
  if (surplus != 0 && kind != TransportKind::kPadded) return Error::kBadLength;
  FrameContent content;
  content.encrypted = true;
  content.auth_key_id = auth_key_id;
  content.bytes = payload.first(payload.size() - surplus);
  if (content.bytes.size() < kMessageHeaderBytes + kCipherBytesMin) return Error::kBadLength;
  return content;
}

}  // namespace ringway::mtproto
