#include "shard/load_tally.h"

#include <algorithm>

#include "shard/constructors.h"

namespace ringway::shard {

void LoadTally::add(uint64_t sequence) noexcept {
  ++count;
  sum += sequence;
  if (sequence < highest) ++out_of_order;
  highest = std::max(highest, sequence);
}

void write_tally(ByteAppender& out, int64_t session_id, const LoadTally& tally) {
  out.u32(constructor::kLoadTally);
  out.i64(session_id);
  out.u64(tally.count);
  out.u64(tally.sum);
  out.u64(tally.out_of_order);
}

}  // namespace ringway::shard
