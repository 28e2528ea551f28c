#include "cluster/static_discovery.h"

#include <gtest/gtest.h>

namespace ringway::cluster {
namespace {

NodeSet nodes_of(std::string_view target) {
  std::string error;
  NodeSet nodes = parse_target(target, error);
  EXPECT_EQ(nodes.empty(), !error.empty()) << target;
  return nodes;
}

TEST(StaticDiscovery, ReadsTargets) {
  EXPECT_EQ(nodes_of("127.0.0.1:20120"), NodeSet{"127.0.0.1:20120"});
  EXPECT_EQ(nodes_of("dns:///session.example:20120"), NodeSet{"session.example:20120"});
  EXPECT_EQ(nodes_of("direct:///a:1, b:2,a:1,"), (NodeSet{"a:1", "b:2"}));
  EXPECT_EQ(nodes_of("[::1]:20120"), NodeSet{"[::1]:20120"});
  EXPECT_EQ(nodes_of("unix:/run/shard.sock"), NodeSet{"unix:/run/shard.sock"});
}

TEST(StaticDiscovery, RefusesWhatIsNoAddress) {
  for (const char* target :
       {"", "direct:///", "direct:///a:1,b", "host", "host:", ":1", "host:0", "host:65536",
        "host:1x", "::1:20120", "etcd://127.0.0.1:2379/session", "k8s://ns/svc:1"}) {
    EXPECT_TRUE(nodes_of(target).empty()) << target;
  }
}

TEST(StaticDiscovery, DeliversOnceAtTheStart) {
  std::string error;
  const auto discovery = make_static_discovery({"a:1", " b:2 ", "a:1"}, error);
  ASSERT_NE(discovery, nullptr);
  std::vector<NodeSet> delivered;
  discovery->start([&](const NodeSet& nodes) { delivered.push_back(nodes); });
  discovery->stop();
  EXPECT_EQ(delivered, (std::vector<NodeSet>{{"a:1", "b:2"}}));
  EXPECT_EQ(make_static_discovery({}, error), nullptr);
  EXPECT_EQ(make_static_discovery({"a:1", "nonsense"}, error), nullptr);
  EXPECT_NE(error.find("nonsense"), std::string::npos);
}

}  // namespace
}  // namespace ringway::cluster
