// shard/turn: one message of a client being served; lives for that long. See service.h.
#pragma once

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "mtproto/inflate.h"
#include "mtproto/query.h"
#include "shard/key_store.h"
#include "shard/service.h"

namespace ringway::shard {

// One message: on its own, or one of a container.
struct InnerMessage {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  ByteView body;
};

inline constexpr int32_t kBadRequest = 400;  // of rpc_error

class Turn {
 public:
  // `keys` may be null: then nothing can be bound.
  Turn(const ServiceOptions& options, KeyStore* keys, KeyState& key, Session& session, Now now,
       Outbox& outbox)
      : options_(options), keys_(keys), key_(key), session_(session), now_(now), outbox_(outbox) {}

  void run(const InnerMessage& message, const Arrival& arrival);
  // The messenger was asked: it may have updates to deliver once the lock is released.
  [[nodiscard]] bool updates_may_wait() const noexcept { return updates_may_wait_; }
  [[nodiscard]] HttpWait http_wait() const noexcept { return http_wait_; }
  // Sessions of the same key that the client asked to destroy; the caller owns the table.
  [[nodiscard]] std::vector<int64_t> take_destroyed_sessions() {
    return std::move(destroyed_sessions_);
  }

 private:
  // The outer message.
  [[nodiscard]] bool admit(const InnerMessage& message, int64_t salt);
  void announce_session(int64_t first_msg_id);
  void serve_container(const InnerMessage& outer);
  [[nodiscard]] Verdict read_container(const InnerMessage& outer,
                                       std::vector<InnerMessage>& inner) const;
  void serve_inner(const InnerMessage& message, int64_t container_msg_id);
  void serve_message(const InnerMessage& message);
  void serve_repeated(const InnerMessage& message);
  void finish(bool send_again);

  // By constructor. True when the message got an answer or needs none.
  bool serve_object(const InnerMessage& message, ByteView body, bool was_packed);
  Result<bool> serve_service(const InnerMessage& message, uint32_t number, ByteReader arguments);
  void serve_query(const InnerMessage& message, ByteView body, bool was_packed);

  // Service messages (turn_service.cc).
  Result<void> on_msgs_ack(ByteReader arguments);
  Result<void> on_ping(const InnerMessage& message, ByteReader arguments);
  Result<void> on_http_wait(ByteReader arguments);
  Result<void> on_state_req(const InnerMessage& message, ByteReader arguments);
  Result<void> on_resend_req(const InnerMessage& message, ByteReader arguments, bool by_question);
  Result<void> on_get_future_salts(const InnerMessage& message, ByteReader arguments);
  Result<void> on_destroy_session(const InnerMessage& message, ByteReader arguments);
  Result<void> on_drop_answer(const InnerMessage& message, ByteReader arguments);
  void on_destroy_auth_key(const InnerMessage& message);
  void write_state_info(int64_t answered_msg_id, const std::vector<int64_t>& msg_ids);

  // The messenger behind the shard, if there is one (turn_messenger.cc).
  [[nodiscard]] messenger::Caller caller() const;
  void tell_messenger_of_session();
  // False: no method of the messenger's.
  [[nodiscard]] bool serve_by_messenger(const InnerMessage& message, const mtproto::Query& query);

  // auth.bindTempAuthKey (turn_bind.cc).
  void serve_bind(const InnerMessage& message, ByteView arguments);

  void answer_bad_message(const InnerMessage& message, Verdict verdict);
  void answer_rpc_error(int64_t msg_id, int32_t code, std::string_view text);
  void echo(const InnerMessage& message);
  void answer_tally(const InnerMessage& message, int64_t session_id);

  const ServiceOptions& options_;
  KeyStore* const keys_;
  KeyState& key_;
  Session& session_;
  const Now now_;
  Outbox& outbox_;
  mtproto::InflateBudget inflate_budget_{.inflated_bytes = kShardInflatedBytesMax};
  HttpWait http_wait_;
  bool updates_may_wait_ = false;
  std::vector<int64_t> destroyed_sessions_;
  std::vector<int64_t> acks_;  // msg_ids to acknowledge that got no answer
};

// A boxed vector of longs, at most kShardVectorMax of them.
Result<std::vector<int64_t>> read_msg_ids(ByteReader& reader);

}  // namespace ringway::shard
