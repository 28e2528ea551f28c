// gateway/http_exchanges: the key exchanges of HTTP clients, by the clients' nonces.
//
// An HTTP client may make each request of an exchange on another connection, so an exchange does
// not belong to one: it lives at the home of its nonce (home.h), and connections come there with
// their requests. Owned by that worker. Bounded as a whole, by the oldest one's going, and, those
// that have not come to a key, per client address, by refusal; what is older than a key exchange
// may last is dropped, unless work for it is under way. Whoever waited for an answer of one that is
// dropped is to be told: take_unanswered().
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gateway/home.h"
#include "mtproto/handshake.h"

namespace ringway::gateway {

struct HttpExchange {
  HttpExchange(const mtproto::HandshakeConfig* config, const mtproto::Nonce& nonce_in,
               uint64_t number_in, uint64_t address, int64_t now_ns)
      : nonce(nonce_in), number(number_in), set(config), address_key(address), started_ns(now_ns) {}

  mtproto::Nonce nonce;
  uint64_t number;            // from 1 on: tells it from an earlier one of its nonce
  mtproto::HandshakeSet set;  // of this one
  ConnectionRef waiter;       // whose request has not been answered
  uint64_t address_key;
  int64_t started_ns;
  bool counted = true;  // for its address
};

class HttpExchanges {
 public:
  // `config` outlives it.
  HttpExchanges(const mtproto::HandshakeConfig* config, int64_t lifetime_ns,
                size_t exchanges_max = kHttpExchangesMax,
                size_t per_address_max = kHttpExchangesPerAddress)
      : config_(config),
        lifetime_ns_(lifetime_ns),
        exchanges_max_(exchanges_max),
        per_address_max_(per_address_max) {}

  // Null: there is none. Good until the next begin(), expire() or erase().
  [[nodiscard]] HttpExchange* find(const mtproto::Nonce& nonce) noexcept;
  // A new one, of a nonce that has none. Null: the address has too many. `evicted`: another one had
  // to go for it.
  [[nodiscard]] HttpExchange* begin(const mtproto::Nonce& nonce, uint64_t address_key, Now now,
                                    bool& evicted);
  void erase(const mtproto::Nonce& nonce) noexcept;
  // It has come to a key, and is kept for the client who asks once more: its address may begin
  // another one.
  void finish(HttpExchange& exchange) noexcept { uncount(exchange); }
  // Cheap until next_expiry_ns().
  void expire(Now now);
  // When expire() has something to look at; INT64_MAX: never.
  [[nodiscard]] int64_t next_expiry_ns() const noexcept { return next_expiry_ns_; }
  // Who waits, or has waited, for an exchange that has been dropped since the last call.
  [[nodiscard]] std::vector<ConnectionRef> take_unanswered() noexcept {
    return std::exchange(unanswered_, {});
  }

  [[nodiscard]] size_t size() const noexcept { return by_age_.size(); }

 private:
  struct NonceHash {
    size_t operator()(const mtproto::Nonce& nonce) const noexcept {
      return mix64(load_le<uint64_t>(nonce.data()) ^ mix64(load_le<uint64_t>(nonce.data() + 8)));
    }
  };
  using List = std::list<HttpExchange>;
  // How often what is past its time is looked for.
  static constexpr int64_t kExpiryStepNs = kNsPerSecond;
  void forget(List::iterator exchange) noexcept;
  void uncount(HttpExchange& exchange) noexcept;
  void drop(List::iterator exchange);

  const mtproto::HandshakeConfig* const config_;
  const int64_t lifetime_ns_;
  const size_t exchanges_max_;
  const size_t per_address_max_;
  List by_age_;  // the oldest first
  std::unordered_map<mtproto::Nonce, List::iterator, NonceHash> by_nonce_;
  std::unordered_map<uint64_t, size_t> per_address_;
  std::vector<ConnectionRef> unanswered_;
  uint64_t last_number_ = 0;
  int64_t next_expiry_ns_ = INT64_MAX;
};

}  // namespace ringway::gateway
