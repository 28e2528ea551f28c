// client/objects: the TL objects that a client sends and reads besides the key exchange.
//
// Pure functions. The builders return whole objects, ready for client/session; the readers borrow
// from their input. Constructor numbers: https://core.telegram.org/mtproto/service_messages and the
// API schema.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "client/salt_table.h"
#include "mtproto/bind.h"

namespace ringway::client {

namespace constructor {
inline constexpr uint32_t kInvokeWithLayer = 0xda9b0d0d;
inline constexpr uint32_t kInitConnection = 0xc1cd5ea9;
inline constexpr uint32_t kHelpGetConfig = 0xc4f9186b;
inline constexpr uint32_t kConfigLayer144 = 0x330b4067;
inline constexpr uint32_t kConfigLayer146 = 0x232566ac;
inline constexpr uint32_t kConfigLayer154 = 0xcc1a241e;
// Of no schema: what the reference shard serves for load runs (shard/load_tally.h). A push of the
// same bytes; a message that is counted; the question for that count, and its answer.
inline constexpr uint32_t kEcho = 0x72776563;
inline constexpr uint32_t kCounted = 0x72776374;
inline constexpr uint32_t kGetTally = 0x72777471;
inline constexpr uint32_t kTally = 0x72777461;
}  // namespace constructor

// The constructor number of an object; 0 when it has fewer than four bytes.
[[nodiscard]] uint32_t constructor_of(ByteView object) noexcept;

// A service message that does not count for seq_no.
[[nodiscard]] bool is_uncounted(uint32_t constructor) noexcept;

[[nodiscard]] Bytes make_ping(int64_t ping_id);
[[nodiscard]] Bytes make_msgs_ack(std::span<const int64_t> msg_ids);
[[nodiscard]] Bytes make_msg_resend_req(std::span<const int64_t> msg_ids);
[[nodiscard]] Bytes make_msgs_state_req(std::span<const int64_t> msg_ids);
[[nodiscard]] Bytes make_msgs_state_info(int64_t request_msg_id, ByteView states);
[[nodiscard]] Bytes make_get_future_salts(int32_t count);
[[nodiscard]] Bytes make_rpc_drop_answer(int64_t request_msg_id);
// An acknowledgement of messages that never were, at least `bytes` long (rounded up to whole
// entries, 16 bytes being the smallest): content that a shard takes and does not answer.
[[nodiscard]] Bytes make_padded_ack(size_t bytes);
// An echo request, or a message to be counted, of `bytes` bytes (rounded up to a multiple of four,
// at least kNumberedObjectBytesMin). `id` follows the constructor; an echo brings it back, the
// count wants sequences from 1.
inline constexpr size_t kNumberedObjectBytesMin = 12;
[[nodiscard]] Bytes make_echo(int64_t id, size_t bytes);
[[nodiscard]] Bytes make_counted(int64_t sequence, size_t bytes);
// The id of such an object, at least kNumberedObjectBytesMin long.
[[nodiscard]] int64_t object_id(ByteView object) noexcept;
void set_object_id(ByteSpan object, int64_t id) noexcept;
// Asks for the tally of a session of the same key.
[[nodiscard]] Bytes make_tally_question(int64_t session_id);
// invokeWithLayer(layer, initConnection(..., help.getConfig)).
[[nodiscard]] Bytes make_get_config(int32_t layer, int32_t api_id);

// auth.bindTempAuthKey, to be sent as message `msg_id` under the temporary key; `inner` names the
// keys and the session. Each call draws random bytes anew.
[[nodiscard]] Bytes make_bind_temp_auth_key(const AuthKeyBytes& permanent,
                                            const mtproto::BindInner& inner, int64_t msg_id);

// The ids of msgs_state_req, msg_resend_req and their like, at most kClientAcksMax of them.
Result<std::vector<int64_t>> read_msg_ids(ByteView object);
// The salts of future_salts; kTooLarge above kSessionSaltsMax.
Result<std::vector<FutureSalt>> read_future_salts(ByteView object);

// Codes of bad_msg_notification and bad_server_salt,
// https://core.telegram.org/mtproto/service_messages_about_messages.
inline constexpr int32_t kMsgIdTooLow = 16;
inline constexpr int32_t kMsgIdTooHigh = 17;
inline constexpr int32_t kMsgIdNotMultipleOfFour = 18;
inline constexpr int32_t kContainerIdUsed = 19;
inline constexpr int32_t kMsgTooOld = 20;
inline constexpr int32_t kSeqNoTooLow = 32;
inline constexpr int32_t kSeqNoTooHigh = 33;
inline constexpr int32_t kSeqNoNotEven = 34;
inline constexpr int32_t kSeqNoNotOdd = 35;
inline constexpr int32_t kBadServerSaltCode = 48;
inline constexpr int32_t kContainerBroken = 64;

struct BadMsg {
  int64_t msg_id = 0;  // of our message, or of the container that it was in
  int32_t code = 0;
  int64_t new_salt = 0;  // of bad_server_salt
};
// Nothing when `object` is neither of the two, or is cut short.
[[nodiscard]] std::optional<BadMsg> read_bad_msg(ByteView object) noexcept;

struct Pong {
  int64_t msg_id = 0;
  int64_t ping_id = 0;
};
Result<Pong> read_pong(ByteView object) noexcept;

// What the shard counted in one session.
struct Tally {
  int64_t session_id = 0;
  uint64_t count = 0;
  uint64_t sum = 0;           // of the sequences, modulo 2^64
  uint64_t out_of_order = 0;  // came after a higher sequence
};
Result<Tally> read_tally(ByteView object) noexcept;

struct RpcError {
  int32_t code = 0;
  std::string message;
};
// The error that an rpc_result carries, or nothing when it carries a result.
[[nodiscard]] std::optional<RpcError> read_rpc_error(ByteView result);

struct ConfigSummary {
  uint32_t constructor_id = 0;  // tells which form the server chose
  int32_t date = 0;
  int32_t this_dc = 0;
};
// The beginning of any of the three forms of config; kMalformed for another object.
Result<ConfigSummary> read_config_summary(ByteView object) noexcept;

}  // namespace ringway::client
