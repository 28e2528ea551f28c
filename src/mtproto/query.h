// mtproto/query: finding the query inside its wrappers.
//
// Pure and bounded: kQueryWrapperDepthMax wrappers, one gzip_packed, kQueryJsonDepthMax levels of
// params. Any thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "mtproto/inflate.h"

namespace ringway::mtproto {

struct Query {
  uint32_t constructor = 0;
  ByteView arguments;     // after the constructor
  bool wrapped = false;   // stood in at least one wrapper
  bool packed = false;    // stood in a gzip_packed
  bool business = false;  // stood in invokeWithBusinessConnection: it is done for another account
  ByteView outside;       // of a packed one: the wrappers before the gzip_packed
  Bytes inflated;         // of a packed one: what came out; owns `arguments`
  int32_t layer = 0;      // of invokeWithLayer; 0 when there was none
};

// Whether an object with this constructor has a query in it; cheap.
[[nodiscard]] bool is_query_wrapper(uint32_t number) noexcept;

// Unwraps invokeWithLayer, initConnection and their kin, and one gzip_packed when `may_be_packed`.
// Errors: kTruncated and kMalformed for broken wrappers, kTooLarge for too many of them or for more
// than `budget` allows. An initConnection with flags that are not known here is no wrapper: where
// its query begins cannot be told. `body` is borrowed.
Result<Query> unwrap_query(ByteView body, bool may_be_packed, InflateBudget& budget);

}  // namespace ringway::mtproto
