#include "cluster/http2_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace ringway::cluster {
namespace {

TEST(Http2Memory, AFreedPieceIsTakenAgain) {
  Http2Memory memory;
  const nghttp2_mem& f = *memory.functions();
  void* first = f.malloc(100, f.mem_user_data);
  f.free(first, f.mem_user_data);
  EXPECT_EQ(f.malloc(128, f.mem_user_data), first);
  f.free(first, f.mem_user_data);
  auto* zeros = static_cast<uint8_t*>(f.calloc(4, 25, f.mem_user_data));
  EXPECT_EQ(zeros, first);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(zeros[i], 0);
  f.free(zeros, f.mem_user_data);
  f.free(nullptr, f.mem_user_data);
  EXPECT_EQ(f.calloc(SIZE_MAX, 2, f.mem_user_data), nullptr);
  EXPECT_EQ(f.malloc(SIZE_MAX, f.mem_user_data), nullptr);
}

// Pieces of any size keep what is written into them, also while they grow; the address sanitizer
// watches their borders.
TEST(Http2Memory, PiecesAreTheirOwners) {
  struct Piece {
    uint8_t* bytes = nullptr;
    size_t size = 0;
    uint8_t value = 0;
  };
  Http2Memory memory;
  const nghttp2_mem& f = *memory.functions();
  std::minstd_rand random(3);
  std::vector<Piece> pieces(50);
  for (int step = 0; step < 20'000; ++step) {
    Piece& piece = pieces[random() % pieces.size()];
    for (size_t i = 0; i < piece.size; ++i) ASSERT_EQ(piece.bytes[i], piece.value);
    const size_t size = random() % (step % 10 == 0 ? 5000 : 300);
    if (random() % 3 == 0) {
      f.free(piece.bytes, f.mem_user_data);
      piece = {};
      continue;
    }
    const size_t kept = std::min(size, piece.size);
    piece.bytes = static_cast<uint8_t*>(f.realloc(piece.bytes, size, f.mem_user_data));
    ASSERT_NE(piece.bytes, nullptr);
    for (size_t i = 0; i < kept; ++i) ASSERT_EQ(piece.bytes[i], piece.value);
    piece.size = size;
    piece.value = static_cast<uint8_t>(step);
    if (size != 0) std::memset(piece.bytes, piece.value, size);
  }
  for (const Piece& piece : pieces) f.free(piece.bytes, f.mem_user_data);
}

}  // namespace
}  // namespace ringway::cluster
