// client/session: one MTProto session as a client holds it, without sockets and clocks.
//
// Pure: requests, server messages and `now` go in; sealed frames and events come out. One thread
// owns a Session. It numbers and packs messages, follows the server's salts and clock, acknowledges
// what it receives, sends again what the server certainly did not take, matches replies and quick
// acks with requests, and times requests out. The life of a request:
//
//   send() -> waiting --prepare()--> sent --reply--> gone           (event kReply or kPong)
//               ^                     |  --quick ack--> sent | gone (event kQuickAck; gone when no
//               |                     |  reply is due)
//               +--refused, lost------+  --deadline--> gone         (event kFailed)
//               |                     |  --drop()--> gone           (event kSettled, later)
//               |                on_reconnected()
//               |                     v
//               +--"not received"-- unsure --"received"--> sent
//
// Waiting requests keep the order in which they were given to send(), and those that go out again
// take the place that they had. After a reconnection the server is asked which of the sent requests
// it has (msgs_state_req), so that none is lost and none is run twice; a server that does not
// answer that leaves them sent, until their deadlines. (SessionOptions::ask_state; without it all
// go out again, and may be run twice.)
//
// What a server sends against the rules - another session's message, an even msg_id, a time too far
// from its clock, a frame that was here before - is dropped, counted and not acknowledged.
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
#include "client/inbound.h"
#include "client/msg_id.h"
#include "client/objects.h"
#include "client/received_ids.h"
#include "client/salt_table.h"
#include "client/server_clock.h"
#include "client/session_types.h"
#include "mtproto/message.h"

namespace ringway::client {

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
  enum class Dropped : uint8_t { kUnknown, kUnsent, kToldNobody, kSent };
  // The request is of no use any more: no reply or failure of it will be told. kUnsent: the server
  // never saw it; kSent: it is told that nobody waits for the answer (rpc_drop_answer), and
  // kSettled says when that is over (of more than kSessionDropsMax only if the request is answered
  // after all); kToldNobody: it was sent, and about to be sent again. Of the last two it is not
  // known whether the request took effect.
  Dropped drop(RequestId request, Now now);
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
  // After open_many(). Appends events; their bodies borrow from the job's frame. kMalformed or
  // kTruncated when the frame's container does not parse: the connection is no longer to be
  // trusted. The job's own error is returned as it is.
  Result<void> on_opened(const mtproto::OpenJob& job, Now now, std::vector<SessionEvent>& events);
  // open_job, open_many and on_opened for one frame.
  Result<void> receive(ByteSpan frame, Now now, std::vector<SessionEvent>& events);
  // A quick ack from the transport; false when no request waits for this token.
  bool on_quick_ack(uint32_t token, std::vector<SessionEvent>& events);
  // Gives up what waits too long.
  void expire(Now now, std::vector<SessionEvent>& events);
  // The connection is new: see above for what happens to requests that were sent and not answered.
  void on_reconnected();

  [[nodiscard]] bool wants_to_send(Now now) const noexcept;
  // When expire() or prepare() has something to do next (mono); nothing if never.
  [[nodiscard]] std::optional<int64_t> next_deadline_ns() const noexcept;

  [[nodiscard]] int64_t session_id() const noexcept { return session_id_; }
  [[nodiscard]] int64_t auth_key_id() const noexcept { return key_.auth_key_id; }
  [[nodiscard]] int64_t salt() const noexcept { return key_.salt; }
  // With the salt and the clock offset as they are now; to be stored for a later session.
  [[nodiscard]] const SessionKey& key() const noexcept { return key_; }
  // Requests that are not done, the session's own questions among them.
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
  // Who asks: the owner, or the session itself, which tells nobody about its own.
  enum class Purpose : uint8_t { kCall, kSalts, kState, kDrop, kStatement };
  // Whether a sent message has arrived is taken for granted until a connection breaks.
  enum class Arrived : uint8_t { kTakenForGranted, kUnsure, kAsked };
  struct DroppedCall {
    int64_t msg_id = 0;
    RequestId request = 0;
  };
  struct Pending {
    RequestId request = 0;
    Purpose purpose = Purpose::kCall;
    Arrived arrived = Arrived::kTakenForGranted;
    std::unique_ptr<const Bind> bind;  // what `object` is made from; null for other requests
    Bytes object;
    RequestOptions options;
    int64_t started_ns = 0;
    int64_t deadline_ns = 0;
    int64_t msg_id = 0;
    int64_t container_msg_id = 0;
    int64_t after_msg_id = 0;  // it went out wrapped in invokeAfterMsg with this one
    RequestId dropped = 0;     // of kDrop: whose answer nobody waits for
    int32_t seq_no = 0;
    uint32_t quick_ack_token = 0;  // 0: none awaited
    int resends = 0;
    int faults = 0;
  };

  // Out: queue and bookkeeping (session.cc).
  Pending& queue(ByteView object, const RequestOptions& request, Now now);
  // Null when it is one statement too many.
  Pending* queue_own(Purpose purpose, ByteView object, int64_t timeout_ns, Now now);
  bool pack(ByteView object, Bytes& out) const;
  void back_to_waiting(std::vector<Pending> entries);
  void recycle(Pending& entry);
  static void settle(RequestId dropped, std::vector<SessionEvent>& events);
  void restart(int32_t code, std::vector<SessionEvent>& events);

  // Out: frames (session_send.cc).
  int64_t next_msg_id(Now now) noexcept;
  int32_t next_seq_no(bool content_related) noexcept;
  OutgoingFrame& new_frame(size_t body_bytes, int64_t msg_id, int32_t seq_no);
  // Has a frame of its own.
  [[nodiscard]] static bool goes_alone(const Pending& entry) noexcept {
    return entry.options.quick_ack || entry.bind != nullptr;
  }
  [[nodiscard]] Bytes make_bind(const Bind& bind, int64_t msg_id) const;
  [[nodiscard]] bool must_wait(const Pending& entry, std::span<const Pending> held) const noexcept;
  [[nodiscard]] int64_t predecessor_of(const Pending& entry,
                                       std::span<const Pending> together) const noexcept;
  [[nodiscard]] static size_t bytes_of(const Pending& entry) noexcept;
  static void write_object(const Pending& entry, ByteWriter& out);
  void gather(std::vector<Pending>& together, std::vector<Pending>& held);
  void send_alone(Pending entry, Now now);
  void send_together(std::vector<Pending>& entries, Bytes acks, Now now);
  void send_acks_alone(Now now);
  void send_owed(Now now);
  void keep_or_drop(Pending entry);
  [[nodiscard]] bool acks_due(Now now) const noexcept;
  Bytes take_acks();

  // In: checks, dispatch, answers (session_receive.cc).
  [[nodiscard]] bool is_acceptable(const mtproto::OpenJob& job, Now now);
  [[nodiscard]] bool corrects_clock(const mtproto::OpenJob& job) const;
  void on_part(const InboundPart& part, uint64_t frame_mark, Now now,
               std::vector<SessionEvent>& events);
  void on_packed(const InboundPart& part, uint64_t frame_mark, Now now,
                 std::vector<SessionEvent>& events);
  Result<void> handle(const InboundPart& part, Now now, std::vector<SessionEvent>& events);
  Result<void> on_rpc_result(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<Bytes> unpack(ByteView object);
  Result<void> on_pong(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_service_answer(const InboundPart& part, Now now,
                                 std::vector<SessionEvent>& events);
  void owe_ack(int64_t msg_id, Now now);
  [[nodiscard]] const Pending* find_sent(int64_t msg_id) const noexcept;
  std::optional<Pending> take_sent(int64_t msg_id);

  // In: what the server says about our messages (session_service.cc).
  [[nodiscard]] static bool is_named(const Pending& entry, int64_t msg_id) noexcept {
    return entry.msg_id == msg_id || entry.container_msg_id == msg_id;
  }
  Result<void> on_new_session(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_bad_server_salt(const InboundPart& part, std::vector<SessionEvent>& events);
  Result<void> on_bad_msg(const InboundPart& part, Now now, std::vector<SessionEvent>& events);
  void on_wrong_clock(const BadMsg& notice, int64_t msg_id, Now now,
                      std::vector<SessionEvent>& events);
  void on_too_old(const BadMsg& notice, std::vector<SessionEvent>& events);
  void on_fault(const BadMsg& notice, std::vector<SessionEvent>& events);
  Result<void> on_detailed_info(const InboundPart& part, Now now);
  Result<void> on_state_request(const InboundPart& part, Now now);
  Result<void> on_resend_request(const InboundPart& part, Now now);
  Result<void> on_future_salts(const InboundPart& part, Now now);
  Result<void> on_state_info(const Pending& question, const InboundPart& part,
                             std::vector<SessionEvent>& events);
  void ask_again_or_leave(const Pending& question);
  void ask_states(Now now);
  void ask_salts(Now now);
  void use_salt(int64_t salt) noexcept;
  void note_clock() noexcept;
  void tell_changes(std::vector<SessionEvent>& events);
  void note_refusal(int32_t code, std::vector<SessionEvent>& events);
  // Sends again or, what went out too often, gives up. `counted`: these were refused themselves.
  void send_again(std::vector<Pending> entries, int32_t code, bool counted,
                  std::vector<SessionEvent>& events);
  void fail(Pending& entry, Error error, int32_t code, std::vector<SessionEvent>& events);

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
  template <typename Match>
  std::vector<Pending> take_sent_if(Match match) {
    std::vector<Pending> taken;
    extract(sent_, match, [&taken](Pending entry) { taken.push_back(std::move(entry)); });
    return taken;
  }

  SessionKey key_;
  SessionOptions options_;
  int64_t session_id_ = 0;
  ServerClock clock_;
  SaltTable salts_;
  ClientMsgId msg_ids_;
  int32_t content_count_ = 0;
  RequestId next_request_ = 1;

  std::deque<Pending> waiting_;  // ascending request
  size_t held_ = 0;              // so many of them wait for another one's fate
  std::deque<Pending> sent_;     // ascending msg_id
  std::vector<OutgoingFrame> outgoing_;
  size_t outgoing_count_ = 0;
  std::vector<int64_t> acks_;
  int64_t ack_deadline_ns_ = 0;
  int64_t expiry_ns_ = INT64_MAX;  // no pending deadline is earlier
  ReceivedIds received_;
  std::optional<int64_t> unique_id_;     // of the last new_session_created
  std::vector<int64_t> answers_wanted_;  // announced, and not here: to be asked for
  std::vector<int64_t> resends_owed_;    // of our messages, under the msg_ids that they have
  std::deque<DroppedCall> dropped_;
  size_t drops_awaited_ = 0;
  bool ask_due_ = false;  // some sent ones are kUnsure
  int state_tries_ = 0;
  int64_t told_salt_ = 0;  // kSalt and kClock have told of these
  int64_t told_offset_ns_ = 0;
  bool salts_asked_ = false;
  int64_t salts_ask_ns_ = 0;  // not before
  std::vector<InboundPart> parts_;
  size_t inflate_left_ = 0;  // of the frame that is looked at
  std::vector<Bytes> spare_;
  SessionCounts counts_;
};

}  // namespace ringway::client
