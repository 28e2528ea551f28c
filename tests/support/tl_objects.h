// tests/support/tl_objects: TL objects as a client writes them.
#pragma once

#include <zlib.h>

#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "mtproto/tl.h"

namespace ringway::testing {

inline Bytes object(uint32_t number, ByteView rest = {}) {
  Bytes made;
  ByteAppender out(made);
  out.u32(number);
  out.bytes(rest);
  return made;
}

inline Bytes gzip(ByteView plain) {
  z_stream stream{};
  RW_ASSERT(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes packed(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  RW_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline Bytes gzip_packed(ByteView plain) {
  Bytes made;
  ByteAppender out(made);
  out.u32(mtproto::constructor::kGzipPacked);
  mtproto::write_tl_string(out, gzip(plain));
  return made;
}

}  // namespace ringway::testing
