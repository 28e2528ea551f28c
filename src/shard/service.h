// shard/service: MTProto's service layer for one session, and the few methods the shard knows.
//
// Pure but for the key store that binds temporary keys: a decrypted message and the time go in,
// answers come out in an Outbox. No locks, no clock, no sockets; the caller holds the lock that
// guards the key and the session. Whatever the client sends, nothing but an answer, a binding that
// it has proven or silence comes of it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "shard/config_answer.h"
#include "shard/key_store.h"
#include "shard/message_check.h"
#include "shard/messenger/messenger.h"
#include "shard/outbox.h"
#include "shard/session.h"

namespace ringway::shard {

struct ServiceOptions {
  DcInfo dc;
  messenger::Messenger* messenger = nullptr;  // outlives the service; null: there is none
  bool push_echo = false;   // push messages of constructor kPushEcho back as they came
  bool load_tally = false;  // count messages of constructor kLoadCounted (load_tally.h)
};

// One message as the gateway hands it over.
struct Arrival {
  int64_t salt = 0;
  bool first_on_gateway = false;  // conn_type 1: the session is new to its gateway
  ByteView payload;               // msg_id, seq_no, length, body; padding may follow
};

// What http_wait asks for, in milliseconds: with nothing to say a poll is held for `wait_max`; once
// there is something, more of it may be gathered for `delay_max` or for `after`, whichever ends
// first.
struct HttpWait {
  int64_t delay_max = 0;
  int64_t after = 0;
  int64_t wait_max = 0;
};

struct Served {
  int64_t msg_id = 0;
  HttpWait http_wait;             // all zero: nothing of the kind
  bool updates_may_wait = false;  // to be delivered once the session's lock is released
  std::vector<int64_t>
      destroyed_sessions;  // of the same key; the caller takes them out of its table
};

class Service {
 public:
  // `keys` outlives the service; without it nothing can be bound.
  explicit Service(ServiceOptions options, KeyStore* keys = nullptr)
      : options_(std::move(options)), keys_(keys) {}

  // Serves one message. `outbox` is begun and sealed here; what it holds is the answer.
  // kMalformed or kTruncated when the payload is no message at all: a gateway's fault, answered to
  // the gateway.
  Result<Served> serve(KeyState& key, Session& session, const Arrival& arrival, Now now,
                       Outbox& outbox) const;

  [[nodiscard]] const ServiceOptions& options() const noexcept { return options_; }

 private:
  ServiceOptions options_;
  KeyStore* keys_;
};

// The msg_id in front of a payload; 0 when it is too short to have one.
[[nodiscard]] int64_t payload_msg_id(ByteView payload) noexcept;

}  // namespace ringway::shard
