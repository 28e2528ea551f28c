// client/session: one MTProto session as a client holds it, without sockets and clocks.
//
// Pure: requests, server messages and `now` go in; sealed frames and events come out. One thread
// owns a Session. It numbers and packs messages, follows the server's salt and clock, acknowledges
// what it receives, sends again what the server refused for a reason that goes away, matches
// replies and quick acks with requests, and times requests out. The life of a request:
//
//   send() -> waiting --prepare()--> sent --reply--> gone           (event kReply or kPong)
//               ^                     |  --quick ack--> sent | gone (event kQuickAck; gone when no
//               reply is due)
//               +--refused, lost------+  --deadline--> gone         (event kFailed)
//
// A frame's journey: prepare() builds plaintext, seal_jobs() offers it to mtproto::seal_many
// together with other sessions' frames, on_sealed() notes the tokens, outgoing() is what to send,
// and clear_outgoing() gives the memory back for reuse. seal() does these steps for one session
// alone.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "client/handshake.h"
#include "client/inbound.h"
#include "client/msg_id.h"
#include "mtproto/message.h"

namespace ringway::client {

using RequestId = uint64_t;

// What a session starts from: the outcome of a key exchange, or what was stored of one.
struct SessionKey {
  AuthKeyBytes key;
  int64_t auth_key_id = 0;
  int64_t salt = 0;
  int64_t time_offset_ns = 0;  // server's clock minus ours

  static SessionKey from(const HandshakeResult& result) {
    return {result.created.key, result.created.auth_key_id, result.created.salt,
            result.time_offset_seconds * kNsPerSecond};
  }
};

struct SessionOptions {
  int64_t session_id = 0;  // 0: drawn at random
  int64_t request_timeout_ns = 30 * kNsPerSecond;
  int64_t ack_delay_ns = 500 * kNsPerMs;  // acks wait this long for a message to ride on
  size_t ack_count_max = 64;              // or until they are so many
  bool containers = true;                 // several waiting messages may share a frame
};

struct RequestOptions {
  bool content_related = true;  // false for acks and pings: they carry an even seq_no
  bool expect_reply = true;  // false: done when quick-acked, or when sent if no quick ack is asked
  bool quick_ack = false;    // the message gets a frame of its own
  int64_t timeout_ns = 0;    // 0: the session's
};

struct SessionEvent {
  enum class Kind : uint8_t {
    kReply,  // rpc_result: body is the result or rpc_error, unpacked
    kPong,
    kQuickAck,
    kService,  // an answer to a service request (future_salts, msgs_state_info): the whole object
    kPush,     // any other object of the server's
    kFailed,   // the request is given up: error kTimeout, or kNotAllowed with bad_msg_code
    kNewSession,  // the server began the session anew: updates may have been missed
    kResent,      // the request goes out again; bad_msg_code says why (0: the server forgot it)
  };
  SessionEvent() = default;
  SessionEvent(SessionEvent&&) noexcept = default;
  SessionEvent& operator=(SessionEvent&&) noexcept = default;

  Kind kind = Kind::kPush;
  RequestId request = 0;   // 0: none of ours
  int64_t started_ns = 0;  // mono time of send(), when there is a request
  int64_t msg_id = 0;      // of kQuickAck: the message that was acknowledged
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
  uint64_t repeats_ignored = 0;
  uint64_t salt_changes = 0;
  uint64_t clock_changes = 0;
  uint64_t resends = 0;
};

class Session {
 public:
  Session(const SessionKey& key, const SessionOptions& options);

  // --- out ---
  // Queues a copy of `object`, whole words. kInvalidArgument when it is none, kFull when
  // kClientPendingMax requests wait for something.
  Result<RequestId> send(ByteView object, const RequestOptions& request, Now now);
  // Queues auth.bindTempAuthKey, for a session of a temporary key: alone in its frame, and made for
  // the msg_id that it gets each time it is sent. `expires_at` is that key's end, in unix seconds.
  Result<RequestId> send_bind(const SessionKey& permanent, int32_t expires_at, Now now);
  // Builds frames from what waits; call once per turn.
  void prepare(Now now);
  void seal_jobs(std::vector<mtproto::SealJob>& jobs);
  // The jobs this session added, in their order, after seal_many().
  void on_sealed(std::span<const mtproto::SealJob> jobs);
  [[nodiscard]] std::span<const OutgoingFrame> outgoing() const noexcept {
    return {outgoing_.data(), outgoing_count_};
  }
  void clear_outgoing() noexcept { outgoing_count_ = 0; }
  // prepare, seal and on_sealed for this session alone. Valid until clear_outgoing().
  std::span<const OutgoingFrame> seal(Now now);

  // --- in ---
  // The job that opens a frame of this session's.
  [[nodiscard]] mtproto::OpenJob open_job(ByteSpan frame) const noexcept;
  // After open_many(). Appends events; their bodies borrow from the job's frame. kMalformed when
  // the server broke a rule (wrong session_id, parity of msg_id, a container that does not parse):
  // the connection is no longer to be trusted. The job's own error is returned as it is.
  Result<void> on_opened(const mtproto::OpenJob& job, Now now, std::vector<SessionEvent>& events);
  // open_job, open_many and on_opened for one frame.
  Result<void> receive(ByteSpan frame, Now now, std::vector<SessionEvent>& events);
  // A quick ack from the transport; false when no request waits for this token.
  bool on_quick_ack(uint32_t token, std::vector<SessionEvent>& events);
  // Gives up what waits too long.
  void expire(Now now, std::vector<SessionEvent>& events);
  // The connection is new: what was sent and not answered goes out again, with new msg_ids (a
  // server may see such a request twice).
  void on_reconnected();

  [[nodiscard]] bool wants_to_send(Now now) const noexcept;
  // When expire() or prepare() has something to do next (mono); nothing if never.
  [[nodiscard]] std::optional<int64_t> next_deadline_ns() const noexcept;

  [[nodiscard]] int64_t session_id() const noexcept { return session_id_; }
  [[nodiscard]] int64_t auth_key_id() const noexcept { return key_.auth_key_id; }
  [[nodiscard]] int64_t salt() const noexcept { return key_.salt; }
  // With the salt and the clock offset as they are now; to be stored for a later session.
  [[nodiscard]] const SessionKey& key() const noexcept { return key_; }
  [[nodiscard]] size_t pending() const noexcept { return waiting_.size() + sent_.size(); }
  // Calls visit(started_ns) for each of them.
  template <typename Visit>
  void for_each_pending(Visit&& visit) const {
    for (const Pending& entry : sent_) visit(entry.started_ns);
    for (const Pending& entry : waiting_) visit(entry.started_ns);
  }
  [[nodiscard]] const SessionCounts& counts() const noexcept { return counts_; }

 private:
  struct Bind {
    AuthKeyBytes permanent;
    int64_t perm_auth_key_id = 0;
    int32_t expires_at = 0;
  };
  struct Pending {
    RequestId request = 0;
    std::unique_ptr<const Bind> bind;  // what `object` is made from; null for other requests
    Bytes object;
    RequestOptions options;
    int64_t started_ns = 0;
    int64_t deadline_ns = 0;
    int64_t msg_id = 0;
    int64_t container_msg_id = 0;
    uint32_t quick_ack_token = 0;  // 0: none awaited
    int resends = 0;
  };

  int64_t next_msg_id(int64_t unix_ns) noexcept;
  int32_t next_seq_no(bool content_related) noexcept;
  OutgoingFrame& new_frame(size_t body_bytes, int64_t msg_id, int32_t seq_no);
  // Has a frame of its own.
  [[nodiscard]] static bool goes_alone(const Pending& entry) noexcept {
    return entry.options.quick_ack || entry.bind != nullptr;
  }
  Pending& queue(ByteView object, const RequestOptions& request, Now now);
  [[nodiscard]] Bytes make_bind(const Bind& bind, int64_t msg_id) const;
  void send_alone(Pending entry, Now now);
  void send_together(std::vector<Pending>& entries, Bytes acks, Now now);
  void send_acks_alone(Now now);
  void keep_or_drop(Pending entry);
  void recycle(Pending& entry);
  void restart() noexcept;
  [[nodiscard]] bool acks_due(Now now) const noexcept;
  Bytes take_acks();

  Result<void> handle(const InboundPart& part, Now now, std::vector<SessionEvent>& events);
  Result<void> on_rpc_result(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_pong(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_service_answer(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_new_session(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_bad_server_salt(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_bad_msg(const InboundPart& part, Now now, std::vector<SessionEvent>& events);
  Result<void> on_detailed_info(const InboundPart& part, Now now);
  [[nodiscard]] bool note_received(int64_t msg_id);
  void note_content(const InboundPart& part, Now now);
  std::optional<Pending> take_sent(int64_t msg_id);
  // Moves the entries that `match` picks out of `entries`, in order, to `sink`.
  template <typename Match, typename Sink>
  static void extract(std::deque<Pending>& entries, Match match, Sink sink) {
    auto keep = entries.begin();
    for (auto at = entries.begin(); at != entries.end(); ++at) {
      if (match(std::as_const(*at))) {
        sink(std::move(*at));
        continue;
      }
      if (keep != at) *keep = std::move(*at);
      ++keep;
    }
    entries.erase(keep, entries.end());
  }
  // Sends again, or gives up, the sent entries that `match` picks.
  template <typename Match>
  void send_again(Match match, int32_t code, std::vector<SessionEvent>& events);
  template <typename Match>
  void give_up(Match match, int32_t code, std::vector<SessionEvent>& events);

  SessionKey key_;
  SessionOptions options_;
  int64_t session_id_ = 0;
  int64_t previous_session_id_ = 0;  // late messages for it are no fault
  ClientMsgId msg_ids_;
  int32_t content_count_ = 0;
  RequestId next_request_ = 1;

  std::deque<Pending> waiting_;
  std::deque<Pending> sent_;  // ascending msg_id
  std::vector<OutgoingFrame> outgoing_;
  size_t outgoing_count_ = 0;
  std::vector<int64_t> acks_;
  int64_t ack_deadline_ns_ = 0;
  int64_t expiry_ns_ = INT64_MAX;     // no pending deadline is earlier
  std::deque<int64_t> received_ids_;  // ascending, the newest kClientReceivedIdsMax
  std::vector<InboundPart> parts_;
  std::vector<Bytes> spare_;
  SessionCounts counts_;
};

}  // namespace ringway::client
