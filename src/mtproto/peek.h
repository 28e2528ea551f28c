// mtproto/peek: what a gateway has to know of a message's body while its key speaks for nobody.
//
// A temporary key may ask for nothing but to be bound. So its messages are looked into: containers
// are split, gzip_packed and the wrappers around a query are taken off, and each message is told
// apart by what the gateway does with it. Everything is bounded by base/limits.h, together for one
// encrypted message; what exceeds a bound or does not parse is hostile and refused as a whole.
//
// Pure; any thread. A `payload` is msg_id, seq_no, length, body: what OpenJob yields.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::mtproto {

enum class Purpose : uint8_t {
  kBind,     // auth.bindTempAuthKey
  kPing,     // ping, ping_delay_disconnect
  kService,  // acknowledgements and the like, which need no answer
  kCall,     // everything else: asks for a user
};

// One message: the encrypted one itself, or one of its container.
struct PeekedMessage {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  ByteView body;  // as it came; borrowed from the payload
  Purpose purpose = Purpose::kCall;
  int64_t ping_id = 0;           // of kPing
  int64_t perm_auth_key_id = 0;  // of kBind: a claim
  int32_t expires_at = 0;        // of kBind, likewise; unix seconds
  Bytes bind;  // of kBind: the call in its wrappers, unpacked, and nothing behind it
};

// All messages of a payload, in order. kTruncated, kMalformed or kTooLarge; a container in anything
// is kMalformed.
Result<std::vector<PeekedMessage>> peek(ByteView payload);

// The msg_id of the last auth.bindTempAuthKey in a payload, for keys whose messages are not peeked
// at: reads of each message what tells its query, of a packed one a head first. What does not parse
// or exceeds the bounds is passed over.
[[nodiscard]] std::optional<int64_t> find_bind(ByteView payload);

// What a shard sends to a key that is not bound.
struct PeekedPush {
  bool service_only = false;  // nothing in it but protocol messages and the answer to the call
  bool answers = false;       // the rpc_result of the call is in it, or the refusal of its message
};
// `message` as in a payload; `call_msg_id` is the call's. What does not parse is no service
// message.
[[nodiscard]] PeekedPush peek_push(ByteView message, int64_t call_msg_id) noexcept;

// msg_id, seq_no, length, body.
[[nodiscard]] Bytes frame_message(int64_t msg_id, int32_t seq_no, ByteView body);

}  // namespace ringway::mtproto
