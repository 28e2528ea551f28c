// client/inbound: takes apart what a server put into one encrypted message.
//
// Pure. Parts borrow from the message they came from.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::client {

struct InboundPart {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  ByteView body;
};

// Appends the messages of a msg_container, or the one message itself. kTruncated or kMalformed when
// the container's counts do not fit its bytes, or containers are nested; `out` is unchanged then.
Result<void> split_message(const InboundPart& message, std::vector<InboundPart>& out);

// The object inside gzip_packed. kMalformed for other objects and broken streams, kTooLarge above
// `bytes_max` inflated bytes.
Result<Bytes> unpack_gzip(ByteView object, size_t bytes_max);

}  // namespace ringway::client
