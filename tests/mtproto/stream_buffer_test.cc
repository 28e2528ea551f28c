#include "mtproto/stream_buffer.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "base/hex.h"

namespace ringway::mtproto {
namespace {

// Random lending, parking, taking and skipping against a plain queue of bytes.
TEST(StreamBuffer, BehavesAsAQueueOfBytes) {
  std::mt19937_64 random(21);
  for (int run = 0; run < 200; ++run) {
    StreamBuffer buffer;
    std::deque<uint8_t> model;
    Bytes lent;
    for (int step = 0; step < 200; ++step) {
      const size_t some = model.empty() ? 0 : random() % (std::min<size_t>(model.size(), 90) + 1);
      switch (random() % 5) {
        case 0:
        case 1:
          buffer.park();
          lent.assign(random() % 100, 0);
          for (uint8_t& byte : lent) model.push_back(byte = static_cast<uint8_t>(random()));
          buffer.lend(lent);
          break;
        case 2: {
          Bytes storage;
          const ByteSpan taken = buffer.take(some, storage);
          ASSERT_TRUE(std::equal(taken.begin(), taken.end(), model.begin()));
          ASSERT_EQ(taken.size(), some);
          model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(some));
          break;
        }
        case 3:
          buffer.skip(some);
          model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(some));
          break;
        default: {
          uint8_t scratch[16];
          const ByteView head = buffer.peek(scratch);
          ASSERT_EQ(head.size(), std::min<size_t>(model.size(), 16));
          ASSERT_TRUE(std::equal(head.begin(), head.end(), model.begin()));
        }
      }
      ASSERT_EQ(buffer.size(), model.size());
    }
    buffer.park();
    const Bytes rest = buffer.release();
    ASSERT_TRUE(std::equal(rest.begin(), rest.end(), model.begin(), model.end()));
    ASSERT_EQ(buffer.size(), 0u);
  }
}

TEST(StreamBuffer, TailNeverReservesBeyondWhatIsExpected) {
  StreamBuffer buffer;
  size_t given = 0;
  while (given < 9'000) {
    Bytes piece(700, 1);
    buffer.lend(piece);
    buffer.park(10'000);
    given += piece.size();
  }
  const Bytes tail = buffer.release();
  EXPECT_EQ(tail.size(), given);
  EXPECT_LE(tail.capacity(), 20'000u);
  EXPECT_GE(tail.capacity(), given);
}

TEST(StreamBuffer, ADrainedTailKeepsNoMemory) {
  StreamBuffer buffer;
  Bytes large(100'000, 1);
  buffer.lend(large);
  buffer.park();
  buffer.skip(99'990);
  buffer.park();  // what an idle transport does
  const Bytes rest = buffer.release();
  EXPECT_EQ(rest.size(), 10u);
  EXPECT_LE(rest.capacity(), 64u);
}

// Many frames parked in one tail: what stays must not be moved for each that goes, or a client
// could make the worker copy without end. Every move halves the tail at least.
TEST(StreamBuffer, DrainingALargeTailMovesItOnlyAFewTimes) {
  constexpr size_t kFrameBytes = 5;
  constexpr size_t kFrames = 20'000;
  StreamBuffer buffer;
  Bytes large(kFrames * kFrameBytes, 1);
  buffer.lend(large);
  buffer.park();
  size_t moves = 0;
  for (size_t i = 1; i < kFrames; ++i) {
    const uint8_t* expected = buffer.tail().data() + kFrameBytes;
    Bytes storage;
    ASSERT_EQ(buffer.take(kFrameBytes, storage).size(), kFrameBytes);
    buffer.park();
    if (buffer.tail().data() != expected) ++moves;
  }
  EXPECT_EQ(buffer.size(), kFrameBytes);
  EXPECT_LE(moves, 16u);
}

// The last little frame of a large tail must not keep all of it alive.
TEST(StreamBuffer, TheLastFrameTakesTheMemoryOnlyWhenItIsMostOfIt) {
  StreamBuffer buffer;
  Bytes large(100'000, 1);
  buffer.lend(large);
  buffer.park();
  Bytes storage;
  (void)buffer.take(99'900, storage);
  Bytes last;
  const ByteSpan taken = buffer.take(100, last);
  EXPECT_EQ(taken.size(), 100u);
  EXPECT_LE(last.capacity(), 1'000u);
}

}  // namespace
}  // namespace ringway::mtproto
