// mtproto/inflate: gunzip with bounds. Pure; any thread; the input is borrowed for the call.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::mtproto {

// Inflates one gzip (or zlib) stream to at most `bytes_max` bytes. kTooLarge when more would come
// out, kMalformed when the stream is broken or ends early. Memory grows with what was inflated.
Result<Bytes> inflate_gzip(ByteView packed, size_t bytes_max);

// What all the packed parts of one message may cost together; shrinks by what was used.
struct InflateBudget {
  size_t inflated_bytes = 0;
  size_t packed_bytes = SIZE_MAX;
  size_t parts = SIZE_MAX;  // each costs something, however small it is
};

// The same within a budget: kTooLarge, too, when `packed` or one part is more than is left of it.
Result<Bytes> inflate_gzip(ByteView packed, InflateBudget& budget);

// Inflates what fits into `head` of a stream, which may break off behind that; how much came out.
// The thread keeps zlib's state for the next one, so that nothing comes from the heap.
[[nodiscard]] size_t inflate_head(ByteView packed, ByteSpan head) noexcept;

}  // namespace ringway::mtproto
