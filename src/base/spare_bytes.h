// base/spare_bytes: byte buffers that a thread is done with, for its next ones.
//
// What comes and goes with every message and cannot lie in a buffer of its turn (a frame that
// crosses two reads, a message of a shard) would else take from the heap and give back each time.
// Each thread keeps kSpareBytesPerSize of each power of two from kSpareBytesMin to
// kSpareBytesMax for itself, 6 MiB together at most, so nothing is locked; a buffer
// may be given by another thread than the one that took it. Not for secrets: nothing is
// overwritten.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/limits.h"

namespace ringway {

// An empty buffer with room for `size` bytes; up to kSpareBytesMax that is the next power of two,
// so that nobody holds much more than was asked for.
[[nodiscard]] Bytes take_spare_bytes(size_t size);

// Any buffer, from here or not; its contents are dropped. Frees it when there are enough of its
// size.
void give_spare_bytes(Bytes&& bytes) noexcept;

}  // namespace ringway
