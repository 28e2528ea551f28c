// gateway/ring_links: the shard links of one worker, on the worker's own ring.
//
// Puts together what may not know each other: the sockets (a net::ConnectionTable of its own beside
// the clients' one, told apart by their RingUser) and the protocol (cluster::RingTransport, which
// sees them as LinkPipes). Owned and called by the worker's thread, once per turn each:
//
//   begin_turn()         bytes of the shards become events of the links
//   flush()              what the links wrote is framed and handed to the ring: one send per link
//   expire()
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "cluster/link_pipe.h"
#include "cluster/ring_transport.h"
#include "gateway/name_resolver.h"
#include "net/connection_table.h"
#include "net/ring.h"

namespace ringway::gateway {

class RingLinks final : public cluster::LinkPipes, private net::ConnectionHandler {
 public:
  // All references outlive it. As for any table, the ring has stopped when it is destroyed.
  RingLinks(net::Ring& ring, NameResolver& resolver, CounterBlock& counters, Now now);
  ~RingLinks() override;
  RingLinks(const RingLinks&) = delete;
  RingLinks& operator=(const RingLinks&) = delete;

  [[nodiscard]] cluster::ShardTransport& transport() noexcept { return transport_; }

  void begin_turn(std::span<const net::Completion> completions, Now now);
  void flush();
  void expire(Now now) { table_.expire(now); }
  [[nodiscard]] int64_t next_wake_ns() const noexcept;

  [[nodiscard]] std::unique_ptr<cluster::LinkPipe> connect(
      const std::string& address, cluster::LinkPipeEvents& events) override;

 private:
  class Pipe;

  void on_accept(net::ConnectionHandle handle, uint16_t listener) override;
  void on_connected(net::ConnectionHandle handle) override;
  void on_bytes(net::ConnectionHandle handle, ByteSpan bytes) override;
  void on_send_drained(net::ConnectionHandle handle) override;
  void on_timer(net::ConnectionHandle handle, net::TimerKind kind) override;
  void on_closed(net::ConnectionHandle handle, net::CloseReason reason) override;
  void on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) override;
  [[nodiscard]] Pipe* pipe_at(net::ConnectionHandle handle) noexcept;
  void settle_pending();

  net::Ring& ring_;
  NameResolver& resolver_;
  net::ConnectionTable table_;
  cluster::RingTransport transport_;
  std::vector<Pipe*> pending_;  // wait for a name, or have failed without a connection
  // By address of a shard: which of its addresses is tried first.
  std::unordered_map<std::string, size_t> first_;
};

}  // namespace ringway::gateway
