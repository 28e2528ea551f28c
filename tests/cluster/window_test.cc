#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "base/limits.h"
#include "cluster/recorder.h"
#include "cluster/send_window.h"

namespace ringway::cluster {
namespace {

Bytes copy(const WireSlice& slice) { return {slice.data, slice.data + slice.size}; }

TEST(SendWindow, ItemsLieNextToEachOther) {
  SendWindow window("g:1", 100, 1 << 20);
  const NumberedMessage m(1, 0);
  const uint32_t a = window.append(m.message);
  const uint32_t b = window.append(m.message);
  ASSERT_NE(b, kNoEntry);
  const WireSlice first = window.item(a);
  const WireSlice second = window.item(b);
  EXPECT_EQ(first.data + first.size, second.data);
  EXPECT_EQ(first.chunk, second.chunk);
  // The body is the end of the item.
  EXPECT_EQ(window.body(a).data + window.body(a).size, second.data);
  EXPECT_EQ(window.body(a).size, window.body_size(a));
}

TEST(SendWindow, CountsAndKeepsOrder) {
  SendWindow window("g:1", 3, 1 << 20);
  const NumberedMessage m(1, 0);
  const uint32_t a = window.append(m.message);
  const uint32_t b = window.append(SessionClose{.auth_key_id = 2, .perm_auth_key_id = 3});
  const uint32_t c = window.append(m.message);
  EXPECT_EQ(window.append(m.message), kNoEntry);
  EXPECT_EQ(window.kind(b), ItemKind::kClose);
  EXPECT_EQ(window.auth_key_id(b), 2);
  EXPECT_EQ(window.perm_auth_key_id(b), 3);
  EXPECT_EQ(window.first(), a);
  EXPECT_EQ(window.next(a), b);
  EXPECT_EQ(window.next(b), c);
  EXPECT_EQ(window.next(c), kNoEntry);
  window.release(b);
  EXPECT_EQ(window.next(a), c);
  window.release(a);
  EXPECT_EQ(window.first(), c);
  const uint32_t d = window.append(m.message);
  EXPECT_EQ(window.next(c), d);
  window.release(d);
  window.release(c);
  EXPECT_EQ(window.first(), kNoEntry);
  EXPECT_EQ(window.messages(), 0U);
  EXPECT_EQ(window.item_bytes(), 0U);
}

// Items of two windows in turn: each chunk counts once, however often it comes.
TEST(SendWindow, AdoptedItemsCountTheirChunksOnce) {
  constexpr size_t kItems = 100;
  SendWindow a("g:1", 2 * kItems, 1 << 20);
  SendWindow b("g:1", 2 * kItems, 1 << 20);
  SendWindow to("g:1", 2 * kItems, 1 << 20);
  const NumberedMessage m(1, 0);
  for (size_t i = 0; i < kItems; ++i) {
    ASSERT_NE(a.append(m.message), kNoEntry);
    ASSERT_NE(b.append(m.message), kNoEntry);
  }
  const size_t chunks = a.chunk_bytes() + b.chunk_bytes();
  for (size_t i = 0; i < kItems; ++i) {
    to.adopt(a.take(a.first()));
    to.adopt(b.take(b.first()));
  }
  EXPECT_EQ(to.messages(), 2 * kItems);
  EXPECT_EQ(to.chunk_bytes(), chunks);
  while (to.first() != kNoEntry) to.release(to.first());
  EXPECT_EQ(to.chunk_bytes(), 0U);
}

TEST(SendWindow, MemoryStaysWhileATransportReads) {
  SendWindow window("g:1", 100, 1 << 20);
  const NumberedMessage m(1, 77);
  const uint32_t a = window.append(m.message);
  const WireSlice held = window.item(a);
  const Bytes before = copy(held);
  window.release(a);
  // The window goes on writing; what the transport holds stays as it is.
  for (uint32_t i = 0; i < 5000; ++i) {
    const NumberedMessage other(2, i);
    window.release(window.append(other.message));
  }
  EXPECT_EQ(copy(held), before);
}

TEST(SendWindow, ReusesMemoryThatNobodyHolds) {
  SendWindow window("g:1", 100, 1 << 20);
  const uint8_t* place = nullptr;
  for (uint32_t i = 0; i < 5000; ++i) {
    const NumberedMessage m(2, i);
    const uint32_t entry = window.append(m.message);
    if (place == nullptr) place = window.item(entry).data;
    EXPECT_EQ(window.item(entry).data, place);
    window.release(entry);
  }
  EXPECT_EQ(window.chunk_bytes(), kWindowChunkBytes);
}

// One entry that stays must not let others' memory grow beyond the bound.
TEST(SendWindow, AStuckEntryFillsTheWindowInsteadOfGrowingIt) {
  constexpr size_t kBytes = 8 * kWindowChunkBytes;
  SendWindow window("g:1", 1'000'000, kBytes);
  std::vector<uint32_t> stuck;
  for (uint32_t i = 0; i < 100'000; ++i) {
    const NumberedMessage m(2, i, 1000);
    const uint32_t entry = window.append(m.message);
    if (entry == kNoEntry) break;
    EXPECT_LE(window.chunk_bytes(), kBytes);
    if (i % 60 == 0) {
      stuck.push_back(entry);
    } else {
      window.release(entry);
    }
  }
  EXPECT_LT(stuck.size(), 20U);
  const NumberedMessage m(2, 0, 1000);
  EXPECT_FALSE(window.has_ample_room());
  for (const uint32_t entry : stuck) window.release(entry);
  EXPECT_TRUE(window.has_ample_room());
  EXPECT_NE(window.append(m.message), kNoEntry);
}

// Against a plain model: random sizes, random releases.
TEST(SendWindow, BehavesLikeAListOfCopies) {
  SendWindow window("server", 200, 4 << 20);
  std::deque<std::pair<uint32_t, Bytes>> model;
  std::mt19937 random(5);
  for (uint32_t i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      const size_t size = random() % 50 == 0 ? 4 + random() % 300'000 : 4 + random() % 400;
      const NumberedMessage m(static_cast<int64_t>(i), i, size);
      const uint32_t entry = window.append(m.message);
      if (entry != kNoEntry) model.emplace_back(entry, copy(window.item(entry)));
    } else if (!model.empty()) {
      const auto at = model.begin() + static_cast<ptrdiff_t>(random() % model.size());
      ASSERT_EQ(copy(window.item(at->first)), at->second);
      window.release(at->first);
      model.erase(at);
    }
    ASSERT_EQ(window.messages(), model.size());
  }
  uint32_t entry = window.first();
  for (const auto& [number, bytes] : model) {
    ASSERT_EQ(entry, number);
    entry = window.next(entry);
  }
  EXPECT_EQ(entry, kNoEntry);
}

}  // namespace
}  // namespace ringway::cluster
