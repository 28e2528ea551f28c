#include "cluster/dispatcher.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/assert.h"
#include "base/limits.h"
#include "cluster/hash_ring.h"
#include "cluster/key_lines.h"
#include "cluster/session_codec.h"
#include "cluster/shard_link.h"

namespace ringway::cluster {

struct Dispatcher::Impl final : KeyLines::Nodes {
  Impl(DispatcherOptions o, ShardTransport& t, DispatcherEvents& e, Waker& w, CounterBlock& c)
      : options(std::move(o)), transport(t), events(e), waker(w), counters(c) {}

  // Nodes and the links that serve them.
  struct Routes {
    HashRing ring;
    std::vector<uint32_t> links;  // by ring node

    [[nodiscard]] uint32_t pick(int64_t key) const noexcept {
      const uint32_t node = ring.pick(key);
      return node == kNoNode ? kAnyShard : links[node];
    }
    [[nodiscard]] bool empty() const noexcept { return links.empty(); }
  };

  // --- KeyLines::Nodes
  ShardLink* owner_of(int64_t key) noexcept override { return link_of(key); }
  ShardLink* node_named(std::string_view address) noexcept override {
    const uint32_t link = find_node(address);
    return link == kAnyShard ? nullptr : links[link].get();
  }
  ShardLink* link_at(uint32_t link) noexcept override { return links[link].get(); }

  uint32_t find_node(std::string_view address) const noexcept {
    for (const uint32_t link : known.links) {
      if (links[link]->address() == address) return link;
    }
    return kAnyShard;
  }
  ShardLink* link_of(int64_t key) noexcept {
    const uint32_t shard = shard_of(key);
    return shard == kAnyShard ? nullptr : links[shard].get();
  }
  uint32_t shard_of(int64_t key) noexcept {
    Owner& remembered = owners[static_cast<uint64_t>(key) % owners.size()];
    if (remembered.shard == kAnyShard || remembered.key != key) {
      remembered = {key, routes.pick(key)};
    }
    return remembered.shard;
  }
  // Of calls about a key itself. While no shard is trusted, its owner is asked all the same.
  ShardLink* link_to_ask(int64_t key) noexcept {
    const uint32_t shard = routes.empty() ? known.pick(key) : shard_of(key);
    return shard == kAnyShard ? nullptr : links[shard].get();
  }
  uint32_t find_or_make_link(const std::string& address);
  Routes healthy_routes() const;
  void change_routes();
  bool wants_handover(uint32_t link) const;
  void finish_handover(Now now);
  void switch_routes();
  void settle_departed(Departing& departing);
  void close(const SessionClose& session);
  void look_after_routes(Now now);
  void look_after_no_shard(Now now);
  void look_for_crowd();
  void take_asides(Now now);
  void deliver(Now now);
  void deliver_keys(Now now);
  void deliver_http(Now now);
  uint32_t next_for(const LinkOutput::Http& http);
  void report_open_windows();
  void drop_idle_links();

  const DispatcherOptions options;
  ShardTransport& transport;
  DispatcherEvents& events;
  Waker& waker;
  CounterBlock& counters;
  LinkOutput output;  // what links have to say; given out at the end of poll()
  LinkOutput delivering;
  Routes known;   // the node set
  Routes routes;  // of those, the nodes that own keys now
  Routes next;    // while `changing`: what `routes` becomes
  bool changing = false;
  int64_t handover_end_ns = 0;  // of `changing`
  // What the ring has said lately, by the key's low bits: a key comes again with each message.
  struct Owner {
    int64_t key = 0;
    uint32_t shard = kAnyShard;
  };
  std::array<Owner, kOwnersRemembered> owners;
  std::vector<std::unique_ptr<ShardLink>> links;  // null where one is gone
  std::vector<OwnedClose> homeless_closes;        // of a time without shards
  KeyLines lines{options, *this, counters, output};
  // Under way, by key. True for one that went out while no shard was trusted.
  std::unordered_map<int64_t, bool> key_queries;
  size_t key_stores = 0;
  struct HttpCall {
    uint32_t link = 0;
    uint64_t id = 0;  // the link's
    size_t bytes = 0;
  };
  using HttpCalls = std::unordered_map<uint64_t, HttpCall>;
  void end_http(HttpCalls::iterator call) noexcept {
    http_call_bytes -= call->second.bytes;
    http_calls.erase(call);
  }
  HttpCalls http_calls;  // under way, by cookie
  size_t http_call_bytes = 0;
  bool routes_changed = false;
  bool crowded = false;  // moved messages fill more than the windows of all nodes: nothing new
  int64_t no_shard_at_ns = INT64_MAX;  // when on_no_shard() is due
  Now now;                             // of the last poll() or set_shards()
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
      std::make_unique<ShardLink>(free_slot, address, options, transport, waker, counters, output);
  return free_slot;
}

// --- the routes

Dispatcher::Impl::Routes Dispatcher::Impl::healthy_routes() const {
  std::vector<std::string> nodes;
  Routes healthy;
  for (size_t i = 0; i < known.links.size(); ++i) {
    if (links[known.links[i]]->health().out()) continue;
    nodes.push_back(known.ring.nodes()[i]);
    healthy.links.push_back(known.links[i]);
  }
  healthy.ring.assign(nodes);
  return healthy;
}

// The node set or a node's health has changed. A message of a key may be on its way to one shard
// only, so the shards that give keys away get a moment to acknowledge what they have been sent;
// everything else that waits moves then, and new messages of the keys go behind it.
void Dispatcher::Impl::change_routes() {
  Routes target = healthy_routes();
  if (!changing && target.ring.nodes() == routes.ring.nodes()) return;
  next = std::move(target);
  // Further changes do not prolong it.
  if (!changing) handover_end_ns = now.mono_ns + kHandoverNs;
  changing = true;
  bool waits = false;
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr) continue;
    const bool wants = wants_handover(i);
    links[i]->hold(wants);
    waits |= wants;
  }
  if (!waits) switch_routes();
}

bool Dispatcher::Impl::wants_handover(uint32_t link) const {
  if (next.empty()) return false;
  return links[link]->wants_handover([&](int64_t key) { return next.pick(key) != link; });
}

void Dispatcher::Impl::finish_handover(Now at) {
  const bool quiet = std::all_of(links.begin(), links.end(), [](const auto& link) {
    return link == nullptr || !link->holding() || link->quiet() || link->health().out();
  });
  if (quiet || at.mono_ns >= handover_end_ns) switch_routes();
}

// Without any owner everything stays where it is. An item's key has all its items in one link, so
// appending what departs link by link keeps the order of each key; closes were behind the items.
void Dispatcher::Impl::switch_routes() {
  changing = false;
  routes_changed = true;
  routes = std::move(next);
  next = {};
  owners.fill({});
  std::vector<bool> serves(links.size(), false);
  for (const uint32_t link : routes.links) serves[link] = true;
  lines.forget_redirects();
  Departing departing;
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr) continue;
    links[i]->hold(false);
    links[i]->serve(serves[i]);
    if (routes.empty()) continue;
    const size_t before = departing.items.size();
    links[i]->depart([&](int64_t key) { return routes.pick(key) != i; }, departing, now);
    departing.from.resize(departing.items.size(), i);
    counters.add(Counter::kMessagesHandedOver, departing.items.size() - before);
  }
  if (!routes.empty()) settle_departed(departing);
}

void Dispatcher::Impl::settle_departed(Departing& departing) {
  for (size_t i = 0; i < departing.items.size(); ++i) {
    WindowItem& item = departing.items[i];
    const int64_t key = item.perm_auth_key_id;
    if (lines.has(key)) {
      lines.arrive(std::move(item), departing.from[i]);
    } else {
      link_of(key)->adopt(std::move(item));
    }
  }
  for (const OwnedClose& owned : departing.closes) close(owned.view());
  for (const OwnedClose& owned : std::exchange(homeless_closes, {})) close(owned.view());
}

void Dispatcher::Impl::close(const SessionClose& session) {
  if (lines.has(session.perm_auth_key_id)) {
    lines.close_session(session);
  } else if (ShardLink* link = link_of(session.perm_auth_key_id)) {
    link->close_session(session);
  } else {
    counters.add(Counter::kSessionClosesDelayed);
    homeless_closes.emplace_back(session);
  }
}

void Dispatcher::Impl::look_after_routes(Now at) {
  size_t in = 0;
  for (const uint32_t link : known.links) in += links[link]->health().out() ? 0 : 1;
  // Each node that went out or came back is in one of the two and not in the other.
  const Routes& current = changing ? next : routes;
  bool stale = in != current.links.size();
  for (const uint32_t link : current.links) stale |= links[link]->health().out();
  if (stale) change_routes();
  if (changing) finish_handover(at);
}

void Dispatcher::Impl::look_after_no_shard(Now at) {
  if (!routes.empty()) {
    no_shard_at_ns = INT64_MAX;
  } else if (no_shard_at_ns == INT64_MAX) {
    if (options.no_shard_timeout_ns != INT64_MAX) {
      no_shard_at_ns = at.mono_ns + options.no_shard_timeout_ns;
    }
  } else if (at.mono_ns >= no_shard_at_ns) {
    no_shard_at_ns = at.mono_ns + kNoShardSweepNs;
    events.on_no_shard();
  }
}

// What moves goes over the limit of its new window. Nodes that take turns at failing must not pile
// windows upon windows: all together hold no more than the windows of all nodes.
void Dispatcher::Impl::look_for_crowd() {
  size_t messages = 0;
  size_t bytes = 0;
  const size_t nodes = std::max<size_t>(known.links.size(), 1);
  for (const auto& link : links) {
    if (link == nullptr) continue;
    messages += link->window().messages();
    bytes += link->window().chunk_bytes();
  }
  messages += lines.messages();
  bytes += lines.chunk_bytes();
  crowded =
      messages > nodes * options.window_messages_max || bytes > nodes * options.window_bytes_max;
}

// --- what goes up

// What was answered with "elsewhere" or "later" goes on one by one. Before the routes may change:
// what stands behind it in its window must not go to another one first.
void Dispatcher::Impl::take_asides(Now at) {
  for (LinkOutput::Aside& aside : std::exchange(output.asides, {})) {
    lines.set_aside(std::move(aside), at);
  }
  for (const LinkOutput::CallReply& reply : std::exchange(output.call_replies, {})) {
    lines.on_reply(reply, at);
  }
}

// The events may call back into the dispatcher, so everything is moved out of reach first.
void Dispatcher::Impl::deliver(Now at) {
  if (output.empty()) return;
  std::swap(output, delivering);
  for (const LinkOutput::Store& store : delivering.stores) {
    --key_stores;
    events.on_store_answer(store.cookie, store.answer);
  }
  deliver_keys(at);
  deliver_http(at);
  for (const int64_t key : delivering.unregistered) events.on_key_unregistered(key);
  for (PushRequest& push : delivering.pushes) events.on_push(std::move(push));
  delivering.stores.clear();
  delivering.keys.clear();
  delivering.http.clear();
  delivering.unregistered.clear();
  delivering.pushes.clear();
}

void Dispatcher::Impl::deliver_keys(Now at) {
  for (const LinkOutput::Key& key : delivering.keys) {
    bool& untrusted = key_queries[key.auth_key_id];
    const bool come_back = key.unanswered && untrusted && !routes.empty();
    ShardLink* other = key.ask_again || come_back ? link_to_ask(key.auth_key_id) : nullptr;
    if (other != nullptr) {
      untrusted = routes.empty();
      other->query_auth_key(key.auth_key_id, /*again=*/true, at);
      continue;
    }
    key_queries.erase(key.auth_key_id);
    const KeyAnswer answer = key.unanswered && routes.empty() ? KeyAnswer::kNoShard : key.answer;
    events.on_key_answer(key.auth_key_id, answer,
                         answer == KeyAnswer::kFound ? &key.record : nullptr);
  }
}

// Who is to be asked once more; kAnyShard: nobody.
uint32_t Dispatcher::Impl::next_for(const LinkOutput::Http& http) {
  if (!http.redirected) {
    return http.ask_again.size() == 0 ? kAnyShard : shard_of(http.perm_auth_key_id);
  }
  const uint32_t named = find_node(http.redirect);
  const bool there = named != kAnyShard && !links[named]->health().out();
  counters.add(there ? Counter::kRedirectsFollowed : Counter::kRedirectsRefused);
  return there ? named : kAnyShard;
}

void Dispatcher::Impl::deliver_http(Now at) {
  for (LinkOutput::Http& http : delivering.http) {
    const auto call = http_calls.find(http.cookie);
    if (call == http_calls.end()) continue;  // cancelled since
    const uint32_t other = next_for(http);
    const bool has_room = other != kAnyShard && links[other]->has_room_for_http();
    if (other != kAnyShard && !has_room) counters.add(Counter::kHttpCallsLimited);
    if (has_room) {
      call->second.link = other;
      call->second.id = links[other]->call_http(std::move(http.ask_again), http.perm_auth_key_id,
                                                /*again=*/true, http.cookie, at);
      continue;
    }
    end_http(call);
    ByteView payload;
    if (http.answer == HttpAnswer::kAnswered) {
      const Result<ByteView> decoded = decode_http_session_data(http.reply);
      if (decoded.ok()) {
        payload = *decoded;
      } else {
        http.answer = HttpAnswer::kRefused;
      }
    }
    if (http.answer != HttpAnswer::kAnswered) counters.add(Counter::kHttpCallsFailed);
    events.on_http_answer(http.cookie, http.answer, payload);
  }
}

void Dispatcher::Impl::report_open_windows() {
  if (std::exchange(routes_changed, false)) events.on_window_open(kAnyShard);
  if (!crowded && lines.window_opened()) events.on_window_open(kAnyShard);
  for (uint32_t i = 0; i < links.size() && !crowded; ++i) {
    if (links[i] != nullptr && links[i]->window_opened()) events.on_window_open(i);
  }
}

// A node that left stays until its calls are over, and while nobody else can have its window.
void Dispatcher::Impl::drop_idle_links() {
  if (changing) return;
  for (uint32_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr || !links[i]->idle()) continue;
    if (std::find(known.links.begin(), known.links.end(), i) == known.links.end()) {
      links[i] = nullptr;
    }
  }
}

void DispatcherEvents::on_http_answer(uint64_t /*cookie*/, HttpAnswer /*answer*/,
                                      ByteView /*payload*/) {}

Dispatcher::Dispatcher(DispatcherOptions options, ShardTransport& transport,
                       DispatcherEvents& events, Waker& waker, CounterBlock& counters)
    : impl_(std::make_unique<Impl>(std::move(options), transport, events, waker, counters)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::set_shards(const std::vector<std::string>& addresses, Now now) {
  Impl& d = *impl_;
  d.now = now;
  d.known.ring.assign(addresses);
  d.known.links.clear();
  for (const std::string& node : d.known.ring.nodes()) {
    d.known.links.push_back(d.find_or_make_link(node));
  }
  d.change_routes();
}

uint32_t Dispatcher::shard_of(int64_t perm_auth_key_id) const noexcept {
  return impl_->shard_of(perm_auth_key_id);
}

Submit Dispatcher::send(const ClientMessage& message) {
  Impl& d = *impl_;
  ShardLink* link = d.link_of(message.perm_auth_key_id);
  if (link == nullptr) return Submit::kNoShard;
  const bool taken = !d.lines.empty() && d.lines.has(message.perm_auth_key_id)
                         ? d.lines.send(message, !d.crowded)
                         : link->send(message, !d.crowded);
  return taken ? Submit::kAccepted : Submit::kWindowFull;
}

void Dispatcher::close_session(const SessionClose& close) { impl_->close(close); }

bool Dispatcher::send_http(const ClientMessage& message, uint64_t cookie, Now now) {
  Impl& d = *impl_;
  const uint32_t shard = d.shard_of(message.perm_auth_key_id);
  // The request is kept for a second attempt as long as the call is under way.
  const size_t bytes = message.payload.size();
  const bool full =
      d.http_calls.size() >= kHttpCallsInFlightMax || d.http_call_bytes + bytes > kHttpCallBytesMax;
  if (shard == kAnyShard || full || !d.links[shard]->has_room_for_http()) {
    d.counters.add(Counter::kHttpCallsLimited);
    return false;
  }
  d.counters.add(Counter::kHttpCalls);
  const uint64_t id =
      d.links[shard]->call_http(encode_send_http(message, d.options.server_id),
                                message.perm_auth_key_id, /*again=*/false, cookie, now);
  d.http_calls.emplace(cookie, Impl::HttpCall{shard, id, bytes});
  d.http_call_bytes += bytes;
  return true;
}

void Dispatcher::cancel_http(uint64_t cookie) {
  Impl& d = *impl_;
  const auto call = d.http_calls.find(cookie);
  if (call == d.http_calls.end()) return;
  d.counters.add(Counter::kHttpCallsCancelled);
  // A link whose last calls are over may be gone while their ends are still being told.
  ShardLink* link = d.links[call->second.link].get();
  if (link != nullptr) link->cancel_http(call->second.id);
  d.end_http(call);
}

bool Dispatcher::query_auth_key(int64_t auth_key_id, Now now) {
  Impl& d = *impl_;
  if (d.key_queries.contains(auth_key_id)) return true;
  if (d.key_queries.size() >= kKeyQueriesInFlightMax) return false;
  const bool untrusted = d.routes.empty();
  d.key_queries.emplace(auth_key_id, untrusted);
  if (ShardLink* link = d.link_to_ask(auth_key_id)) {
    link->query_auth_key(auth_key_id, /*again=*/untrusted, now);
  } else {
    d.output.keys.push_back({.auth_key_id = auth_key_id, .unanswered = true});
  }
  return true;
}

bool Dispatcher::set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                              uint64_t cookie, Now now) {
  Impl& d = *impl_;
  if (d.key_stores >= kKeyStoresInFlightMax) return false;
  ++d.key_stores;
  if (ShardLink* link = d.link_to_ask(record.auth_key_id)) {
    link->set_auth_key(record, salt, expires_in, cookie, now);
  } else {
    d.counters.add(Counter::kShardErrors);
    d.output.stores.push_back({cookie, StoreAnswer::kRefused});
  }
  return true;
}

void Dispatcher::poll(Now now) {
  Impl& d = *impl_;
  d.now = now;
  for (const auto& link : d.links) {
    if (link != nullptr) link->poll(now);
  }
  d.take_asides(now);
  d.look_after_routes(now);
  if (!d.lines.empty()) d.lines.run(now);
  d.drop_idle_links();
  d.deliver(now);
  d.look_after_no_shard(now);
  d.look_for_crowd();
  d.report_open_windows();
}

void Dispatcher::flush(Now now) {
  for (const auto& link : impl_->links) {
    if (link != nullptr) link->flush(now);
  }
}

bool Dispatcher::has_work() const noexcept {
  const Impl& d = *impl_;
  if (!d.output.empty() || d.output.has_more_for_lines() || d.routes_changed) return true;
  return std::any_of(d.links.begin(), d.links.end(),
                     [](const auto& link) { return link != nullptr && link->has_work(); });
}

int64_t Dispatcher::next_deadline_ns() const noexcept {
  int64_t deadline = std::min(impl_->no_shard_at_ns, impl_->lines.deadline_ns());
  if (impl_->changing) deadline = std::min(deadline, impl_->handover_end_ns);
  for (const auto& link : impl_->links) {
    if (link != nullptr) deadline = std::min(deadline, link->deadline_ns());
  }
  return deadline;
}

size_t Dispatcher::unacknowledged() const noexcept {
  size_t count = impl_->homeless_closes.size() + impl_->lines.messages();
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
