// shard/load_tally: what the shard counts for load runs, and tells when it is asked. For load runs
// only, behind ServiceOptions::load_tally; a shard that serves people leaves it off.
//
// Constructors of our own, of no schema (constructors.h), all little-endian:
//
//   counted    number:int sequence:long anything             to the shard; no answer
//   get_tally  number:int session_id:long                    to the shard, a request
//   tally      number:int session_id:long count:long sum:long out_of_order:long    its rpc_result
//
// A client numbers the counted messages of a session from 1. Count and sum (modulo 2^64) tell
// whether each arrived exactly once; a message that came after a higher one is out of order. The
// session may be an earlier one of the same key. A plain value in a session.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ringway::shard {

struct LoadTally {
  uint64_t count = 0;
  uint64_t sum = 0;
  uint64_t highest = 0;
  uint64_t out_of_order = 0;

  void add(uint64_t sequence) noexcept;
};

// Appends the tally object.
void write_tally(ByteAppender& out, int64_t session_id, const LoadTally& tally);

}  // namespace ringway::shard
