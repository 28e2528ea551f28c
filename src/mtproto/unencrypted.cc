#include "mtproto/unencrypted.h"

#include "base/limits.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kHeaderBytes = 20;     // zero key id, msg_id, length
constexpr uint32_t kDataBytesMin = 20;  // the shortest request: a constructor and a nonce
constexpr int64_t kNsPerSecond = 1'000'000'000;

}  // namespace

Result<UnencryptedMessage> read_unencrypted(ByteView frame) noexcept {
  ByteReader reader(frame);
  RW_TRY_ASSIGN(const int64_t auth_key_id, reader.i64());
  UnencryptedMessage message;
  RW_TRY_ASSIGN(message.msg_id, reader.i64());
  RW_TRY_ASSIGN(const uint32_t data_bytes, reader.u32());
  if (auth_key_id != 0) return Error::kMalformed;
  if ((message.msg_id & 3) != 0) return Error::kMalformed;
  if (data_bytes < kDataBytesMin || data_bytes > kUnencryptedBytesMax) return Error::kBadLength;
  if (data_bytes > reader.remaining()) return Error::kBadLength;
  RW_TRY_ASSIGN(message.data, reader.bytes(data_bytes));
  return message;
}

Bytes write_unencrypted(int64_t msg_id, ByteView object) {
  RW_ASSERT(object.size() <= kUnencryptedBytesMax);
  Bytes frame;
  frame.reserve(kHeaderBytes + object.size());
  ByteAppender out(frame);
  out.i64(0);
  out.i64(msg_id);
  out.u32(static_cast<uint32_t>(object.size()));
  out.bytes(object);
  return frame;
}

int64_t ServerMsgId::next(int64_t unix_ns) noexcept {
  const uint64_t now_ns = unix_ns > 0 ? static_cast<uint64_t>(unix_ns) : 0;
  const uint64_t seconds = now_ns / kNsPerSecond;
  const uint64_t fraction = ((now_ns % kNsPerSecond) << 32) / kNsPerSecond;
  int64_t msg_id = static_cast<int64_t>(((seconds << 32 | fraction) & ~uint64_t{3}) | 1);
  // The clock stood still or went back: the next number that an answer may have.
  if (msg_id <= last_) msg_id = ((last_ & ~int64_t{3}) + 4) | 1;
  last_ = msg_id;
  return msg_id;
}

}  // namespace ringway::mtproto
