// shard/inflate: gunzip with a bound.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::shard {

// Inflates one gzip (or zlib) stream to at most `bytes_max` bytes. kTooLarge when more would come
// out, kMalformed when the stream is broken or ends early. Memory grows with what was inflated.
Result<Bytes> inflate_gzip(ByteView packed, size_t bytes_max);

}  // namespace ringway::shard
