// cluster/dispatcher: from one worker to the session shards.
//
// One Dispatcher belongs to one worker and is called on that worker's thread only; nothing in it
// blocks. It picks the shard of a message by the consistent hash ring, puts the message into that
// shard's bounded window, and writes one batch per shard and turn in flush(). A message is taken
// over when send() says kAccepted: from then on it stays in the window until its shard has
// acknowledged it. Answers, pushes and window changes are handed to a DispatcherEvents during
// poll().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/waker.h"
#include "cluster/push.h"

namespace ringway::cluster {

// One decrypted message; everything is borrowed for the call.
struct ClientMessage {
  int32_t conn_type = 0;  // 1 first of its session on this gateway, 0 later
  int64_t auth_key_id = 0;
  int32_t key_type = 0;
  int64_t perm_auth_key_id = 0;  // chooses the shard
  int64_t session_id = 0;
  std::string_view client_ip;
  bool quick_ack = false;
  int64_t salt = 0;
  ByteView payload;  // msg_id, seq_no, length, body
};

struct SessionClose {
  int64_t auth_key_id = 0;
  int32_t key_type = 0;
  int64_t perm_auth_key_id = 0;
  int64_t session_id = 0;
  std::string_view client_ip;
};

// The keys as the shard keeps them.
struct AuthKeyRecord {
  int64_t auth_key_id = 0;
  int32_t key_type = 0;          // 0 permanent, 1 temporary, 2 media temporary
  int64_t perm_auth_key_id = 0;  // equals auth_key_id for type 0; 0 for an unbound temporary key
  AuthKeyBytes key;
};

enum class Submit : uint8_t {
  kAccepted,    // in the window: may be quick-acked
  kWindowFull,  // stop reading; on_window_open(shard) tells when to try again
  kNoShard,     // nobody owns the key now; stop reading, on_window_open(kAnyShard) follows
};

enum class KeyAnswer : uint8_t {
  kFound,
  kUnregistered,  // the shard says positively that there is no such key: answer -404
  kFailed,        // no answer, or an unusable one: close without -404
  kNoShard,       // nobody to ask: stop reading, on_window_open(kAnyShard) tells when to ask again
};

enum class StoreAnswer : uint8_t { kStored, kRefused };

enum class HttpAnswer : uint8_t {
  kAnswered,      // with what the client is to be sent; it may be empty
  kUnregistered,  // the shard does not know the key: answer -404
  kRefused,       // the shard's last word
  kUnavailable,   // no answer
};

inline constexpr uint32_t kAnyShard = UINT32_MAX;

class DispatcherEvents {
 public:
  virtual ~DispatcherEvents() = default;
  // The window of `shard` has room again after a kWindowFull. kAnyShard: the node set changed, so
  // whoever waits for any shard tries again.
  virtual void on_window_open(uint32_t shard) = 0;
  // `record` is null unless kFound; it has the id that was asked for, and lives for the call. That
  // its key hashes to this id is for the receiver to check.
  virtual void on_key_answer(int64_t auth_key_id, KeyAnswer answer,
                             const AuthKeyRecord* record) = 0;
  virtual void on_store_answer(uint64_t cookie, StoreAnswer answer) = 0;
  // What became of a send_http(); `payload` lives for the call. For whoever uses that.
  virtual void on_http_answer(uint64_t cookie, HttpAnswer answer, ByteView payload);
  // A shard no longer knows the key of a message it was sent (AUTH_KEY_UNREGISTERED).
  virtual void on_key_unregistered(int64_t auth_key_id) = 0;
  // There has been no shard for DispatcherOptions::no_shard_timeout_ns: connections that wait for
  // one are to be closed. Comes again for those that wait later.
  virtual void on_no_shard() = 0;
  // A push that came back on a link of this worker; `push.reply` must be called exactly once.
  virtual void on_push(PushRequest push) = 0;
};

// The wires that may be used. kAuto takes the best one that the shard knows.
enum class WireChoice : uint8_t { kAuto, kBatch, kStream, kUnary };

struct DispatcherOptions {
  uint32_t worker = 0;
  std::string server_id;  // the gateway's registered host:port
  int64_t call_timeout_ns = 2 * kNsPerSecond;
  int64_t no_shard_timeout_ns = INT64_MAX;
  WireChoice wire = WireChoice::kAuto;
  size_t window_messages_max = kWindowMessagesMax;  // unacknowledged, per shard
  size_t window_bytes_max = kWindowBytesMax;
  size_t batch_messages_max = kBatchMessagesMax;  // a shard may ask for fewer
  size_t batch_bytes_max = kBatchBytesMax;        // a larger message goes alone
  size_t batches_per_write_max = kBatchesPerWriteMax;
};

// What has gone over one shard link since it was made.
struct LinkTally {
  uint64_t batches = 0;   // writes with messages; unary: calls
  uint64_t messages = 0;  // messages and session closes, as often as they were sent
  uint64_t replays = 0;   // of them, those that had been sent before, here or elsewhere
  uint64_t breaks = 0;    // times that a link which was up had to connect again
};

// What one shard link looks like, for metrics.
struct ShardStatus {
  std::string address;
  std::string wire;      // "batch", "stream", "unary" or "connecting"
  bool up = false;       // the shard has answered on this wire
  bool reached = false;  // or, before there was a message for it, has said which wires it lacks
  bool in_ring = false;  // owns keys: in the node set, and not taken out for its failures
  size_t window_messages = 0;
  size_t window_bytes = 0;
  LinkTally tally;
};

class ShardTransport;  // cluster/shard_transport.h

class Dispatcher {
 public:
  // `transport`, `events`, `waker` and `counters` outlive the dispatcher.
  Dispatcher(DispatcherOptions options, ShardTransport& transport, DispatcherEvents& events,
             Waker& waker, CounterBlock& counters);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // The node set, from static endpoints or discovery. Links of nodes that stay are kept. What a
  // node that goes has not acknowledged moves, the same bytes in the same order, to the keys' new
  // owners.
  // Where a key moves between nodes that are alive, a moment is given to what is on its way, so
  // that nothing is sent twice. An empty set leaves the links with what they hold, for the next
  // one.
  void set_shards(const std::vector<std::string>& addresses, Now now);

  // The window that would take a message of this key; kAnyShard when there is no shard. Stable
  // until on_window_open(kAnyShard).
  [[nodiscard]] uint32_t shard_of(int64_t perm_auth_key_id) const noexcept;

  [[nodiscard]] Submit send(const ClientMessage& message);
  // Goes through the same window, behind the session's messages. A close that finds the window
  // full, or no shard, waits aside and is never dropped; while one waits for a window no message
  // goes into it, so there are never more of them than sessions that were announced.
  void close_session(const SessionClose& close);

  // Teamgram's HTTP call: a message (of conn_type 2) that is answered on its own call, which a
  // shard may hold open until it has something to say. Always unary, outside of the windows:
  // nothing of it is acknowledged before on_http_answer(cookie), which comes within
  // kHttpCallTimeoutNs or twice that when a shard was unavailable and the key's owner is asked once
  // more, or has named another node of the set. False when kHttpCallsInFlightMax or
  // kHttpCallBytesMax are under way, the shard allows no more of them, or nobody owns the key.
  [[nodiscard]] bool send_http(const ClientMessage& message, uint64_t cookie, Now now);
  // Nobody waits for its answer any more: on_http_answer() does not come. Cookies are not used
  // again.
  void cancel_http(uint64_t cookie);

  // Asks the shard that the ring gives for the key itself, and once more whoever owns it then when
  // that shard is unavailable. One query per key is in flight: a further one joins it. False when
  // kKeyQueriesInFlightMax are under way. on_key_answer follows otherwise. While no shard is
  // trusted the owner by the whole node set is asked; when it does not answer either, that is
  // kNoShard, unless somebody else has come back meanwhile and is asked in its place.
  [[nodiscard]] bool query_auth_key(int64_t auth_key_id, Now now);
  // Stores a key; on_store_answer(cookie) follows. False when too many are under way.
  [[nodiscard]] bool set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                                  uint64_t cookie, Now now);

  // Inbox stage: hands over everything that came from the shards since the last turn.
  void poll(Now now);
  // Send stage: one batch per shard.
  void flush(Now now);
  // True while a poll() or flush() has more to do without a wake (a bounded drain was cut short).
  [[nodiscard]] bool has_work() const noexcept;
  // When poll() and flush() are to be called even if nothing wakes the worker (reconnection,
  // time-outs), in monotonic time; INT64_MAX when there is no such time.
  [[nodiscard]] int64_t next_deadline_ns() const noexcept;

  // Messages and closes that no shard has acknowledged, over all windows. Drain waits for zero.
  [[nodiscard]] size_t unacknowledged() const noexcept;
  // Of every link. `out` is overwritten, and its memory used again.
  void status(std::vector<ShardStatus>& out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::cluster
