// cluster/etcd_discovery: the session shards that are registered below a key of etcd.
//
//            +--------------------- compacted ---------------------+
//            v                                                     |
//     load: all keys of the prefix --> watch from the next revision --events--> watch
//            ^                                                     |
//            +------- the next host, after a pause <----- lost ----+
//
// A load always gives the whole set, so nothing that happened while there was no watch can be
// missed. The listener hears of a set only when it differs from the one before. While etcd is away
// the last known set stays in use. An empty set is told like any other: then nobody owns a key.
//
// Runs on a thread of its own, "rw-etcd-watch".
#pragma once

#include <string>
#include <vector>

#include "cluster/discovery.h"
#include "cluster/etcd_nodes.h"
#include "cluster/etcd_task.h"

namespace ringway::cluster {

class EtcdDiscovery final : public Discovery, private EtcdTask {
 public:
  // Shards are registered as `key`/ID.
  EtcdDiscovery(EtcdOptions options, const std::string& key);
  ~EtcdDiscovery() override { EtcdTask::stop(); }

  void start(NodeListener listener) override;
  void stop() override { EtcdTask::stop(); }

  // Any thread.
  using EtcdTask::connected;
  using EtcdTask::counters;

 private:
  void run() override;
  [[nodiscard]] std::string when_away() const override;
  [[nodiscard]] std::string when_back() const override;

  [[nodiscard]] bool load(int64_t& revision);
  void watch(int64_t revision);
  void deliver();

  const std::string prefix_;
  const std::string prefix_end_;
  NodeListener listener_;
  // The task's thread.
  EtcdNodes nodes_;
  NodeSet delivered_;
  bool ever_delivered_ = false;
};

}  // namespace ringway::cluster
