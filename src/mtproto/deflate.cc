#include "mtproto/deflate.h"

#include <zlib.h>

namespace ringway::mtproto {
namespace {

constexpr int kGzipWindowBits = 15 + 16;
constexpr int kMemoryLevel = 8;

}  // namespace

std::optional<Bytes> deflate_gzip(ByteView plain, size_t bytes_max) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  Bytes packed(bytes_max);
  stream.next_in = const_cast<uint8_t*>(plain.data());  // zlib's signature; it only reads
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  if (!done) return std::nullopt;
  return packed;
}

}  // namespace ringway::mtproto
