// gateway/worker_message: everything that may come through a worker's inbox.
//
// A message is owned by one thread at a time and moved, never shared. The two kinds that go back to
// a connection carry its ref; a ref that has gone stale makes the message void.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "cluster/dispatcher.h"
#include "cluster/push.h"
#include "gateway/connection_state.h"
#include "gateway/crypto_pool.h"
#include "gateway/home.h"
#include "gateway/shard_mailbox.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::gateway {

// A connection whose first key has its home here, handed over by the worker that accepted it.
struct AdoptConnection {
  std::unique_ptr<ConnectionState> state;
};

// A connection that the acceptor has accepted, of a socket that the workers share.
struct AcceptedSocket {
  net::OwnedFd fd;
  net::PeerAddress peer;
  uint16_t listener = 0;
};

// An encrypted frame of a connection that lives on another worker, for a key that has its home
// here. A connection has one under way at a time, so its frames keep their order.
struct RemoteFrame {
  ConnectionRef from;
  net::PeerAddress peer;
  int64_t auth_key_id = 0;
  ParkedFrame frame;
};

// The home's answer: the frame was taken over, or the connection is to be closed.
struct RemoteDone {
  ConnectionRef to;
  bool quick_ack = false;
  uint32_t quick_ack_token = 0;
  bool close = false;
  int32_t transport_error = 0;  // sent before closing; 0: none
};

// A sealed message for a connection that lives here, from the home of its key.
struct RemoteOutput {
  ConnectionRef to;
  Bytes sealed;
  std::unique_ptr<cluster::PushReply> reply;
};

// A connection elsewhere that used keys of this home has gone.
struct RemoteClosed {
  ConnectionRef from;
};

// A key made on another worker, for the cache of its home.
struct KeyCreated {
  std::unique_ptr<cluster::AuthKeyRecord> record;
  int64_t expires_at_s = 0;
};

// The session shards have changed: the set there is now lies in the mailbox, which lives as long as
// the worker.
struct SetShards {
  ShardMailbox* mailbox = nullptr;
};

struct Drain {};

using WorkerMessage =
    std::variant<std::monostate, AdoptConnection, AcceptedSocket, std::unique_ptr<RemoteFrame>,
                 RemoteDone, RemoteOutput, RemoteClosed, KeyCreated, cluster::PushRequest,
                 CryptoTask, SetShards, Drain>;

// Other kinds are bounded by the connections, which have few of them under way; messages for
// clients come as fast as shards send them.
[[nodiscard]] inline size_t bytes_for_clients(const WorkerMessage& message) noexcept {
  if (const auto* push = std::get_if<cluster::PushRequest>(&message)) return push->payload.size();
  if (const auto* output = std::get_if<RemoteOutput>(&message)) return output->sealed.size();
  return 0;
}

}  // namespace ringway::gateway
