// gateway/mask_relay: connections that failed fake TLS, handed on to the server that their listener
// pretends to be.
//
// A relay is two sockets on the worker's own ring, in a ConnectionTable beside the clients' one:
// what one side sends the other is sent, the bytes that were read already first. Each side's end is
// passed on as it comes, so that a half-closed connection stays one, and a reset as a reset. What a
// side does not take stops the reading of the other: a relay holds at most kMaskOutputHighBytes and
// what one turn brought, each way. A relay needs a place, of which there are so many for all and
// for one address; who gets none stays with its owner. A mask that cannot be reached closes without
// an answer; a relay on which nothing moves for Timeouts.Idle, or kMaskIdleMaxNs, is closed.
//
// Names of masks are looked up on the resolver's thread, at start and again, when somebody is
// relayed, after kMaskLookupNs, or sooner where the last look-up failed; until there is a new
// answer the old one serves. A first answer is waited for, for kMaskNameWaitNs. An address that the
// gateway itself listens on is no mask: each relay would come back as another connection to be
// relayed.
//
// Owned and called by the worker's thread. The Client whose connection is relayed is kept as it is,
// for what it counts as, and given back when the relay is over.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "config/config.h"
#include "gateway/address_budget.h"
#include "gateway/client.h"
#include "gateway/name_resolver.h"
#include "net/connection_table.h"
#include "net/ring.h"

namespace ringway::gateway {

struct MaskRelayOptions {
  uint32_t relays_max = 0;                // of all workers together
  std::atomic<uint32_t>* open = nullptr;  // how many there are; shared by them
  AddressBudget* of_address = nullptr;    // and how many of each client address
  int64_t idle_ns = 0;
  int64_t drain_ns = 0;
  std::vector<net::SocketAddress> own;  // where the gateway itself listens
};

class MaskRelay final : private net::ConnectionHandler {
 public:
  // The relay of this client is over; its sockets are closed or about to be.
  using Over = std::function<void(std::unique_ptr<Client>)>;

  // All references outlive it; as for any table, the ring has stopped when it is destroyed. Without
  // a resolver masks are numeric, or cannot be reached.
  MaskRelay(const MaskRelayOptions& options, const std::vector<config::Listener>& listeners,
            net::Ring& ring, NameResolver* resolver, CounterBlock& counters, Now now, Over over);
  ~MaskRelay() override;
  MaskRelay(const MaskRelay&) = delete;
  MaskRelay& operator=(const MaskRelay&) = delete;

  // Takes one place of those that there are for relays, for start() or give_place(). False: there
  // is none (counted).
  [[nodiscard]] bool take_place(const net::PeerAddress& peer);
  void give_place(const net::PeerAddress& peer);
  // Takes the connection over, and the place that was taken for it; `first` is what was read of it.
  // Over may be called before this returns.
  void start(std::unique_ptr<Client> client, net::DetachedSocket&& socket, Bytes first);
  // Ends all relays, and those that come from now on.
  void drain();

  // --- The turn.
  void begin_turn(std::span<const net::Completion> completions, Now now);
  void flush() { table_.flush_sends(); }
  void expire(Now now);
  [[nodiscard]] int64_t next_wake_ns() const noexcept;

 private:
  struct Relay;
  // A mask, and where it is.
  struct Host {
    config::Endpoint endpoint;
    bool is_numeric = false;
    std::vector<net::SocketAddress> addresses;
    std::shared_ptr<NameLookup> lookup;  // under way
    int64_t ask_again_ns = 0;            // not before
    int64_t retry_ns = 0;                // the last pause after a failure, 0 after an answer
    std::vector<Relay*> waiting;         // for the first answer; who has waited longest comes first
  };
  struct Relay {
    std::unique_ptr<Client> client;
    Host* host = nullptr;
    net::DetachedSocket socket;  // of the client, until the mask is connected
    Bytes first;
    net::ConnectionHandle to_client;
    net::ConnectionHandle to_mask;
    size_t tried = 0;            // addresses
    int64_t waits_until_ns = 0;  // for the name
    int64_t moved_ns = 0;
    bool in_table = false;      // the client's socket
    bool client_ended = false;  // sends no more
    bool mask_ended = false;
  };

  void on_accept(net::ConnectionHandle handle, uint16_t listener) override;
  void on_connected(net::ConnectionHandle handle) override;
  void on_bytes(net::ConnectionHandle handle, ByteSpan bytes) override;
  bool on_end(net::ConnectionHandle handle) override;
  void on_send_drained(net::ConnectionHandle handle) override;
  void on_timer(net::ConnectionHandle handle, net::TimerKind kind) override;
  void on_closed(net::ConnectionHandle handle, net::CloseReason reason) override;
  void on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) override;

  [[nodiscard]] Relay* relay_at(net::ConnectionHandle handle) noexcept;
  [[nodiscard]] static net::ConnectionHandle other_side(const Relay& relay,
                                                        net::ConnectionHandle handle) noexcept;
  [[nodiscard]] Host& host_of(const config::Endpoint& mask);
  void take_addresses(Host& host, std::vector<net::SocketAddress> addresses) const;
  void look_up(Host& host);
  void settle_lookups();
  void connect_next(Relay& relay);
  void take_client(Relay& relay);
  void turn_away(Relay& relay);
  void close_both(Relay& relay, net::CloseMode mode);
  void end(Relay& relay);

  const MaskRelayOptions options_;
  const std::vector<config::Listener>& listeners_;
  net::Ring& ring_;
  NameResolver* const resolver_;
  CounterBlock& counters_;
  const Over over_;
  Now now_;
  bool draining_ = false;
  net::ConnectionTable table_;
  std::vector<std::unique_ptr<Host>> hosts_;  // few: one for each mask of the configuration
  std::unordered_map<const Relay*, std::unique_ptr<Relay>> relays_;
};

}  // namespace ringway::gateway
