// shard/query: finding the query inside its wrappers.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::shard {

struct Query {
  uint32_t constructor = 0;
  ByteView arguments;  // after the constructor
  Bytes inflated;      // owns `arguments` when the query was packed
  int32_t layer = 0;   // of invokeWithLayer; 0 when there was none
};

// Unwraps invokeWithLayer, initConnection and their kin, and one gzip_packed when `may_be_packed`.
// `inflate_budget` is what may be inflated at most and shrinks by what was. Errors: kTruncated and
// kMalformed for broken wrappers, kTooLarge for too many of them or for too much inflated data.
// `body` is borrowed.
Result<Query> unwrap_query(ByteView body, bool may_be_packed, size_t& inflate_budget);

}  // namespace ringway::shard
