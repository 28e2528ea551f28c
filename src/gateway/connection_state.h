// gateway/connection_state: one connection at rest, on its way to another worker or process.
//
// A plain value: no pointers to anything else, no ring operation under way. The source stops the
// receive, takes every completion through the terminal one into the transport's tail, and only then
// makes this. Moved by value between workers; encode() gives the versioned bytes that another
// process can take together with the socket. Holds cipher positions and frames: secret, cleansed
// where it is encoded.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "gateway/doors.h"
#include "gateway/session_table.h"
#include "mtproto/transport.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::gateway {

struct ParkedFrame {
  Bytes frame;  // auth_key_id, msg_key, E: not opened yet
  bool quick_ack = false;

  friend bool operator==(const ParkedFrame&, const ParkedFrame&) = default;
};

struct ConnectionState {
  net::OwnedFd fd;  // travels beside the bytes, never inside them
  net::PeerAddress peer;
  uint16_t listener = 0;
  uint64_t serial = 0;
  int64_t last_msg_id = 0;   // of unencrypted answers
  bool moved = false;        // has moved to the home of its first key: it does not move again
  bool proven = false;       // has finished a key exchange or sent a message that opened
  bool counted = true;       // is part of its address's count of connections
  bool of_listener = false;  // and of its listener's
  uint32_t handshakes = 0;   // heavy key exchanges counted in the present window
  int64_t handshake_window_ns = 0;
  mtproto::TransportState transport;
  // Between workers alone: what comes through doors does not cross processes.
  std::unique_ptr<Doors> doors;
  Bytes unsent;            // output the kernel has not taken, already obfuscated
  SecretString handshake;  // HandshakeSet::export_state(); empty: none
  std::vector<ParkedFrame> parked;
  std::vector<int64_t> keys;
  std::vector<SessionKey> sessions;
};

inline constexpr uint32_t kConnectionStateVersion = 3;

// Of a connection without doors.
[[nodiscard]] SecretString encode(const ConnectionState& state);
// kMalformed for another version or anything that is not whole; fd is left invalid.
Result<ConnectionState> decode_connection_state(ByteView bytes);

}  // namespace ringway::gateway
