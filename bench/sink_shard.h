// sink_shard: what the light shard of the benchmarks (shard_sink.cc) knows: keys, sessions,
// messages.
//
// The MTProto side is the reference shard's own (shard/service): every message is checked,
// numbered, counted and answered as it does it. What is left out is gRPC, protobuf on the way of
// messages, locks that anybody waits for, and the disk: keys live in memory.
//
// One thread owns all of it. Views are borrowed for the call. Bounded: kSinkKeysMax keys,
// kShardSessionsMax sessions, kShardPushesTrackedMax unanswered pushes per link.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "shard/key_store.h"
#include "shard/outbox.h"
#include "shard/service.h"
#include "shard/session_table.h"

namespace ringway::bench {

inline constexpr size_t kSinkKeysMax = 64 * 1024;

// How a call, a message or a stream ended: a code of gRPC or Teamgram and its text; 0 is good.
struct SinkStatus {
  int32_t code = 0;
  std::string_view text;  // a literal

  [[nodiscard]] bool ok() const noexcept { return code == 0; }
};
inline constexpr SinkStatus kSinkUnimplemented{12, "not served by this shard"};

struct SinkStats {
  uint64_t messages = 0;  // taken, those that came again included
  uint64_t refused = 0;
  uint64_t answers = 0;  // payloads pushed
};

// The fields of session.SessionClientData that a shard looks at; borrowed.
struct SinkMessage {
  int32_t conn_type = 0;
  int64_t auth_key_id = 0;
  int64_t perm_auth_key_id = 0;
  int64_t session_id = 0;
  int64_t salt = 0;
  ByteView payload;
};

class SinkShard {
 public:
  SinkShard();

  // Serves a unary call; its answer, a protobuf message, is appended to `answer`.
  SinkStatus call(std::string_view path, ByteView request, Now now, Bytes& answer);
  [[nodiscard]] static bool serves(std::string_view path) noexcept;

  // Serves a message. The answers are in outbox() until the next one.
  SinkStatus take(const SinkMessage& message, Now now);
  [[nodiscard]] const shard::Outbox& outbox() const noexcept { return outbox_; }
  // What the session has not acknowledged goes again when it next speaks.
  void push_failed(int64_t auth_key_id, int64_t session_id);
  void close(int64_t auth_key_id, int64_t session_id);

  [[nodiscard]] const SinkStats& stats() const noexcept { return stats_; }
  [[nodiscard]] size_t session_count() { return table_.session_count(); }

 private:
  SinkStatus query_auth_key(ByteView request, Now now, Bytes& answer);
  SinkStatus set_auth_key(ByteView request, Now now, Bytes& answer);
  SinkStatus serve(const SinkMessage& message, Now now);

  const std::unique_ptr<shard::KeyStore> keys_ = shard::make_memory_key_store();
  size_t keys_stored_ = 0;
  const shard::Service service_;
  shard::SessionTable table_{*keys_};
  shard::Outbox outbox_;
  SinkStats stats_;
};

// One batched stream (proto/ringway_link.proto) of a gateway's worker.
class SinkLink {
 public:
  // `shard` outlives it. The Welcome is in out() at once.
  explicit SinkLink(SinkShard& shard);
  // Pushes that nobody answered count as failed.
  ~SinkLink();
  SinkLink(const SinkLink&) = delete;
  SinkLink& operator=(const SinkLink&) = delete;

  // Takes a LinkUp. Otherwise than ok the stream is to be ended so.
  SinkStatus take(ByteView up, Now now);
  // Adds one acknowledgement for all that came since the last call.
  void flush();
  // Whole gRPC messages, with their prefixes, once flush() has been called; the owner takes them
  // out.
  [[nodiscard]] Bytes& out() noexcept { return out_; }

 private:
  struct SentPush {
    int64_t auth_key_id = 0;
    int64_t session_id = 0;
    bool answered = true;
  };

  SinkStatus take_item(ByteView item, Now now);
  Result<void> take_close(ByteView event);
  Result<void> take_push_result(ByteView result);
  void take_data(ByteView data, uint64_t sequence, Now now);
  void add_push(int64_t auth_key_id, int64_t session_id, ByteView payload);
  void add_refusal(uint64_t sequence, const SinkStatus& status);
  [[nodiscard]] SentPush& sent(uint64_t push_id) noexcept;
  [[nodiscard]] ByteSpan room(size_t bytes);
  void end_message();

  SinkShard& shard_;
  bool greeted_ = false;
  uint64_t next_sequence_ = 1;
  uint64_t acknowledged_ = 0;
  uint64_t next_push_id_ = 1;
  std::vector<SentPush> sent_;  // of the last push ids, by their low bits
  Bytes out_;
  size_t message_start_ = 0;  // of the message that is being written in out_
  size_t message_fields_ = 0;
  bool message_open_ = false;
};

}  // namespace ringway::bench
