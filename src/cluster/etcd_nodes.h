// cluster/etcd_nodes: the session shards as etcd's keys tell them.
//
// Every service has a key below a prefix, and its address is the key's value. The node set is the
// set of distinct values, in the order in which etcd's revisions put them there, so that all
// gateways agree on it. A value that is no address is left out: nobody could be reached by it. One
// thread; no I/O.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/discovery.h"
#include "cluster/etcd_client.h"

namespace ringway::cluster {

// All keys that begin with `prefix` are from it to this one, which is not among them. Empty when
// there is no such key ("\xff\xff").
[[nodiscard]] std::string etcd_prefix_end(std::string_view prefix);

class EtcdNodes {
 public:
  // These keys and no others.
  void assign(const std::vector<EtcdKeyValue>& items);
  void apply(const EtcdEvent& event);

  [[nodiscard]] NodeSet nodes() const;
  // Keys whose value was left out since the last call, as "key = value", for the log.
  [[nodiscard]] std::vector<std::string> take_refused() { return std::move(refused_); }

 private:
  struct Entry {
    std::string address;
    int64_t create_revision = 0;
  };

  void put(const EtcdKeyValue& item);

  std::map<std::string, Entry> entries_;  // by key; at most kShardEndpointsMax
  std::vector<std::string> refused_;
};

}  // namespace ringway::cluster
