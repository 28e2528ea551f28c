#include "cluster/etcd_nodes.h"

#include <algorithm>
#include <unordered_set>

#include "base/limits.h"
#include "cluster/static_discovery.h"

namespace ringway::cluster {
namespace {

constexpr size_t kShownMax = 128;  // of a value that is no address

bool is_unprintable(char c) noexcept { return c < ' ' || c > '~'; }

// A foreign key may hold anything, also what would break a line of the log.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, kShownMax));
  std::replace_if(out.begin(), out.end(), is_unprintable, '?');
  return out;
}

bool is_usable(std::string_view address) {
  return address.size() <= kShardAddressBytesMax && is_address(address) &&
         std::none_of(address.begin(), address.end(), is_unprintable);
}

}  // namespace

std::string etcd_prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(end.back() + 1);
  return end;
}

void EtcdNodes::assign(const std::vector<EtcdKeyValue>& items) {
  entries_.clear();
  for (const EtcdKeyValue& item : items) put(item);
}

void EtcdNodes::apply(const EtcdEvent& event) {
  if (event.deleted) {
    entries_.erase(event.item.key);
  } else {
    put(event.item);
  }
}

void EtcdNodes::put(const EtcdKeyValue& item) {
  const bool full = entries_.size() >= kShardEndpointsMax && !entries_.contains(item.key);
  if (full || !is_usable(item.value)) {
    entries_.erase(item.key);
    if (refused_.size() < kShardEndpointsMax) {
      refused_.push_back(shown(item.key) + " = " + shown(item.value));
    }
    return;
  }
  entries_[item.key] = {item.value, item.create_revision};
}

NodeSet EtcdNodes::nodes() const {
  std::vector<const Entry*> order;
  for (const auto& [key, entry] : entries_) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->create_revision < b->create_revision;
  });
  NodeSet nodes;
  std::unordered_set<std::string_view> seen;
  for (const Entry* entry : order) {
    if (seen.insert(entry->address).second) nodes.push_back(entry->address);
  }
  return nodes;
}

}  // namespace ringway::cluster
