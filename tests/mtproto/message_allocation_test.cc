// Opening and sealing take no memory from the heap once a thread has done it before.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "mtproto/message.h"

namespace {

thread_local size_t allocation_count = 0;

}  // namespace

// Not inlined, for then GCC would see malloc() and free() where it expects new and delete.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocation_count;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ringway::mtproto {
namespace {

constexpr size_t kMessages = 40;  // more than one chunk

TEST(MessageAllocation, SteadyStateHasNone) {
  std::vector<AuthKeyBytes> keys(kMessages);
  std::vector<Bytes> frames(kMessages);
  std::vector<SealJob> seals(kMessages);
  std::vector<OpenJob> opens(kMessages);
  for (size_t i = 0; i < kMessages; ++i) {
    const size_t body_bytes = 16 * (i + 1);
    frames[i].resize(sealed_bytes(kMessagePrefixBytes + body_bytes));
    store_le(frames[i].data() + kMessageHeaderBytes + 28, static_cast<uint32_t>(body_bytes));
    seals[i].key = opens[i].key = &keys[i];
    seals[i].out = opens[i].frame = frames[i];
    seals[i].plaintext_bytes = kMessagePrefixBytes + body_bytes;
    opens[i].sender = Sender::kServer;
  }
  const auto turn = [&](size_t count) {
    seal_many(std::span(seals).first(count));
    open_many(std::span(opens).first(count));
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(opens[i].error, Error::kNone);
  };
  turn(kMessages);
  const size_t before = allocation_count;
  EXPECT_NE(before, 0U) << "the counter counts";
  for (size_t count = 1; count <= kMessages; ++count) turn(count);
  EXPECT_EQ(allocation_count, before);
}

}  // namespace
}  // namespace ringway::mtproto
