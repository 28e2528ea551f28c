// gateway/client: the state of one connection as the gateway sees it, and of what stands in its
// way.
//
// Plain data, owned by one worker; Flow holds the logic. An Inlet is a source of encrypted frames
// for keys of this worker: a connection that lives here (Client), or one that lives elsewhere and
// uses a key whose home is here (RemoteInlet). Frames of an inlet are worked off strictly in order:
// whatever cannot go on now waits in `held`, and everything behind it waits in the transport's
// tail.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/small_list.h"
#include "cluster/push.h"
#include "gateway/connection_state.h"
#include "gateway/doors.h"
#include "gateway/home.h"
#include "gateway/key_cache.h"
#include "gateway/session_table.h"
#include "mtproto/handshake.h"
#include "mtproto/message.h"
#include "mtproto/transport.h"
#include "mtproto/unencrypted.h"
#include "net/address.h"

namespace ringway::gateway {

// A key that a connection has used. `entry` is pinned; null when the key's home is another worker.
struct KeyUse {
  int64_t auth_key_id = 0;
  KeyEntry* entry = nullptr;
};

// A message that is open and waits for room in its shard's window.
struct OpenedMessage {
  mtproto::MessageHeader header;
  size_t payload_at = 0;  // in Held::payloads
  size_t payload_bytes = 0;
  KeyEntry* entry = nullptr;  // pinned by the inlet
  int64_t arrived_ns = 0;
  uint32_t quick_ack_token = 0;
  bool quick_ack = false;
};

// A message above kLargeMessageBytes, opened a slice per turn. Has its own copy of the key.
struct LargeOpen {
  LargeOpen(const AuthKeyBytes& key, KeyEntry* entry_in, ParkedFrame frame_in, int64_t arrived)
      : auth_key(key),
        entry(entry_in),
        arrived_ns(arrived),
        frame(std::move(frame_in)),
        work(auth_key, frame.frame, mtproto::Sender::kClient) {}
  const AuthKeyBytes auth_key;
  KeyEntry* const entry;
  const int64_t arrived_ns;
  ParkedFrame frame;
  mtproto::SlicedOpen work;
};

// The answer to a message of HTTP, as it comes together: what one call to a shard gives, as it is,
// or several messages. A key that is not bound is answered by the gateway, too.
struct HttpReply {
  KeyEntry* entry = nullptr;  // pinned by the client
  int64_t salt = 0;
  int64_t session_id = 0;
  uint64_t cookie = 0;      // of the call that is under way; 0: none
  int64_t bind_msg_id = 0;  // that call is this bind, by a key that speaks for nobody
  bool given = false;       // on its way to the client: nothing is added any more
  uint32_t messages = 0;
  Bytes content;  // of them, one behind the other as in a container
};

// What an inlet waits for; allocated only while it waits.
struct Held {
  // First in order: room in a window. Reading stops with the turn in which the first one came, so
  // there are no more of them than one turn brings.
  std::vector<OpenedMessage> opened;
  size_t opened_done = 0;            // of them, from the first on, have found room
  Bytes payloads;                    // of all of them
  std::unique_ptr<LargeOpen> large;  // then this: slices of time
  std::deque<ParkedFrame> frames;    // then these: a key, a home, an exchange
  std::unique_ptr<HttpReply> http;   // and with HTTP, its answer
  bool waits_for_key = false;        // frames.front() asked for its key
  bool waits_for_shard = false;      // and there is none to ask
  bool waits_for_move = false;       // the connection is on its way to another worker
  bool waits_for_turn = false;       // looked at again when its ref comes up in `ready_`
  bool waits_for_remote = false;     // a frame is being worked off at another home
  size_t remote_bytes = 0;           // of that frame
  int64_t since_ns = 0;              // when what began the wait came

  [[nodiscard]] size_t opened_left() const noexcept { return opened.size() - opened_done; }
  void forget_opened() noexcept {
    opened.clear();
    opened_done = 0;
    payloads.clear();
  }
};

// A message for the client above kLargeMessageBytes, sealed a slice per turn, and what queues
// behind it.
struct LargeSeal {
  struct Waiting {
    KeyEntry* entry = nullptr;  // pinned by the connection
    Bytes plaintext;
    std::unique_ptr<cluster::PushReply> reply;
  };
  AuthKeyBytes auth_key;
  Bytes sealed;
  std::unique_ptr<mtproto::SlicedSeal> work;
  std::unique_ptr<cluster::PushReply> reply;
  std::deque<Waiting> waiting;
  size_t waiting_bytes = 0;

  void wait(KeyEntry* entry, Bytes plaintext, std::unique_ptr<cluster::PushReply> push_reply) {
    waiting_bytes += plaintext.size();
    waiting.push_back({entry, std::move(plaintext), std::move(push_reply)});
  }
};

struct Inlet {
  ConnectionRef ref;
  SmallList<KeyUse> keys;
  SmallList<SessionEntry*> sessions;  // oldest first; each good while this inlet is attached to it
  std::unique_ptr<Held> held;
  std::unique_ptr<LargeSeal> large_seal;
  uint32_t in_batch = 0;  // its frames in the turn's open batch
  net::PeerAddress peer;
  const bool remote : 1;
  bool failed : 1 = false;    // takes no further frame; closing is under way
  bool poisoned : 1 = false;  // a message did not open: those behind it count for nothing
  bool gone : 1 = false;      // the connection has ended

  Inlet(const Inlet&) = delete;
  Inlet& operator=(const Inlet&) = delete;

  [[nodiscard]] KeyUse* key_use(int64_t auth_key_id) noexcept {
    for (KeyUse& use : keys) {
      if (use.auth_key_id == auth_key_id) return &use;
    }
    return nullptr;
  }

 protected:
  explicit Inlet(bool is_remote) : remote(is_remote) {}
  ~Inlet() = default;  // nobody owns an inlet by this type
};

// The key exchanges of a connection.
struct ClientHandshake {
  explicit ClientHandshake(mtproto::HandshakeSet set_in, int64_t window_in = 0,
                           uint32_t count_in = 0)
      : set(std::move(set_in)), window_ns(window_in), count(count_in) {}

  mtproto::HandshakeSet set;
  int64_t window_ns = 0;  // start of the window that `count` counts
  uint32_t count = 0;     // of heavy ones
};

// Milliseconds that wrap around after 49 days: good for differences as large as a timeout may be.
[[nodiscard]] inline uint32_t short_ms(int64_t ns) noexcept {
  return static_cast<uint32_t>(ns / kNsPerMs);
}

struct Client final : Inlet {
  explicit Client(const mtproto::TransportConfig* config) : Inlet(false), transport(config) {}
  Client(const mtproto::TransportConfig* config, mtproto::TransportState state)
      : Inlet(false), transport(config, std::move(state)) {}

  mtproto::ServerTransport transport;
  std::unique_ptr<Doors> doors;  // null: the stream is as it comes
  mtproto::ServerMsgId msg_id;
  std::unique_ptr<ClientHandshake> handshake;  // from the first req_pq on
  uint32_t last_input_ms = 0;                  // see short_ms()
  uint32_t input_bytes = 0;                    // parked and tail, as counted for the worker
  int32_t closing_error = 0;                   // the transport error to send before closing
  uint16_t listener = 0;
  bool moved : 1 = false;   // lives at the home of its first key
  bool proven : 1 = false;  // has finished a key exchange or sent a message that opened
  bool got_bytes : 1 = false;
  bool frame_timer : 1 = false;  // the deadline of a begun frame is set
  bool paused : 1 = false;
  bool close_now : 1 = false;  // refused: nothing is owed to it
  // Not part of its address's count: refused by the limit, or the address is not known yet.
  bool uncounted : 1 = false;
  bool of_listener : 1 = false;  // part of its listener's count
  bool tls_begun : 1 = false;    // its handshake counts for its address
  bool masked : 1 = false;       // on its way to the mask: what comes is kept for it
  bool mask_place : 1 = false;   // has a place among the relays
};
static_assert(sizeof(Client) <= 320, "one for each connection; allocators have a size of 320");
static_assert(kConnectionBytesCeiling <= UINT32_MAX / 4, "input_bytes is a short number");

// The home's side of a connection that lives on another worker.
struct RemoteInlet final : Inlet {
  RemoteInlet() : Inlet(true) {}
  bool owes_answer = false;  // a frame was taken in and RemoteDone has not been posted
  bool quick_ack = false;
  uint32_t quick_ack_token = 0;
};

}  // namespace ringway::gateway
