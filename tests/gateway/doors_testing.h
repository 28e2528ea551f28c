// What the tests of the doors share: a listener's doors as a worker drives them, and clients that
// come through them, in reads of any sizes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/client_doors.h"
#include "gateway/doors.h"
#include "support/sim_ring.h"
#include "tls/openssl_peer.h"

namespace ringway::gateway::testing {

using ringway::testing::SimRandom;

inline constexpr int64_t kUnixSeconds = 1'700'000'000;
inline constexpr Now kNow{1'000'000'000, kUnixSeconds* kNsPerSecond};

inline Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Begins like no request and no hello, whatever is asked for it.
inline Bytes payload_of(size_t size, uint64_t seed = 1) {
  SimRandom random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  if (!bytes.empty()) bytes[0] = 0xef;
  return bytes;
}

inline std::shared_ptr<const tls::TlsContext> server_tls() {
  static const std::shared_ptr<const tls::TlsContext> context =
      tls::server_context(tls::make_certificate());
  return context;
}

// Takes any certificate.
inline std::shared_ptr<const tls::TlsContext> client_tls() {
  static const std::shared_ptr<const tls::TlsContext> context =
      tls::TlsContext::client({.ca_file = "", .insecure = true}).context;
  return context;
}

inline config::FakeTlsSecret fake_secret(uint8_t first = 0x11) {
  config::FakeTlsSecret secret;
  for (uint8_t& byte : secret.key.span()) byte = first++;
  secret.domain = "www.example.org";
  return secret;
}

inline door::ProxyAddress proxied(uint8_t last, uint16_t port) {
  door::ProxyAddress address;
  address.ip_bytes = 4;
  address.ip = {203, 0, 113, last};
  address.port = port;
  return address;
}

// How a client comes, and a listener that takes it.
struct Stack {
  std::string name;
  config::Listener listener;
  client::ClientDoorsOptions client;
};

inline Stack make_stack(std::string name, config::Protocol protocol = config::Protocol::kTcp) {
  Stack stack;
  stack.name = std::move(name);
  stack.listener.protocol = protocol;
  return stack;
}

inline Stack with_proxy(Stack stack, client::ProxyVersion version) {
  stack.listener.proxy_protocol.enabled = true;
  stack.listener.proxy_protocol.from = {*config::parse_cidr("0.0.0.0/0")};
  stack.client.proxy = version;
  stack.client.source = proxied(7, 50'007);
  stack.client.destination = proxied(1, 443);
  return stack;
}

inline Stack with_tls(Stack stack) {
  stack.listener.tls.emplace();
  stack.client.tls = client_tls();
  return stack;
}

inline Stack with_websocket(Stack stack) {
  stack.client.websocket = true;
  return stack;
}

inline Stack with_fake_tls(Stack stack) {
  const config::FakeTlsSecret secret = fake_secret();
  stack.listener.fake_tls_secrets.push_back(secret);
  stack.client.fake_tls = {secret.key, secret.domain};
  return stack;
}

// Every way in that a listener may offer.
inline std::vector<Stack> all_stacks() {
  using client::ProxyVersion;
  using config::Protocol;
  const Protocol ws = Protocol::kWebsocket;
  const Protocol any = Protocol::kAuto;
  return {
      with_proxy(make_stack("PROXY v1"), ProxyVersion::kV1),
      with_proxy(make_stack("PROXY v2"), ProxyVersion::kV2),
      with_websocket(make_stack("websocket", ws)),
      with_tls(make_stack("TLS")),
      with_tls(with_websocket(make_stack("TLS, websocket", ws))),
      with_proxy(with_tls(with_websocket(make_stack("PROXY v2, TLS, websocket", ws))),
                 ProxyVersion::kV2),
      with_proxy(with_tls(make_stack("PROXY v1, TLS")), ProxyVersion::kV1),
      with_fake_tls(make_stack("fake TLS")),
      with_proxy(with_fake_tls(make_stack("PROXY v1, fake TLS")), ProxyVersion::kV1),
      make_stack("auto, plain", any),
      with_websocket(make_stack("auto, websocket", any)),
      with_tls(make_stack("auto, TLS", any)),
      with_tls(with_websocket(make_stack("auto, TLS, websocket", any))),
      with_fake_tls(make_stack("auto, fake TLS", any)),
      with_proxy(make_stack("auto, PROXY v2, plain", any), ProxyVersion::kV2),
      with_proxy(with_websocket(make_stack("auto, PROXY v1, websocket", any)), ProxyVersion::kV1),
  };
}

// The doors of one listener, one connection after another.
class Entrance {
 public:
  explicit Entrance(const config::Listener& listener, size_t hellos_max = 1000)
      : replays(hellos_max) {
    config::Config config;
    config.listeners = {listener};
    doors = std::move(make_doors(config, &replays).front());
    if (listener.tls) doors->set_tls_context(server_tls());
  }

  tls::ReplayCache replays;
  std::unique_ptr<ListenerDoors> doors;
  CounterBlock counters;
};

// A connection at the gateway, as its worker sees it.
class Arrival {
 public:
  explicit Arrival(Entrance& entrance, bool believed = true)
      : entrance_(entrance), doors_(std::make_unique<Doors>(*entrance.doors, believed)) {}

  // One read. What the doors say goes to `sent`; the pool's work is done at once, unless
  // `pool_is_slow`.
  void read(ByteView bytes) {
    Bytes copy(bytes.begin(), bytes.end());  // of exactly this size, and gone at the end
    if (failed) return;
    if (masked) {
      doors_->keep_start(copy);
      return;
    }
    if (plain) {
      stream.insert(stream.end(), copy.begin(), copy.end());
      return;
    }
    take(doors_->receive(copy, kNow, kept_, entrance_.counters, sent));
    most_held = std::max(most_held, doors_->buffered_bytes());
    while (at_pool != nullptr && !pool_is_slow) run_pool();
    kept_.clear();
  }

  void run_pool() {
    const bool ok = at_pool->handshake_step().ok();
    take(doors_->resume(std::move(at_pool), ok, kNow, kept_, entrance_.counters, sent));
    kept_.clear();
  }

  // What the doors have put off, as a worker's later turns do.
  void go_on_once() {
    take(doors_->go_on(kNow, kept_, entrance_.counters, sent));
    kept_.clear();
  }
  void go_on() {
    while (doors_->may_go_on()) go_on_once();
  }

  // What the transport says; false when it cannot be sent.
  bool send(ByteView bytes) {
    if (!plain) return doors_->wrap(bytes, sent);
    sent.insert(sent.end(), bytes.begin(), bytes.end());
    return true;
  }
  void close() {
    if (!plain) doors_->close(sent);
  }

  [[nodiscard]] uint64_t count(Counter counter) const { return entrance_.counters.read(counter); }
  [[nodiscard]] const ListenerDoors& listener() const { return *entrance_.doors; }
  [[nodiscard]] Doors& doors() { return *doors_; }

  Bytes stream;                                     // for the transport
  Bytes sent;                                       // for the client
  const mtproto::TransportConfig* begun = nullptr;  // what the stream was begun with
  unsigned begins = 0;                              // how often
  unsigned headers_done = 0;
  std::optional<net::PeerAddress> peer;
  bool plain = false;
  bool failed = false;
  bool masked = false;
  bool pool_is_slow = false;
  std::unique_ptr<tls::TlsStream> at_pool;
  size_t most_held = 0;

 private:
  void take(Doors::Outcome outcome) {
    EXPECT_FALSE(failed) << "something came of a connection that takes no more";
    if (outcome.begins != nullptr) {
      EXPECT_TRUE(stream.empty()) << "a stream begins once";
      begun = outcome.begins;
      ++begins;
    }
    stream.insert(stream.end(), outcome.stream.begin(), outcome.stream.end());
    headers_done += outcome.proxy_header_done ? 1 : 0;
    if (outcome.peer) peer = outcome.peer;
    plain = outcome.plain;
    failed = outcome.failed;
    masked = outcome.masked;
    if (outcome.handshake != nullptr) at_pool = std::move(outcome.handshake);
    // As a worker does at the end of the turn; what it says then counts as the doors' answer.
    if (failed) doors_->close(sent);
  }

  Entrance& entrance_;
  std::unique_ptr<Doors> doors_;
  TurnBytes kept_;
};

// How a stream is cut into reads: the size of the next one.
using Cut = std::function<size_t()>;
inline Cut in_pieces_of(size_t bytes) {
  return [bytes] { return bytes; };
}
inline Cut at_random(uint64_t seed, size_t most) {
  return [random = SimRandom(seed), most]() mutable {
    return static_cast<size_t>(random.between(1, random.chance(50) ? most : 40));
  };
}

inline void feed(Arrival& arrival, ByteView bytes, const Cut& cut) {
  while (!bytes.empty()) {
    const size_t size = std::min(cut(), bytes.size());
    arrival.read(bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

// What a client has come to.
struct Talk {
  explicit Talk(const client::ClientDoorsOptions& options) : client(options) {}

  // Until neither side has anything to say.
  void run(Arrival& arrival, const Cut& cut) {
    while (!out.empty() || !arrival.sent.empty()) {
      feed(arrival, std::exchange(out, Bytes()), cut);
      Bytes answer = std::exchange(arrival.sent, Bytes());
      ByteSpan rest(answer);
      while (!rest.empty() && result.ok()) {
        const size_t size = std::min(cut(), rest.size());
        Bytes read(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(size));
        result = client.receive(read, stream, out);
        rest = rest.subspan(size);
      }
    }
  }

  client::ClientDoors client;
  Bytes out;     // for the gateway
  Bytes stream;  // that has come from it
  Result<void> result;
};

}  // namespace ringway::gateway::testing
