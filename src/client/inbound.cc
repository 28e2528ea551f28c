#include "client/inbound.h"

#include <zlib.h>

#include <algorithm>

#include "base/limits.h"
#include "client/objects.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

// A z_stream that is always ended.
class Inflater {
 public:
  Inflater() noexcept {
    constexpr int kGzipOrZlib = 15 + 32;
    ready_ = inflateInit2(&stream_, kGzipOrZlib) == Z_OK;
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] z_stream& stream() noexcept { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

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
  return inflate_bounded(packed, bytes_max);
}

Result<Bytes> inflate_bounded(ByteView packed, size_t bytes_max) {
  constexpr size_t kStepBytes = 16 * 1024;
  Inflater inflater;
  if (!inflater.ready() || packed.size() > UINT32_MAX) return Error::kMalformed;
  z_stream& stream = inflater.stream();
  stream.next_in = const_cast<Bytef*>(packed.data());  // zlib only reads it
  stream.avail_in = static_cast<uInt>(packed.size());
  Bytes out;
  for (;;) {
    const size_t done = out.size();
    out.resize(done + kStepBytes);
    stream.next_out = out.data() + done;
    stream.avail_out = static_cast<uInt>(kStepBytes);
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > bytes_max) return Error::kTooLarge;
    if (status == Z_STREAM_END) return out;
    if (status != Z_OK || stream.avail_out != 0) return Error::kMalformed;
  }
}

}  // namespace ringway::client
