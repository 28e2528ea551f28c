// cluster/push: a message from a shard for a client, and how its fate is told.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace ringway::cluster {

// Told once what became of a push. done() may be called on any thread and never blocks; dropping a
// reply without calling it counts as not delivered.
class PushReply {
 public:
  virtual ~PushReply() = default;
  virtual void done(bool delivered) noexcept = 0;
};

struct PushRequest {
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  Bytes payload;  // salt, session_id, msg_id, seq_no, length, body
  std::unique_ptr<PushReply> reply;
};

// Where pushes go: the inbox of the key's home worker. Any thread. False when that inbox is full;
// the push is then untouched and its caller answers for it.
class PushSink {
 public:
  virtual ~PushSink() = default;
  [[nodiscard]] virtual bool push(PushRequest& push) = 0;
};

}  // namespace ringway::cluster
