#include "base/small_list.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ringway {
namespace {

struct Pair {
  int64_t a = 0;
  int64_t b = 0;
  friend bool operator==(const Pair&, const Pair&) = default;
};

static_assert(sizeof(SmallList<void*>) == 16);
static_assert(sizeof(SmallList<Pair>) == 24);

std::vector<Pair> contents(const SmallList<Pair>& list) {
  return std::vector<Pair>(list.begin(), list.end());
}

TEST(SmallList, AnElementInPlace) {
  SmallList<Pair> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.begin(), list.end());
  list.push_back({1, 2});
  EXPECT_EQ(list.size(), 1U);
  EXPECT_EQ(list.front(), (Pair{1, 2}));
  EXPECT_EQ(list.back(), (Pair{1, 2}));
  const auto* from = reinterpret_cast<const char*>(list.begin());
  const auto* object = reinterpret_cast<const char*>(&list);
  EXPECT_TRUE(from >= object && from < object + sizeof list);
  list.erase(list.begin());
  EXPECT_TRUE(list.empty());
}

// Random pushes and erasures, as a vector does them.
TEST(SmallList, DoesWhatAVectorDoes) {
  std::minstd_rand random(7);
  SmallList<Pair> list;
  std::vector<Pair> wanted;
  for (int64_t step = 0; step < 20'000; ++step) {
    // Grows and shrinks in turns, so that it often is empty, one, and two.
    const bool push = wanted.empty() || random() % 100 < (step / 100 % 2 == 0 ? 70 : 30);
    if (push) {
      list.push_back({step, -step});
      wanted.push_back({step, -step});
    } else {
      const size_t at = random() % wanted.size();
      list.erase(list.begin() + at);
      wanted.erase(wanted.begin() + static_cast<ptrdiff_t>(at));
    }
    ASSERT_EQ(contents(list), wanted);
  }
  list.clear();
  EXPECT_TRUE(list.empty());
  list.push_back({3, 4});
  EXPECT_EQ(list.front(), (Pair{3, 4}));
}

TEST(SmallList, AnElementOfItsOwnMayBeAdded) {
  SmallList<Pair> list;
  list.push_back({1, 1});
  for (int i = 0; i < 20; ++i) list.push_back(list.front());
  for (const Pair& pair : list) EXPECT_EQ(pair, (Pair{1, 1}));
}

TEST(SmallList, Moves) {
  for (const size_t size : {0U, 1U, 2U, 9U}) {
    for (const size_t other_size : {0U, 1U, 5U}) {
      SmallList<Pair> from;
      std::vector<Pair> wanted;
      for (size_t i = 0; i < size; ++i) {
        wanted.push_back({static_cast<int64_t>(i), 7});
        from.push_back(wanted.back());
      }
      SmallList<Pair> taken(std::move(from));
      EXPECT_EQ(contents(taken), wanted);
      SmallList<Pair> assigned;
      for (size_t i = 0; i < other_size; ++i) assigned.push_back({-1, -1});
      assigned = std::move(taken);
      EXPECT_EQ(contents(assigned), wanted);
    }
  }
}

}  // namespace
}  // namespace ringway
