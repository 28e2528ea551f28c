#include "cluster/etcd_nodes.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "cluster/backoff.h"

namespace ringway::cluster {
namespace {

EtcdKeyValue item(const char* key, const char* value, int64_t revision) {
  return {key, value, revision};
}

TEST(EtcdPrefix, EndsBeforeTheNextKeyThatIsNoneOfIt) {
  EXPECT_EQ(etcd_prefix_end("interface.session/"), "interface.session0");
  EXPECT_EQ(etcd_prefix_end("a\xff\xff"), "b");
  EXPECT_EQ(etcd_prefix_end(std::string_view("a\x7f", 2)), std::string("a\x80"));
  EXPECT_EQ(etcd_prefix_end("\xff\xff"), "");
  EXPECT_EQ(etcd_prefix_end(""), "");
}

TEST(EtcdNodes, AreTheDistinctValuesInTheOrderOfTheirRevisions) {
  EtcdNodes nodes;
  EXPECT_TRUE(nodes.nodes().empty());
  nodes.assign({item("s/1", "10.0.0.2:1", 30), item("s/2", "10.0.0.1:1", 10),
                item("s/3", "10.0.0.2:1", 20), item("s/4", "10.0.0.3:1", 25)});
  EXPECT_EQ(nodes.nodes(), (NodeSet{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}));
  nodes.assign({item("s/9", "10.0.0.9:1", 40)});
  EXPECT_EQ(nodes.nodes(), NodeSet{"10.0.0.9:1"});
}

TEST(EtcdNodes, FollowEvents) {
  EtcdNodes nodes;
  nodes.assign({item("s/1", "a:1", 1), item("s/2", "a:1", 2)});
  nodes.apply({.deleted = true, .item = {.key = "s/1"}, .revision = 3});
  EXPECT_EQ(nodes.nodes(), NodeSet{"a:1"}) << "another key still says so";
  nodes.apply({.deleted = true, .item = {.key = "s/2"}, .revision = 4});
  nodes.apply({.deleted = true, .item = {.key = "s/2"}, .revision = 5});
  EXPECT_TRUE(nodes.nodes().empty());
  nodes.apply({.item = item("s/3", "b:1", 6), .revision = 6});
  nodes.apply({.item = item("s/3", "c:1", 6), .revision = 7});
  EXPECT_EQ(nodes.nodes(), NodeSet{"c:1"}) << "a key may change its value";
}

TEST(EtcdNodes, LeaveOutWhatIsNoAddress) {
  EtcdNodes nodes;
  const std::string longest = std::string(kShardAddressBytesMax - 2, 'h') + ":1";
  const std::string too_long = "h" + longest;
  nodes.assign({item("s/1", "", 1), item("s/2", "no port", 2), item("s/3", "a:0", 3),
                item("s/4", longest.c_str(), 4), item("s/5", too_long.c_str(), 5),
                item("s/6", "evil\n2026 line:1", 6)});
  EXPECT_EQ(nodes.nodes(), NodeSet{longest});
  const auto refused = nodes.take_refused();
  ASSERT_EQ(refused.size(), 5U);
  EXPECT_EQ(refused[0], "s/1 = ");
  EXPECT_EQ(refused[4], "s/6 = evil?2026 line:1") << "a foreign value breaks no line of the log";
  EXPECT_TRUE(nodes.take_refused().empty());
  // A good key that turns bad is gone, and not kept as it was.
  nodes.apply({.item = item("s/4", "nonsense", 4), .revision = 9});
  EXPECT_TRUE(nodes.nodes().empty());
}

TEST(EtcdNodes, AreBounded) {
  EtcdNodes nodes;
  for (size_t i = 0; i < kShardEndpointsMax + 10; ++i) {
    const std::string name = std::to_string(100'000 + i);
    nodes.apply({.item = {"s/" + name, "h" + name + ":1", static_cast<int64_t>(i + 1)},
                 .revision = static_cast<int64_t>(i + 1)});
  }
  EXPECT_EQ(nodes.nodes().size(), kShardEndpointsMax);
  EXPECT_EQ(nodes.take_refused().size(), 10U);
  // One that is known already may change.
  nodes.apply({.item = {"s/100000", "other:1", 1}, .revision = 9'999});
  EXPECT_EQ(nodes.nodes().front(), "other:1");
}

TEST(Backoff, DoublesToItsBoundAndIsCutByAQuarterAtMost) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(100, 1000, seed);
    for (const int64_t whole : {100, 200, 400, 800, 1000, 1000}) {
      const int64_t pause = backoff.next();
      EXPECT_LE(pause, whole);
      EXPECT_GE(pause, whole - whole / 4);
    }
    backoff.reset();
    EXPECT_LE(backoff.next(), 100);
  }
  EXPECT_NE(Backoff(1'000'000, 1'000'000, 1).next(), Backoff(1'000'000, 1'000'000, 2).next());
}

}  // namespace
}  // namespace ringway::cluster
