// client/objects: the TL objects that a client sends and reads besides the key exchange.
//
// Pure functions. The builders return whole objects, ready for client/session; the readers borrow
// from their input. Constructor numbers: https://core.telegram.org/mtproto/service_messages and the
// API schema.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::client {

namespace constructor {
inline constexpr uint32_t kMsgDetailedInfo = 0x276d3ec6;
inline constexpr uint32_t kMsgNewDetailedInfo = 0x809db6df;
inline constexpr uint32_t kMsgResendReq = 0x7d861a08;
inline constexpr uint32_t kMsgsStateInfo = 0x04deb57d;
inline constexpr uint32_t kFutureSalts = 0xae500895;
inline constexpr uint32_t kInvokeWithLayer = 0xda9b0d0d;
inline constexpr uint32_t kInitConnection = 0xc1cd5ea9;
inline constexpr uint32_t kHelpGetConfig = 0xc4f9186b;
inline constexpr uint32_t kConfigLayer144 = 0x330b4067;
inline constexpr uint32_t kConfigLayer146 = 0x232566ac;
inline constexpr uint32_t kConfigLayer154 = 0xcc1a241e;
// The reference shard sends the body of such a message back as a push.
inline constexpr uint32_t kEcho = 0x72776563;
}  // namespace constructor

// The constructor number of an object; 0 when it has fewer than four bytes.
[[nodiscard]] uint32_t constructor_of(ByteView object) noexcept;

[[nodiscard]] Bytes make_ping(int64_t ping_id);
[[nodiscard]] Bytes make_msgs_ack(std::span<const int64_t> msg_ids);
[[nodiscard]] Bytes make_msg_resend_req(std::span<const int64_t> msg_ids);
// An acknowledgement of messages that never were, at least `bytes` long (rounded up to whole
// entries, 16 bytes being the smallest): content that a shard takes and does not answer.
[[nodiscard]] Bytes make_padded_ack(size_t bytes);
// An echo request of `bytes` bytes (rounded up to a multiple of four, at least 12); `id` is its
// first eight bytes of content and comes back at the same place.
[[nodiscard]] Bytes make_echo(int64_t id, size_t bytes);
// invokeWithLayer(layer, initConnection(..., help.getConfig)).
[[nodiscard]] Bytes make_get_config(int32_t layer, int32_t api_id);

struct Pong {
  int64_t msg_id = 0;
  int64_t ping_id = 0;
};
Result<Pong> read_pong(ByteView object) noexcept;

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
