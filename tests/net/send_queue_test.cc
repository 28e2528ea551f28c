#include "net/send_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "base/limits.h"

namespace ringway::net {
namespace {

void fill(ByteSpan span, uint8_t& next) {
  for (uint8_t& byte : span) byte = next++;
}

Bytes gathered(const SendQueue& queue, size_t pieces_max = kSendGatherMax) {
  std::array<iovec, 64> pieces{};
  const size_t count = queue.gather(std::span(pieces).first(pieces_max));
  Bytes bytes;
  for (const iovec& piece : std::span(pieces).first(count)) {
    const auto* data = static_cast<const uint8_t*>(piece.iov_base);
    bytes.insert(bytes.end(), data, data + piece.iov_len);
  }
  return bytes;
}

TEST(SendQueue, OnlyCommittedBytesAreSent) {
  ChunkPool pool;
  SendQueue queue;
  uint8_t next = 0;
  fill(queue.reserve(pool, 10), next);
  EXPECT_TRUE(gathered(queue).empty());
  queue.commit();
  const ByteSpan later = queue.reserve(pool, 5);
  EXPECT_EQ(gathered(queue).size(), 10U);
  EXPECT_EQ(queue.queued_bytes(), 15U);
  queue.consume(pool, 10);
  EXPECT_TRUE(gathered(queue).empty());
  fill(later, next);  // stays valid although everything before it went
  queue.commit();
  EXPECT_EQ(gathered(queue), (Bytes{10, 11, 12, 13, 14}));
  queue.clear(pool);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(SendQueue, EmptyQueueOwnsNothing) {
  ChunkPool pool;
  SendQueue queue;
  (void)queue.reserve(pool, 100);
  queue.commit();
  EXPECT_GT(pool.bytes_in_use(), 0U);
  queue.consume(pool, 100);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_GT(pool.bytes_idle(), 0U);
}

TEST(SendQueue, LargeReservationIsContiguous) {
  ChunkPool pool;
  SendQueue queue;
  (void)queue.reserve(pool, 1);
  EXPECT_EQ(queue.reserve(pool, 2 * 1024 * 1024).size(), 2U * 1024 * 1024);
  queue.commit();
  std::array<iovec, 4> pieces{};
  EXPECT_EQ(queue.gather(pieces), 2U);
  queue.clear(pool);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_LE(pool.bytes_idle(), 1024U) << "an outsized chunk is not kept";
}

TEST(SendQueue, SmallMessageBehindABigOneStaysSmall) {
  ChunkPool pool;
  SendQueue queue;
  (void)queue.reserve(pool, 2 * 1024 * 1024);
  const size_t before = pool.bytes_in_use();
  (void)queue.reserve(pool, 100);
  EXPECT_LE(pool.bytes_in_use() - before, ChunkPool::kChunkBytes.back());
  queue.clear(pool);
}

TEST(SendQueue, MatchesAModel) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    std::mt19937 random(seed);
    ChunkPool pool;
    SendQueue queue;
    Bytes model;
    size_t committed = 0;
    uint8_t next = 0;
    for (int step = 0; step < 300; ++step) {
      switch (random() % 4) {
        case 0:
        case 1: {
          const uint8_t first = next;
          const ByteSpan span =
              queue.reserve(pool, random() % 8 == 0 ? 1 + random() % 20000 : 1 + random() % 300);
          fill(span, next);
          uint8_t value = first;
          for (size_t i = 0; i < span.size(); ++i) model.push_back(value++);
          break;
        }
        case 2:
          queue.commit();
          committed = model.size();
          break;
        default: {
          const Bytes sendable = gathered(queue, 1 + random() % 16);
          ASSERT_TRUE(equal(sendable, ByteView(model).first(sendable.size())));
          ASSERT_LE(sendable.size(), committed);
          if (sendable.empty()) break;
          const size_t sent = 1 + random() % sendable.size();
          queue.consume(pool, sent);
          model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(sent));
          committed -= sent;
        }
      }
      ASSERT_EQ(queue.queued_bytes(), model.size());
      ASSERT_EQ(queue.committed_bytes(), committed);
    }
    queue.clear(pool);
    EXPECT_EQ(pool.bytes_in_use(), 0U);
  }
}

TEST(ChunkPool, KeepsABoundedReserve) {
  ChunkPool pool;
  std::vector<Chunk*> chunks;
  for (int i = 0; i < 1000; ++i) chunks.push_back(pool.take(ChunkPool::kChunkBytes.back()));
  for (Chunk* chunk : chunks) pool.give_back(chunk);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_LE(pool.bytes_idle(), ChunkPool::kIdleBytesMax);
  Chunk* again = pool.take(1);
  EXPECT_EQ(again->size(), 0U);
  EXPECT_EQ(again->next, nullptr);
  pool.give_back(again);
}

}  // namespace
}  // namespace ringway::net
