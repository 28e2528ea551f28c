#include "gateway/mask_relay.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/listener.h"

namespace ringway::gateway {
namespace {

net::ConnectionTableOptions table_options(const MaskRelayOptions& options) {
  net::ConnectionTableOptions table;
  table.connections_max = 2 * options.relays_max;
  // Reading stops at the high mark, so what is queued stays close to it.
  table.output_bytes_max = 0;
  table.output_high_bytes = kMaskOutputHighBytes;
  table.output_low_bytes = kMaskOutputLowBytes;
  table.drain_ns = options.drain_ns;
  table.connect_ns = kMaskConnectTimeoutNs;
  table.user = net::RingUser::kMasks;
  return table;
}

// Without a limit of its own whoever probes could keep relays, and their files, for ever.
MaskRelayOptions bounded(MaskRelayOptions options) {
  options.idle_ns = std::min(options.idle_ns, kMaskIdleMaxNs);
  return options;
}

}  // namespace

MaskRelay::MaskRelay(const MaskRelayOptions& options,
                     const std::vector<config::Listener>& listeners, net::Ring& ring,
                     NameResolver* resolver, CounterBlock& counters, Now now, Over over)
    : options_(bounded(options)),
      listeners_(listeners),
      ring_(ring),
      resolver_(resolver),
      counters_(counters),
      over_(std::move(over)),
      now_(now),
      table_(table_options(options), ring, *this, counters, now) {
  for (const config::Listener& listener : listeners) {
    if (listener.mask) look_up(host_of(*listener.mask));
  }
}

MaskRelay::~MaskRelay() {
  for (const auto& host : hosts_) {
    if (host->lookup != nullptr) host->lookup->forget();
  }
}

// --- where masks are

MaskRelay::Host& MaskRelay::host_of(const config::Endpoint& mask) {
  const auto found = std::find_if(hosts_.begin(), hosts_.end(),
                                  [&](const auto& host) { return host->endpoint == mask; });
  if (found != hosts_.end()) return **found;
  Host& host = *hosts_.emplace_back(std::make_unique<Host>());
  host.endpoint = mask;
  if (const auto numeric = net::parse_socket_address(config::to_string(mask))) {
    host.is_numeric = true;
    take_addresses(host, {*numeric});
  }
  return host;
}

void MaskRelay::take_addresses(Host& host, std::vector<net::SocketAddress> addresses) const {
  std::erase_if(addresses, [&](const net::SocketAddress& address) {
    const bool own =
        std::any_of(options_.own.begin(), options_.own.end(),
                    [&](const auto& listening) { return net::leads_to(address, listening); });
    if (own) {
      log_warning("gateway",
                  "Mask {}: the gateway itself listens on {}, so nobody is relayed there: name the "
                  "server to be taken for",
                  config::to_string(host.endpoint), address.to_string());
    }
    return own;
  });
  addresses.resize(std::min(addresses.size(), kMaskAddressesMax));
  host.addresses = std::move(addresses);
}

void MaskRelay::look_up(Host& host) {
  if (host.is_numeric || host.lookup != nullptr || resolver_ == nullptr) return;
  if (now_.mono_ns < host.ask_again_ns) return;
  host.lookup = resolver_->look_up(host.endpoint.host, host.endpoint.port, ring_.waker());
}

void MaskRelay::settle_lookups() {
  for (const auto& host : hosts_) {
    std::vector<net::SocketAddress> addresses;
    std::string error;
    if (host->lookup == nullptr || !host->lookup->take(addresses, error)) continue;
    host->lookup = nullptr;
    if (addresses.empty()) {
      host->retry_ns = std::clamp(2 * host->retry_ns, kMaskLookupRetryNs, kMaskLookupNs);
      host->ask_again_ns = now_.mono_ns + host->retry_ns;
      log_warning("gateway", "Mask {}: its address cannot be looked up: {}",
                  config::to_string(host->endpoint), error);
    } else {
      host->retry_ns = 0;
      host->ask_again_ns = now_.mono_ns + kMaskLookupNs;
      take_addresses(*host, std::move(addresses));
    }
    for (Relay* relay : std::exchange(host->waiting, {})) connect_next(*relay);
  }
}

// --- a relay's life

void MaskRelay::start(std::unique_ptr<Client> client, net::DetachedSocket&& socket, Bytes first) {
  if (draining_) {
    give_place(client->peer);
    over_(std::move(client));
    return;  // the socket closes with `socket`
  }
  counters_.add(Counter::kMaskRelays);
  Host& host = host_of(*listeners_[client->listener].mask);
  auto made = std::make_unique<Relay>();
  Relay& relay = *made;
  relays_.emplace(&relay, std::move(made));
  relay.client = std::move(client);
  relay.host = &host;
  relay.socket = std::move(socket);
  relay.first = std::move(first);
  look_up(host);
  if (host.addresses.empty() && host.lookup != nullptr) {
    relay.waits_until_ns = now_.mono_ns + kMaskNameWaitNs;
    host.waiting.push_back(&relay);
    return;
  }
  connect_next(relay);
}

bool MaskRelay::take_place(const net::PeerAddress& peer) {
  const uint32_t share = std::max(options_.relays_max / kMaskAddressShare, 1U);
  if (options_.open->fetch_add(1, std::memory_order_relaxed) < options_.relays_max &&
      options_.of_address->open_connection(peer, share, now_.mono_ns)) {
    return true;
  }
  options_.open->fetch_sub(1, std::memory_order_relaxed);
  counters_.add(Counter::kMaskRelaysRefused);
  return false;
}

void MaskRelay::give_place(const net::PeerAddress& peer) {
  options_.open->fetch_sub(1, std::memory_order_relaxed);
  options_.of_address->close_connection(peer);
}

// Each address once. The client waits meanwhile, and is not read.
void MaskRelay::connect_next(Relay& relay) {
  while (relay.tried < relay.host->addresses.size() && !draining_) {
    relay.to_mask = table_.connect(relay.host->addresses[relay.tried++]);
    if (!relay.to_mask.valid()) continue;
    table_.set_context(relay.to_mask, &relay);
    return;
  }
  counters_.add(Counter::kMaskRelaysFailed);
  turn_away(relay);
}

void MaskRelay::take_client(Relay& relay) {
  relay.to_client = table_.adopt(std::move(relay.socket));
  RW_ASSERT(relay.to_client.valid());  // there is room for both sides of each
  table_.set_context(relay.to_client, &relay);
  relay.in_table = true;
}

// Without an answer, and yet in order: what still comes is read, or it would be a reset.
void MaskRelay::turn_away(Relay& relay) {
  take_client(relay);
  table_.close(relay.to_client, net::CloseMode::kFlush);
}

void MaskRelay::on_connected(net::ConnectionHandle handle) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr) return;
  relay->moved_ns = now_.mono_ns;
  take_client(*relay);
  table_.set_deadline(handle, net::TimerKind::kIdle, now_.mono_ns + options_.idle_ns);
  (void)table_.write(handle, relay->first);
  relay->first = Bytes();
}

void MaskRelay::on_bytes(net::ConnectionHandle handle, ByteSpan bytes) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr) return;
  relay->moved_ns = now_.mono_ns;
  const net::ConnectionHandle other = other_side(*relay, handle);
  if (!table_.write(other, bytes)) return;  // it is closing, and takes this side along
  if (table_.queued_bytes(other) > kMaskOutputHighBytes) table_.pause(handle);
}

void MaskRelay::on_send_drained(net::ConnectionHandle handle) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr) return;
  relay->moved_ns = now_.mono_ns;
  table_.resume(other_side(*relay, handle));
}

bool MaskRelay::on_end(net::ConnectionHandle handle) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr) return false;
  relay->moved_ns = now_.mono_ns;
  (handle == relay->to_client ? relay->client_ended : relay->mask_ended) = true;
  if (relay->client_ended && relay->mask_ended) {
    table_.close(other_side(*relay, handle), net::CloseMode::kFlush);
    return false;
  }
  table_.finish_output(other_side(*relay, handle));
  return true;
}

void MaskRelay::on_timer(net::ConnectionHandle handle, net::TimerKind kind) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr || kind != net::TimerKind::kIdle) return;
  const int64_t until_ns = relay->moved_ns + options_.idle_ns;
  if (now_.mono_ns < until_ns) {
    table_.set_deadline(handle, net::TimerKind::kIdle, until_ns);
    return;
  }
  counters_.add(Counter::kMaskRelaysTimedOut);
  close_both(*relay, net::CloseMode::kNow);
}

void MaskRelay::on_closed(net::ConnectionHandle handle, net::CloseReason reason) {
  Relay* const relay = relay_at(handle);
  if (relay == nullptr) return;
  table_.set_context(handle, nullptr);
  if (!relay->in_table) {
    relay->to_mask = {};
    connect_next(*relay);
    return;
  }
  // What this side had sent still goes to the other, and then its end, of its kind.
  const bool reset = reason == net::CloseReason::kPeerReset;
  table_.close(other_side(*relay, handle), reset ? net::CloseMode::kReset : net::CloseMode::kFlush);
  (handle == relay->to_client ? relay->to_client : relay->to_mask) = {};
  if (!relay->to_client.valid() && !relay->to_mask.valid()) end(*relay);
}

void MaskRelay::close_both(Relay& relay, net::CloseMode mode) {
  table_.close(relay.to_mask, mode);
  table_.close(relay.to_client, mode);
}

void MaskRelay::end(Relay& relay) {
  const auto found = relays_.find(&relay);
  const std::unique_ptr<Relay> ended = std::move(found->second);
  relays_.erase(found);
  give_place(ended->client->peer);
  over_(std::move(ended->client));
}

void MaskRelay::drain() {
  if (std::exchange(draining_, true)) return;
  std::vector<Relay*> waiting;
  for (const auto& host : hosts_) {
    for (Relay* relay : std::exchange(host->waiting, {})) waiting.push_back(relay);
  }
  for (Relay* relay : waiting) turn_away(*relay);
  for (const auto& [key, relay] : relays_) close_both(*relay, net::CloseMode::kFlush);
}

// --- the turn

void MaskRelay::begin_turn(std::span<const net::Completion> completions, Now now) {
  now_ = now;
  table_.process(completions, now);
  table_.release_received();
  settle_lookups();
}

void MaskRelay::expire(Now now) {
  table_.expire(now);
  for (const auto& host : hosts_) {
    const auto end =
        std::find_if(host->waiting.begin(), host->waiting.end(),
                     [&](const Relay* relay) { return relay->waits_until_ns > now.mono_ns; });
    const std::vector<Relay*> late(host->waiting.begin(), end);
    host->waiting.erase(host->waiting.begin(), end);
    for (Relay* relay : late) connect_next(*relay);  // there is no address, and it ends
  }
}

int64_t MaskRelay::next_wake_ns() const noexcept {
  int64_t wake_ns = table_.next_wake_ns();
  for (const auto& host : hosts_) {
    if (!host->waiting.empty()) wake_ns = std::min(wake_ns, host->waiting.front()->waits_until_ns);
  }
  return wake_ns;
}

MaskRelay::Relay* MaskRelay::relay_at(net::ConnectionHandle handle) noexcept {
  return static_cast<Relay*>(table_.context(handle));
}

net::ConnectionHandle MaskRelay::other_side(const Relay& relay,
                                            net::ConnectionHandle handle) noexcept {
  return handle == relay.to_client ? relay.to_mask : relay.to_client;
}

// Nothing is accepted or moved here.
void MaskRelay::on_accept(net::ConnectionHandle handle, uint16_t listener) {
  (void)listener;
  table_.close(handle, net::CloseMode::kNow);
}

void MaskRelay::on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) {
  (void)handle;
  (void)socket;
}

}  // namespace ringway::gateway
