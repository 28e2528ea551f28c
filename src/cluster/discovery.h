// cluster/discovery: where the session shards are.
//
// A Discovery delivers the set of shard addresses, whole, once at the start and again whenever it
// changes. Each address is both the node's name on the hash ring and what a channel connects to.
// The listener is called on any thread, one call at a time; it passes the set on to every worker's
// inbox.
//
// The set comes from the configuration (static_discovery.h) or from etcd (etcd_discovery.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ringway::cluster {

// Distinct addresses in the source's order, which breaks ties on the ring.
using NodeSet = std::vector<std::string>;
using NodeListener = std::function<void(const NodeSet&)>;

class Discovery {
 public:
  virtual ~Discovery() = default;
  // Delivers what is known at once, later sets as they come. Called once.
  virtual void start(NodeListener listener) = 0;
  // No call of the listener runs or comes after this.
  virtual void stop() = 0;
};

}  // namespace ringway::cluster
