// shard/outbox: what one turn of a session sends back.
//
// Messages are written one after the other, exactly as a container holds them. seal() makes
// payloads of them, in the layout that a gateway encrypts: salt, session_id, msg_id, seq_no,
// length, body. One message goes as it is, several go in a container, and very many in several
// containers.
//
// Reused from message to message by the thread that owns it; it allocates only while it grows.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "shard/session.h"

namespace ringway::shard {

enum class Reply : uint8_t {
  kPlain,         // an answer that needs no acknowledgement, such as pong
  kContent,       // an answer that is kept and sent again until the client acknowledges it
  kNotice,        // not an answer, needs no acknowledgement
  kUpdate,        // not an answer, but kept and sent again like kContent
  kAnnouncement,  // not an answer, content-related, not kept: new_session_created
};

class Outbox {
 public:
  // Starts a turn of `session`, which must outlive it.
  void begin(Session& session, Now now);

  // Begins a message; its body is what is written to the result before close().
  ByteAppender& open(Reply reply, int64_t answered_msg_id = 0);
  void close();
  // Adds a kept message as it was: same msg_id, same seq_no. Once per turn and message.
  void add_again(const UnackedMessage& kept);

  [[nodiscard]] bool empty() const noexcept { return starts_.empty(); }
  // Ends the turn. `salt` goes in front of each payload.
  void seal(int64_t salt);

  // After seal(): the payloads, borrowed until the next begin().
  [[nodiscard]] size_t payload_count() const noexcept { return payload_ends_.size(); }
  [[nodiscard]] ByteView payload(size_t index) const noexcept;

 private:
  void seal_range(size_t first, size_t last, int64_t salt);

  Session* session_ = nullptr;
  Now now_;
  Bytes messages_;  // msg_id, seq_no, bytes, body; and again
  ByteAppender appender_{messages_};
  std::vector<size_t> starts_;  // of each message in messages_
  std::vector<int64_t> again_;  // msg_ids that add_again() took
  int64_t last_before_ = 0;     // the session's last msg_id when the turn began
  Reply open_reply_ = Reply::kPlain;
  int64_t open_answered_ = 0;
  bool is_open_ = false;
  Bytes payloads_;
  std::vector<size_t> payload_ends_;
};

}  // namespace ringway::shard
