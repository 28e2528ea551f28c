// gateway/outbox: everything that one worker's turn has to say to its clients.
//
// Owned by the worker's thread. Output is laid out in the connections' send queues in the order of
// the calls; finish_turn() seals all messages of the turn together, writes checksums, obfuscates
// each connection's bytes in stream order, and commits. A Client passed in must live until
// finish_turn().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/counters.h"
#include "cluster/push.h"
#include "gateway/client.h"
#include "gateway/worker_status.h"
#include "mtproto/message.h"
#include "net/connection_table.h"

namespace ringway::gateway {

class Outbox {
 public:
  Outbox(net::ConnectionTable& table, CounterBlock& counters, WorkerStatusBoard& status);

  // All return false when the connection does not take more output (closing, or its queue is full).
  // A finished frame payload: an unencrypted answer, a transport error, a message sealed elsewhere.
  [[nodiscard]] bool payload(Client& client, ByteView payload);
  // The same for a push; the reply is taken, and told, only when this returns true.
  [[nodiscard]] bool payload(Client& client, ByteView payload,
                             std::unique_ptr<cluster::PushReply>& reply);
  [[nodiscard]] bool transport_error(Client& client, int32_t code);
  [[nodiscard]] bool quick_ack(Client& client, uint32_t token);
  // A message to seal with this turn's batch. `plaintext` is copied; `entry` stays pinned until
  // finish_turn(). The reply is told once the sealed bytes are in the send queue.
  [[nodiscard]] bool message(Client& client, const KeyEntry& entry, ByteView plaintext,
                             std::unique_ptr<cluster::PushReply>& reply);

  void finish_turn();
  // Clients of HTTP whose requests the last finish_turn() has answered.
  [[nodiscard]] const std::vector<Client*>& answered() const noexcept { return answered_; }
  // Messages sealed by the last finish_turn(), for the benchmark's mean batch.
  [[nodiscard]] size_t last_batch() const noexcept { return last_batch_; }

 private:
  struct Piece {
    Client* client = nullptr;
    ByteSpan bytes;                       // of the send queue, or of `staged`
    Bytes staged;                         // of a client with doors: to be wrapped by them
    mtproto::ServerTransport::Plan plan;  // of a frame; frame_bytes == 0: a bare quick ack
    std::unique_ptr<cluster::PushReply> reply;
  };
  // Where output of the transport is laid out; empty when the connection takes no more.
  [[nodiscard]] ByteSpan room(Client& client, size_t bytes, Bytes& staged);
  void send(Piece& piece);
  // Room for a frame; empty when refused. `payload` is where its payload goes.
  bool begin_frame(Client& client, size_t payload_bytes, ByteSpan& payload,
                   std::unique_ptr<cluster::PushReply>* reply);

  net::ConnectionTable& table_;
  CounterBlock& counters_;
  WorkerStatusBoard& status_;
  std::vector<Piece> pieces_;  // in the order of the stream, for each connection
  std::vector<mtproto::SealJob> jobs_;
  Bytes wrapped_;  // of the piece in hand
  std::vector<Client*> answered_;
  size_t last_batch_ = 0;
};

}  // namespace ringway::gateway
