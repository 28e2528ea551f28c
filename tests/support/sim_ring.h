// support/sim_ring: a network and its rings in memory, for driving the real connection logic.
//
// SimNetwork holds sockets, clients and the time; any number of SimRings (one per worker) run on
// it, all on one thread. Everything random comes from one seed, so that a failing seed fails again.
// The network is as unkind as the kernel may be: partial reads, short writes, resets, completions
// in any order between operations, multishot operations that end on their own, -ENOBUFS, -EMFILE,
// cancels that come too late
// (-ENOENT, -EALREADY), sends that wait while the peer does not read, and unread bytes that turn a
// close into a reset.
//
// Broken promises of the code under test are collected in violations(): a buffer given back twice
// or never, bytes of a send that changed before its completion, a descriptor used after its close,
// closed twice or closed while an operation was in the kernel.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/ring.h"

namespace ringway::testing {

// splitmix64: small, and the same on every platform.
class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform in [low, high].
  uint64_t between(uint64_t low, uint64_t high) { return low + next() % (high - low + 1); }
  bool chance(unsigned percent) { return next() % 100 < percent; }

 private:
  uint64_t state_;
};

// How unkind the network is, in percent per occasion. The default is a kind one.
struct SimFaults {
  unsigned delay = 0;          // an operation that could go on does not, this turn
  unsigned partial_read = 0;   // a receive takes less than there is
  unsigned short_write = 0;    // a send takes less than fits
  unsigned multishot_end = 0;  // a multishot operation ends with a good completion
  unsigned late_cancel = 0;    // -EALREADY: the target ends on its own, later
  unsigned accept_error = 0;   // -EMFILE, -ENOMEM or -ECONNABORTED
  unsigned retry_error = 0;    // -EINTR or -EAGAIN instead of progress

  // All of them, each rare to frequent.
  static SimFaults any(SimRandom& random);
};

using ClientId = uint32_t;
inline constexpr int kSimFdBase = 1 << 28;  // no real descriptor is that large

class SimRing;

class SimNetwork {
 public:
  explicit SimNetwork(uint64_t seed) : random_(seed), seed_(seed) {}

  SimRandom& random() { return random_; }
  // Monotonic; moves on in SimRing::turn() and with advance().
  [[nodiscard]] int64_t now_ns() const { return now_ns_; }
  void advance(int64_t ns) { now_ns_ += ns; }
  void set_send_buffer_bytes(size_t bytes) { send_buffer_bytes_ = bytes; }

  // A listening descriptor for ConnectionTable::add_listener().
  int listen();

  // --- Clients. Writing to a connection that is gone is allowed and does nothing.
  ClientId connect(int listener_fd);
  // What becomes of connections that the code under test makes: reached, refused, or never
  // answered. Those that came through are the clients of connected().
  enum class Reach : uint8_t { kReached, kRefused, kSilent };
  void set_reach(Reach reach) { reach_ = reach; }
  [[nodiscard]] const std::vector<ClientId>& connected() const { return connected_; }
  // A connected pair without a listener: the server's descriptor, for adopt().
  int connect_directly(ClientId& client);
  void write(ClientId client, ByteView bytes);
  Bytes read(ClientId client, size_t size_max = SIZE_MAX);  // takes what has arrived
  void finish(ClientId client);  // no more output: the server reads the end of the stream
  void reset(ClientId client);   // ECONNRESET and EPIPE for the server
  // The kernel does not know any more who it was, as of a peer that was gone before the accept.
  void forget_address(ClientId client) { of_client(client).address_forgotten = true; }
  [[nodiscard]] bool saw_end(
      ClientId client) const;  // end of the stream, after all bytes were read
  [[nodiscard]] bool saw_reset(ClientId client) const;
  [[nodiscard]] bool server_closed(ClientId client) const;
  [[nodiscard]] net::PeerAddress address(ClientId client) const;

  [[nodiscard]] size_t open_descriptors() const;
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  void violate(std::string text);

 private:
  friend class SimRing;
  struct Socket {
    ClientId client = 0;
    std::deque<uint8_t> inbound;   // client to server
    std::deque<uint8_t> outbound;  // server to client
    bool client_finished = false;
    bool client_reset = false;
    bool reset_reported = false;
    bool address_forgotten = false;
    bool server_shut = false;  // SHUT_WR or SHUT_RDWR
    bool server_shut_both = false;
    bool server_closed = false;
    bool saw_reset = false;
    bool reset_on_close = false;
  };
  struct Listener {
    std::deque<ClientId> backlog;
    bool closed = false;
  };

  Socket& of_client(ClientId client) { return *sockets_.at(clients_.at(client)); }
  const Socket& of_client(ClientId client) const { return *sockets_.at(clients_.at(client)); }
  void close(int fd);

  SimRandom random_;
  const uint64_t seed_;
  int64_t now_ns_ = 1'000'000'000'000;
  size_t send_buffer_bytes_ = 64 * 1024;
  int next_fd_ = kSimFdBase;
  std::map<int, std::unique_ptr<Socket>> sockets_;
  std::map<int, Listener> listeners_;
  Reach reach_ = Reach::kReached;
  std::vector<ClientId> connected_;
  std::vector<int> clients_;  // by ClientId: the server's descriptor
  std::vector<SimRing*> rings_;
  std::vector<std::string> violations_;
};

struct SimRingOptions {
  unsigned buffers = 64;
  size_t buffer_bytes = 512;
  SimFaults faults;
};

class SimRing final : public net::Ring {
 public:
  SimRing(SimNetwork& network, const SimRingOptions& options);
  ~SimRing() override;
  SimRing(const SimRing&) = delete;
  SimRing& operator=(const SimRing&) = delete;

  void set_faults(const SimFaults& faults) { options_.faults = faults; }
  [[nodiscard]] size_t buffers_out() const { return buffers_out_.size(); }
  [[nodiscard]] size_t operations() const { return in_kernel_.size() + queued_.size(); }

  [[nodiscard]] std::string start() override { return ""; }
  void queue_accept(int listener_fd, uint64_t user_data) override;
  void queue_receive(int fd, uint64_t user_data) override;
  void queue_connect(int fd, const net::SocketAddress& address, uint64_t user_data) override;
  void queue_send(int fd, std::span<const iovec> pieces, uint64_t user_data) override;
  void queue_cancel(uint64_t target, uint64_t user_data) override;
  void queue_shutdown(int fd, int how, uint64_t user_data) override;
  void queue_close(int fd, uint64_t user_data) override;
  // Never blocks: time moves on instead, by at most 20 ms.
  [[nodiscard]] size_t turn(std::span<net::Completion> out, int64_t timeout_ns) override;
  [[nodiscard]] ByteSpan buffer(uint16_t buffer_id, size_t length) override;
  void give_back(std::span<const uint16_t> buffer_ids) override;
  void stop() override;
  [[nodiscard]] int open_socket(const net::SocketAddress& address, int user_timeout_ms) override;
  [[nodiscard]] std::optional<net::PeerAddress> peer_address(int fd) override;
  void reset_on_close(int fd) noexcept override;
  void close_now(int fd) override { network_.close(fd); }
  [[nodiscard]] Waker& waker() override { return waker_; }
  [[nodiscard]] std::string features() const override { return "simulated"; }

 private:
  friend class SimNetwork;
  class FlagWaker final : public Waker {
   public:
    void wake() noexcept override { woken.store(true, std::memory_order_release); }
    std::atomic<bool> woken{false};
  };
  struct Operation {
    net::RingOp kind = net::RingOp::kNone;  // the kind of work, not what the user_data says
    int fd = -1;
    uint64_t user_data = 0;
    uint64_t target = 0;        // of a cancel
    int how = 0;                // of a shutdown
    std::vector<iovec> pieces;  // of a send
    Bytes snapshot;             // of a send: its bytes when it was queued
    bool is_cancelled = false;
    bool is_over = false;  // its last completion is on its way
    std::deque<net::Completion> completions;
  };

  Operation& queue(net::RingOp kind, int fd, uint64_t user_data);
  [[nodiscard]] bool uses(int fd) const;
  void complete(Operation& operation, int32_t result, bool more);
  void step(Operation& operation);
  void step_accept(Operation& operation);
  void step_receive(Operation& operation);
  void step_send(Operation& operation);
  void step_cancel(Operation& operation);
  void step_connect(Operation& operation);
  void check_send_bytes(const Operation& operation);

  SimNetwork& network_;
  SimRingOptions options_;
  bool is_stopped_ = false;
  std::vector<std::unique_ptr<Operation>> queued_;
  std::vector<std::unique_ptr<Operation>> in_kernel_;
  std::vector<Bytes> buffers_;
  std::deque<uint16_t> buffers_free_;
  std::set<uint16_t> buffers_out_;
  FlagWaker waker_;
};

}  // namespace ringway::testing
