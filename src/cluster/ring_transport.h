// cluster/ring_transport: ShardTransport over HTTP/2 on one worker's own ring.
//
// The same services on the wire as with gRPC (grpc_transport.h), so any gRPC server can be the
// other end, but no thread, lock or wake between the sockets and the worker: bytes come and go with
// its turn. Each worker has one of its own, and calls in each turn
//   begin_turn()   before the pipes' events
//   look_around()  after them, before the dispatcher's poll()
//   flush()        after the dispatcher's flush(), before the sockets' sends
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cluster/http2_channel.h"
#include "cluster/link_pipe.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

class RingTransport final : public ShardTransport, private Http2Channels {
 public:
  // `pipes` outlives the transport; the transport outlives its channels.
  explicit RingTransport(LinkPipes& pipes) : pipes_(pipes) {}

  [[nodiscard]] std::unique_ptr<ShardChannel> open(const std::string& address,
                                                   Waker& waker) override;
  void begin_turn(Now now) noexcept { clock_.now_ns = now.mono_ns; }
  // Deadlines, and connections to be made again.
  void look_around();
  void flush();
  // When look_around() has something to do even if nothing happens; INT64_MAX for never.
  [[nodiscard]] int64_t next_deadline_ns() const noexcept;

 private:
  void add(Http2Channel& channel) override { channels_.push_back(&channel); }
  void remove(Http2Channel& channel) noexcept override { std::erase(channels_, &channel); }

  LinkPipes& pipes_;
  TurnClock clock_;
  std::vector<Http2Channel*> channels_;
};

}  // namespace ringway::cluster
