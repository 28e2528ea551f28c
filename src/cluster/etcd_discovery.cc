#include "cluster/etcd_discovery.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"

namespace ringway::cluster {

EtcdDiscovery::EtcdDiscovery(EtcdOptions options, const std::string& key)
    : EtcdTask(std::move(options), "rw-etcd-watch"),
      prefix_(key + "/"),
      prefix_end_(etcd_prefix_end(prefix_)) {}

void EtcdDiscovery::start(NodeListener listener) {
  listener_ = std::move(listener);
  EtcdTask::start();
}

void EtcdDiscovery::run() {
  while (!stopping()) {
    int64_t revision = 0;
    if (load(revision)) watch(revision + 1);
  }
}

bool EtcdDiscovery::load(int64_t& revision) {
  EtcdRange range;
  const EtcdStatus status = client_.range(prefix_, prefix_end_, kShardEndpointsMax, range);
  if (!status.ok()) {
    failed(status);
    return false;
  }
  counters_.add(Counter::kEtcdLoads);
  if (range.more) {
    log_error("etcd", "{} has more than {} keys: the rest is left out", prefix_,
              kShardEndpointsMax);
  }
  revision = range.revision;
  nodes_.assign(range.items);
  deliver();
  return true;
}

void EtcdDiscovery::watch(int64_t revision) {
  const auto watch = client_.watch(prefix_, prefix_end_, revision, 0);
  std::vector<EtcdEvent> events;
  for (;;) {
    switch (watch->next(events)) {
      case EtcdWatch::Outcome::kCreated:
        succeeded();
        break;
      case EtcdWatch::Outcome::kEvents:
        for (const EtcdEvent& event : events) nodes_.apply(event);
        deliver();
        break;
      case EtcdWatch::Outcome::kCompacted:
        breathe();
        return;
      case EtcdWatch::Outcome::kTimeout:
      case EtcdWatch::Outcome::kBroken:
        failed(watch->status());
        return;
    }
  }
}

void EtcdDiscovery::deliver() {
  for (const std::string& refused : nodes_.take_refused()) {
    counters_.add(Counter::kEtcdValuesRefused);
    log_error("etcd", "{}: no address of a session shard, left out", refused);
  }
  NodeSet nodes = nodes_.nodes();
  if (ever_delivered_ && nodes == delivered_) return;
  ever_delivered_ = true;
  delivered_ = std::move(nodes);
  counters_.add(Counter::kShardSetChanges);
  if (delivered_.empty()) {
    log_warning("etcd", "no session shard is registered below {}: clients wait", prefix_);
  } else {
    log_info("etcd", "{} session shards: {}", delivered_.size(), fmt::join(delivered_, ", "));
  }
  listener_(delivered_);
}

std::string EtcdDiscovery::when_away() const {
  if (!ever_delivered_) return "no session shard is known yet";
  return fmt::format("the last known {} session shards stay in use", delivered_.size());
}

std::string EtcdDiscovery::when_back() const {
  return fmt::format("{} session shards", delivered_.size());
}

}  // namespace ringway::cluster
