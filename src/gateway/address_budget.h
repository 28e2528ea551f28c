// gateway/address_budget: how much one client address may ask of the whole process.
//
// Token buckets: each address (an IPv6 client's /64 network) has, for each kind of costly request,
// a second's worth of tokens that refill at the configured rate. Any worker may call; the table is
// split into stripes with a lock each. A lock is held for one look-up and never on the path of an
// encrypted message, only for a handshake or a key look-up, each of which costs a thousand times
// more. (Asking the budget's owner through its inbox would park every new connection for a round
// trip instead.) A full stripe forgets the address that has been quiet for longest, which by then
// has its tokens back. Peers without an address (of unix sockets) are strangers to each other, and
// nothing of theirs is counted here: who may open the socket is limited by its listener.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "net/address.h"

namespace ringway::gateway {

enum class BudgetKind : uint8_t { kHandshake, kUnknownKey, kTlsHandshake };
inline constexpr size_t kBudgetKinds = 3;

class AddressBudget {
 public:
  // Rates are requests per second and address; 0 = no limit.
  AddressBudget(uint32_t handshakes_per_second, uint32_t unknown_keys_per_second,
                uint32_t tls_handshakes_per_second);

  // What counts as one client: the address, or an IPv6 address's /64 network.
  [[nodiscard]] static uint64_t key_of(const net::PeerAddress& address) noexcept;
  // The same where every peer has to count as somebody: one without an address is a client for each
  // of its connections.
  [[nodiscard]] static uint64_t key_of(const net::PeerAddress& address,
                                       uint64_t connection_serial) noexcept;
  // Takes one token; false when the address has none left.
  [[nodiscard]] bool take(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns);
  // The two halves of it, for requests whose cost is known only afterwards: whether a token is
  // left, and taking one even so. What is charged beyond zero is paid back by waiting.
  [[nodiscard]] bool has_left(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns);
  void charge(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns);

  // Connections are counted, not metered: open() refuses above `limit` (0 = no limit).
  [[nodiscard]] bool open_connection(const net::PeerAddress& address, uint32_t limit,
                                     int64_t now_ns);
  void close_connection(const net::PeerAddress& address);

  [[nodiscard]] size_t size();

 private:
  static constexpr size_t kStripes = 64;

  struct Entry {
    uint64_t address_key = 0;
    std::array<double, kBudgetKinds> tokens{};
    int64_t refilled_ns = 0;
    uint32_t connections = 0;
  };
  struct Stripe {
    std::mutex mutex;
    std::list<Entry> entries;  // the longest quiet first
    std::unordered_map<uint64_t, std::list<Entry>::iterator> index;
  };

  Stripe& stripe_of(uint64_t address_key) noexcept { return stripes_[address_key % kStripes]; }
  Entry& entry_of(Stripe& stripe, uint64_t address_key, int64_t now_ns);

  const std::array<double, kBudgetKinds> rates_;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace ringway::gateway
