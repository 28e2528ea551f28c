#include "cluster/dispatcher.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "base/assert.h"
#include "base/limits.h"
#include "cluster/hash_ring.h"
#include "cluster/shard_link.h"

namespace ringway::cluster {

struct Dispatcher::Impl {
  Impl(DispatcherOptions o, ShardTransport& t, DispatcherEvents& e, Waker& w, CounterBlock& c)
      : options(std::move(o)), transport(t), events(e), waker(w), counters(c) {}

  ShardLink* link_of(int64_t key) noexcept {
    const uint32_t shard = shard_of(key);
    return shard == kAnyShard ? nullptr : links[shard].get();
  }
  uint32_t shard_of(int64_t key) noexcept {
    Owner& known = owners[static_cast<uint64_t>(key) % owners.size()];
    if (known.shard != kAnyShard && known.key == key) return known.shard;
    const uint32_t node = ring.pick(key);
    known = {key, node == kNoNode ? kAnyShard : node_links[node]};
    return known.shard;
  }
  uint32_t find_or_make_link(const std::string& address);
  void deliver();
  void report_open_windows();
  void drop_finished_links();
  void hand_over(Now now);
  void hold_changing_keys();
  void release_changing_keys();

  const DispatcherOptions options;
  ShardTransport& transport;
  DispatcherEvents& events;
  Waker& waker;
  CounterBlock& counters;
  LinkOutput output;  // what links have to say; given out at the end of poll()
  LinkOutput delivering;
  HashRing ring;
  std::vector<uint32_t> node_links;  // ring node -> links
  // What the ring has said lately, by the key's low bits: a key comes again with each message.
  struct Owner {
    int64_t key = 0;
    uint32_t shard = kAnyShard;
  };
  std::array<Owner, kOwnersRemembered> owners;
  std::vector<std::unique_ptr<ShardLink>> links;  // null where one is gone
  std::unordered_set<int64_t> key_queries;
  size_t key_stores = 0;
  bool nodes_changed = false;

  // A link that stays and has messages of keys that are no longer its own, up to a serial.
  struct Leftover {
    uint32_t link = 0;
    uint64_t until_serial = 0;
  };
  std::vector<Leftover> leftovers;
  std::unordered_map<int64_t, uint32_t>
      changing_keys;  // perm_auth_key_id -> the link they wait for
};

uint32_t Dispatcher::Impl::find_or_make_link(const std::string& address) {
  uint32_t free_slot = static_cast<uint32_t>(links.size());
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr) {
      free_slot = i;
    } else if (links[i]->address() == address) {
      return i;
    }
  }
  if (free_slot == links.size()) links.emplace_back();
  links[free_slot] =
      std::make_unique<ShardLink>(address, options, transport, waker, counters, output);
  return free_slot;
}

// The events may call back into the dispatcher, so everything is moved out of reach first.
void Dispatcher::Impl::deliver() {
  if (output.empty()) return;
  std::swap(output, delivering);
  for (const LinkOutput::Store& store : delivering.stores) {
    --key_stores;
    events.on_store_answer(store.cookie, store.answer);
  }
  for (const LinkOutput::Key& key : delivering.keys) {
    key_queries.erase(key.auth_key_id);
    events.on_key_answer(key.auth_key_id, key.answer,
                         key.answer == KeyAnswer::kFound ? &key.record : nullptr);
  }
  for (const int64_t key : delivering.unregistered) events.on_key_unregistered(key);
  for (PushRequest& push : delivering.pushes) events.on_push(std::move(push));
  delivering.stores.clear();
  delivering.keys.clear();
  delivering.unregistered.clear();
  delivering.pushes.clear();
}

void Dispatcher::Impl::report_open_windows() {
  if (nodes_changed) {
    nodes_changed = false;
    if (!ring.nodes().empty()) events.on_window_open(kAnyShard);
  }
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] != nullptr && links[i]->window_opened()) events.on_window_open(i);
  }
}

void Dispatcher::Impl::drop_finished_links() {
  for (auto& link : links) {
    if (link != nullptr && link->finished()) link = nullptr;
  }
}

void Dispatcher::Impl::hand_over(Now now) {
  const auto owner_of = [this](int64_t key) -> ShardLink& { return *links[shard_of(key)]; };
  for (const auto& link : links) {
    if (link != nullptr && link->retired()) link->hand_over(owner_of, now);
  }
}

// A key's unacknowledged messages always lie in one window: what a link that goes had was handed
// over as a whole, and a key that changes its owner takes no new ones before the old are through.
void Dispatcher::Impl::hold_changing_keys() {
  changing_keys.clear();
  leftovers.clear();
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr || links[i]->retired()) continue;
    const SendWindow& window = links[i]->window();
    const size_t before = changing_keys.size();
    for (uint32_t e = window.first(); e != kNoEntry; e = window.next(e)) {
      const int64_t key = window.perm_auth_key_id(e);
      if (shard_of(key) != i) changing_keys.emplace(key, i);
    }
    if (changing_keys.size() > before) leftovers.push_back({i, links[i]->newest_serial()});
  }
}

void Dispatcher::Impl::release_changing_keys() {
  const size_t before = leftovers.size();
  std::erase_if(leftovers, [this](const Leftover& leftover) {
    if (!links[leftover.link]->acknowledged_up_to(leftover.until_serial)) return false;
    std::erase_if(changing_keys,
                  [&](const auto& changing) { return changing.second == leftover.link; });
    return true;
  });
  if (leftovers.size() < before) nodes_changed = true;  // wakes who waits for a key
}

Dispatcher::Dispatcher(DispatcherOptions options, ShardTransport& transport,
                       DispatcherEvents& events, Waker& waker, CounterBlock& counters)
    : impl_(std::make_unique<Impl>(std::move(options), transport, events, waker, counters)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::set_shards(const std::vector<std::string>& addresses, Now now) {
  Impl& d = *impl_;
  d.ring.assign(addresses);
  d.owners.fill({});
  d.node_links.clear();
  d.nodes_changed = true;
  if (addresses.empty()) return;
  for (const auto& link : d.links) {
    if (link != nullptr) link->retire(true);
  }
  for (const std::string& node : d.ring.nodes()) {
    const uint32_t slot = d.find_or_make_link(node);
    d.links[slot]->retire(false);
    d.node_links.push_back(slot);
  }
  d.hand_over(now);
  d.hold_changing_keys();
}

uint32_t Dispatcher::shard_of(int64_t perm_auth_key_id) const noexcept {
  return impl_->shard_of(perm_auth_key_id);
}

Submit Dispatcher::send(const ClientMessage& message) {
  if (!impl_->changing_keys.empty() && impl_->changing_keys.contains(message.perm_auth_key_id)) {
    return Submit::kNoShard;
  }
  ShardLink* link = impl_->link_of(message.perm_auth_key_id);
  if (link == nullptr) return Submit::kNoShard;
  return link->send(message) ? Submit::kAccepted : Submit::kWindowFull;
}

bool Dispatcher::close_session(const SessionClose& close) {
  ShardLink* link = impl_->link_of(close.perm_auth_key_id);
  // Behind the session's messages, also while these are still with the key's old owner.
  const auto changing = impl_->changing_keys.find(close.perm_auth_key_id);
  if (changing != impl_->changing_keys.end()) link = impl_->links[changing->second].get();
  return link != nullptr && link->close_session(close);
}

bool Dispatcher::query_auth_key(int64_t auth_key_id, Now now) {
  Impl& d = *impl_;
  if (d.key_queries.contains(auth_key_id)) return true;
  if (d.key_queries.size() >= kKeyQueriesInFlightMax) return false;
  d.key_queries.insert(auth_key_id);
  if (ShardLink* link = d.link_of(auth_key_id)) {
    link->query_auth_key(auth_key_id, now);
  } else {
    d.counters.add(Counter::kKeyQueriesFailed);
    d.output.keys.push_back({.auth_key_id = auth_key_id});
  }
  return true;
}

bool Dispatcher::set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                              uint64_t cookie, Now now) {
  Impl& d = *impl_;
  if (d.key_stores >= kKeyStoresInFlightMax) return false;
  ++d.key_stores;
  if (ShardLink* link = d.link_of(record.auth_key_id)) {
    link->set_auth_key(record, salt, expires_in, cookie, now);
  } else {
    d.counters.add(Counter::kShardErrors);
    d.output.stores.push_back({cookie, StoreAnswer::kRefused});
  }
  return true;
}

void Dispatcher::poll(Now now) {
  Impl& d = *impl_;
  for (const auto& link : d.links) {
    if (link != nullptr) link->poll(now);
  }
  d.release_changing_keys();
  d.drop_finished_links();
  d.deliver();
  d.report_open_windows();
}

void Dispatcher::flush(Now now) {
  for (const auto& link : impl_->links) {
    if (link != nullptr) link->flush(now);
  }
}

bool Dispatcher::has_work() const noexcept {
  const Impl& d = *impl_;
  if (!d.output.empty() || d.nodes_changed) return true;
  return std::any_of(d.links.begin(), d.links.end(),
                     [](const auto& link) { return link != nullptr && link->has_work(); });
}

int64_t Dispatcher::next_deadline_ns() const noexcept {
  int64_t deadline = INT64_MAX;
  for (const auto& link : impl_->links) {
    if (link != nullptr) deadline = std::min(deadline, link->deadline_ns());
  }
  return deadline;
}

size_t Dispatcher::unacknowledged() const noexcept {
  size_t count = 0;
  for (const auto& link : impl_->links) {
    if (link != nullptr) count += link->unacknowledged();
  }
  return count;
}

void Dispatcher::status(std::vector<ShardStatus>& out) const {
  size_t count = 0;
  for (const auto& link : impl_->links) {
    if (link == nullptr) continue;
    if (count == out.size()) out.emplace_back();
    link->status(out[count++]);
  }
  out.resize(count);
}

}  // namespace ringway::cluster
