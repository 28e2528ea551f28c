// client/session_types: what goes into a client's session and comes out of it.
//
// Plain values; client/session.h has the session.
#pragma once

#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "client/handshake.h"

namespace ringway::client {

using RequestId = uint64_t;

// What a session starts from: the outcome of a key exchange, or what was stored of one.
struct SessionKey {
  AuthKeyBytes key;
  int64_t auth_key_id = 0;
  int64_t salt = 0;
  int64_t time_offset_ns = 0;  // server's clock minus ours
  bool time_known = false;     // time_offset_ns comes from the server, and not long ago

  static SessionKey from(const HandshakeResult& result) {
    return {result.created.key, result.created.auth_key_id, result.created.salt,
            result.time_offset_seconds * kNsPerSecond, true};
  }
};

struct SessionOptions {
  int64_t session_id = 0;  // 0: drawn at random
  int64_t request_timeout_ns = 30 * kNsPerSecond;
  int64_t ack_delay_ns = 500 * kNsPerMs;  // acks wait this long for a message to ride on
  size_t ack_count_max = 64;              // or until they are so many
  bool containers = true;                 // several waiting messages may share a frame
  // What a client wants that stays, and a tool for one purpose does without:
  bool ask_state = false;     // after a reconnection ask what arrived; false: send all again
  bool check_time = false;    // drop what is too far from the server's clock
  bool fetch_salts = false;   // ask for the next salts in time
  bool tell_changes = false;  // events kSalt, kClock and kRestarted
  size_t gzip_bytes_min = 0;  // longer requests are packed if that makes them smaller; 0: none

  // All of it, as an account uses it.
  static SessionOptions lasting() {
    SessionOptions options;
    options.ack_delay_ns = 15 * kNsPerSecond;
    options.ack_count_max = 16;
    options.ask_state = true;
    options.check_time = true;
    options.fetch_salts = true;
    options.tell_changes = true;
    options.gzip_bytes_min = 512;
    return options;
  }
};

struct RequestOptions {
  // False for what does not count for seq_no. Service messages of which the protocol says so never
  // count, whatever is said here.
  bool content_related = true;
  bool expect_reply = true;  // false: done when quick-acked, or when sent if no quick ack is asked
  bool quick_ack = false;    // the message gets a frame of its own
  int64_t timeout_ns = 0;    // 0: the session's
  // The server is to run this one after that earlier one (invokeAfterMsg, with the msg_id that the
  // earlier one has when this one goes out). 0, or a request that is done: no order.
  RequestId after_request = 0;
};

struct SessionEvent {
  enum class Kind : uint8_t {
    kReply,  // rpc_result: body is the result or rpc_error, unpacked if a request is named
    kPong,
    kQuickAck,
    kService,  // an answer to a service request (future_salts, msgs_state_info): the whole object
    kPush,     // any other object of the server's, unpacked
    // The request is given up. Error kTimeout; kNotAllowed with bad_msg_code; kMalformed or
    // kTooLarge: its result could not be unpacked.
    kFailed,
    // The server began the session anew: updates may have been missed. Told once for each
    // unique_id; msg_id is the first one that the server knows of.
    kNewSession,
    kResent,  // the request goes out again; bad_msg_code says why (0: the server does not have it)
    kSalt,    // Session::salt() is another one (with tell_changes)
    kClock,   // Session::key().time_offset_ns was corrected (with tell_changes)
    // The session has another id, and the server knows nothing of it yet; bad_msg_code says why
    // (with tell_changes).
    kRestarted,
    // The server refused a message (bad_msg_notification, bad_server_salt) with bad_msg_code,
    // whatever comes of it (with tell_changes).
    kRefused,
    // What drop() told the server of `request` is done with: it answered that, or the request after
    // all, or did neither in kSessionServiceWaitNs. May be told twice.
    kSettled,
  };
  SessionEvent() = default;
  SessionEvent(SessionEvent&&) noexcept = default;
  SessionEvent& operator=(SessionEvent&&) noexcept = default;

  Kind kind = Kind::kPush;
  RequestId request = 0;   // 0: none of ours
  int64_t started_ns = 0;  // mono time of send(), when there is a request
  int64_t msg_id = 0;      // of kQuickAck: the message that was acknowledged; of kNewSession
  int64_t unique_id = 0;   // of kNewSession
  Error error = Error::kNone;
  int32_t bad_msg_code = 0;
  ByteView body;  // in the frame given to on_opened(), or in `storage`
  Bytes storage;  // owns body when it was packed; moving keeps body valid
};

// A frame for the transport.
struct OutgoingFrame {
  Bytes bytes;
  size_t plaintext_bytes = 0;
  bool quick_ack = false;
  int64_t msg_id = 0;
};

struct SessionCounts {
  uint64_t messages_sent = 0;
  uint64_t frames_sent = 0;
  uint64_t messages_received = 0;
  uint64_t repeats_ignored = 0;  // and acknowledged once more
  uint64_t salt_changes = 0;
  uint64_t clock_changes = 0;
  uint64_t resends = 0;
  uint64_t bad_messages = 0;  // bad_msg_notification and bad_server_salt
  uint64_t state_questions = 0;
  // Dropped without acknowledgement: of another session; even msg_id; too far from the server's
  // clock; a frame that was here already, or a message older than all that are remembered.
  uint64_t dropped_foreign = 0;
  uint64_t dropped_even = 0;
  uint64_t dropped_time = 0;
  uint64_t dropped_replays = 0;
  uint64_t unreadable = 0;  // messages and results that do not parse
};

}  // namespace ringway::client
