#include "base/recycled.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace ringway {
namespace {

struct Counted final : Recycled<Counted, 3> {
  explicit Counted(int* alive_in) : alive(alive_in) { ++*alive; }
  ~Counted() { --*alive; }
  int* alive;
};

TEST(Recycled, MemoryIsUsedAgain) {
  int alive = 0;
  auto first = std::make_unique<Counted>(&alive);
  const void* place = first.get();
  first = nullptr;
  EXPECT_EQ(alive, 0);
  const auto second = std::make_unique<Counted>(&alive);
  EXPECT_EQ(second.get(), place);
  EXPECT_EQ(alive, 1);
}

// What is not kept is freed: the leak sanitizer watches.
TEST(Recycled, OnlySoMuchIsKept) {
  int alive = 0;
  std::vector<std::unique_ptr<Counted>> many;
  for (int i = 0; i < 10; ++i) many.push_back(std::make_unique<Counted>(&alive));
  EXPECT_EQ(alive, 10);
  many.clear();
  EXPECT_EQ(alive, 0);
  for (int i = 0; i < 10; ++i) many.push_back(std::make_unique<Counted>(&alive));
  EXPECT_EQ(alive, 10);
}

TEST(Recycled, AnotherThreadMayDelete) {
  int alive = 0;
  auto object = std::make_unique<Counted>(&alive);
  std::thread([&] { object = nullptr; }).join();
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace ringway
