#include "cluster/hash_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cinttypes>
#include <fstream>
#include <set>
#include <sstream>

namespace ringway::cluster {
namespace {

TEST(RingHash, KnownAnswers) {
  EXPECT_EQ(ring_hash(""), 0U);
  EXPECT_EQ(ring_hash("hello"), 0xcbd8a7b341bd9b02U);
  EXPECT_EQ(ring_hash("hello, world"), 0x342fac623a5ebc8eU);
  EXPECT_EQ(ring_hash("19 Jan 2038 at 3:14:07 AM"), 0xb89e5988b737affcU);
  EXPECT_EQ(ring_hash("The quick brown fox jumps over the lazy dog."), 0xcd99481f9ee902c9U);
  EXPECT_EQ(ring_hash("127.0.0.1:201200"), 0x237223088a6b5e70U);
  EXPECT_EQ(ring_hash("127.0.0.1:2012099"), 0x3dac7f2e0a202e98U);
}

TEST(HashRing, KnownOwners) {
  HashRing ring;
  ring.add("127.0.0.1:20120");
  ring.add("127.0.0.1:20121");
  ring.add("10.0.0.7:20120");
  const struct {
    int64_t key;
    uint64_t hash;
    const char* node;
  } cases[] = {
      {0, 0x2ac9debed546a380, "127.0.0.1:20121"},
      {1, 0x71fbbbfe8a7b7c71, "127.0.0.1:20121"},
      {-1, 0xedb551f5e4c5362a, "127.0.0.1:20121"},
      {12345678901234567, 0x748617968026b77e, "127.0.0.1:20120"},
      {-7677205308713398540, 0xd2841171b8c3035c, "127.0.0.1:20121"},
      {4444856049120896726, 0x329c8542a4fefa4c, "127.0.0.1:20120"},
      {INT64_MAX, 0x636591a2ccd7073b, "127.0.0.1:20120"},
      {INT64_MIN, 0x4df5c9b71982a38d, "127.0.0.1:20121"},
      {4875127898191746537, 0xe3a5febd9c8d166a, "10.0.0.7:20120"},
      {-832534131307312137, 0x923add108b0bd166, "127.0.0.1:20120"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ring_hash(std::to_string(c.key)), c.hash) << c.key;
    EXPECT_EQ(ring.nodes()[ring.pick(c.key)], c.node) << c.key;
  }
}

// Every pick of data/hash_picks.txt: 1 to 16 nodes, in both joining orders and after removals.
struct PickCase {
  std::string name;
  std::vector<std::string> nodes;
  std::vector<std::pair<int64_t, size_t>> picks;
};

std::vector<PickCase> load_cases() {
  std::ifstream in(RINGWAY_TEST_DATA "/hash_picks.txt");
  std::vector<PickCase> cases;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "case") {
      cases.push_back({line.substr(5), {}, {}});
    } else if (kind == "node") {
      words >> cases.back().nodes.emplace_back();
    } else if (kind == "pick") {
      auto& pick = cases.back().picks.emplace_back();
      words >> pick.first >> pick.second;
    }
  }
  return cases;
}

TEST(HashRing, AgreesWithGoZero) {
  const auto cases = load_cases();
  ASSERT_EQ(cases.size(), 13U);
  for (const PickCase& c : cases) {
    ASSERT_EQ(c.picks.size(), 200U) << c.name;
    HashRing ring;
    for (const std::string& node : c.nodes) ring.add(node);
    for (const auto& [key, node] : c.picks) {
      ASSERT_EQ(ring.nodes()[ring.pick(key)], c.nodes[node]) << c.name << ", key " << key;
    }
  }
}

// "N nodes, then X removed": the same picks when X really was there before.
TEST(HashRing, RemovalLeavesNoTrace) {
  const std::string marker = ", then ";
  size_t removals = 0;
  for (const PickCase& c : load_cases()) {
    const size_t at = c.name.find(marker);
    if (at == std::string::npos) continue;
    ++removals;
    const size_t begin = at + marker.size();
    const std::string removed = c.name.substr(begin, c.name.find(" removed") - begin);
    HashRing ring;
    for (size_t i = 0; i < c.nodes.size(); ++i) {
      if (i == 1) ring.add(removed);
      ring.add(c.nodes[i]);
    }
    ring.add(removed);
    ring.remove(removed);
    ring.remove("not there");
    ASSERT_EQ(ring.nodes(), c.nodes);
    for (const auto& [key, node] : c.picks) {
      ASSERT_EQ(ring.nodes()[ring.pick(key)], c.nodes[node]) << c.name << ", key " << key;
    }
  }
  EXPECT_EQ(removals, 4U);
}

// Discovery tells whole sets. Whatever stood there before, the picks are those of the set.
TEST(HashRing, AgreesWithGoZeroThroughEveryChangeOfTheSet) {
  const auto cases = load_cases();
  HashRing ring;
  for (size_t from = 0; from < cases.size(); ++from) {
    for (const PickCase& to : cases) {
      ring.assign(cases[from].nodes);
      // One node after the other, as they leave and join in a cluster.
      std::vector<std::string> nodes = cases[from].nodes;
      while (!nodes.empty()) {
        nodes.pop_back();
        ring.assign(nodes);
      }
      for (const std::string& node : to.nodes) {
        nodes.push_back(node);
        ring.assign(nodes);
      }
      for (const auto& [key, node] : to.picks) {
        ASSERT_EQ(ring.nodes()[ring.pick(key)], to.nodes[node]) << to.name << ", key " << key;
      }
    }
  }
}

TEST(HashRing, EmptyRingHasNoOwner) {
  HashRing ring;
  EXPECT_EQ(ring.pick(1), kNoNode);
  ring.add("a:1");
  EXPECT_EQ(ring.pick(1), 0U);
  ring.remove("a:1");
  EXPECT_EQ(ring.pick(1), kNoNode);
}

TEST(HashRing, DuplicateCountsOnceAndJoinsAnew) {
  HashRing ring;
  ring.add("a:1");
  ring.add("b:1");
  ring.add("a:1");
  EXPECT_EQ(ring.nodes(), (std::vector<std::string>{"b:1", "a:1"}));
}

// "h:201" with index 20 and "h:2012" with index 0 are one point, and so are nine more: they belong
// to both nodes, and the second hash decides by the joining order.
TEST(HashRing, SharedPointsAreDecidedByTheSecondHash) {
  std::vector<uint64_t> points;
  for (const std::string node : {"h:201", "h:2012"}) {
    for (int i = 0; i < 100; ++i) points.push_back(ring_hash(node + std::to_string(i)));
  }
  std::sort(points.begin(), points.end());

  HashRing forward;
  forward.add("h:201");
  forward.add("h:2012");
  HashRing backward;
  backward.add("h:2012");
  backward.add("h:201");

  int on_shared = 0;
  std::set<std::string> owners;
  for (int64_t key = 0; key < 20000; ++key) {
    auto point = std::lower_bound(points.begin(), points.end(), ring_hash(std::to_string(key)));
    if (point == points.end()) point = points.begin();
    const std::string& a = forward.nodes()[forward.pick(key)];
    const std::string& b = backward.nodes()[backward.pick(key)];
    const bool shared = point + 1 != points.end() && *(point + 1) == *point;
    if (!shared) {
      EXPECT_EQ(a, b);
      continue;
    }
    ++on_shared;
    const uint64_t inner = ring_hash("16777619:" + std::to_string(key));
    EXPECT_EQ(a, inner % 2 == 0 ? "h:201" : "h:2012");
    EXPECT_NE(a, b) << "the order of joining decides";
    owners.insert(a);
  }
  EXPECT_GT(on_shared, 10);
  EXPECT_EQ(owners.size(), 2U);
}

}  // namespace
}  // namespace ringway::cluster
