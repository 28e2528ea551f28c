#include "client/objects.h"

#include <algorithm>

#include "base/limits.h"
#include "crypto/random.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

using mtproto::write_tl_string;

Bytes make_id_vector(uint32_t constructor_id, std::span<const int64_t> ids) {
  Bytes object;
  ByteAppender out(object);
  out.u32(constructor_id);
  out.u32(mtproto::constructor::kVector);
  out.u32(static_cast<uint32_t>(ids.size()));
  for (const int64_t id : ids) out.i64(id);
  return object;
}

Bytes make_numbered(uint32_t constructor_id, int64_t id, size_t bytes) {
  Bytes object;
  ByteAppender out(object);
  out.u32(constructor_id);
  out.i64(id);
  object.resize(std::max<size_t>((bytes + 3) / 4 * 4, object.size()), 0x5a);
  return object;
}

}  // namespace

uint32_t constructor_of(ByteView object) noexcept {
  return object.size() < 4 ? 0 : load_le<uint32_t>(object.data());
}

bool is_uncounted(uint32_t constructor) noexcept {
  switch (constructor) {
    case mtproto::constructor::kMsgsAck:
    case mtproto::constructor::kMsgContainer:
    case mtproto::constructor::kPing:
    case mtproto::constructor::kPingDelayDisconnect:
    case mtproto::constructor::kHttpWait:
    case mtproto::constructor::kGetFutureSalts:
    case mtproto::constructor::kMsgsStateReq:
    case mtproto::constructor::kMsgsStateInfo:
    case mtproto::constructor::kMsgResendReq:
    case mtproto::constructor::kRpcDropAnswer:
      return true;
    default:
      return false;
  }
}

Bytes make_ping(int64_t ping_id) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kPing);
  out.i64(ping_id);
  return object;
}

Bytes make_msgs_ack(std::span<const int64_t> msg_ids) {
  return make_id_vector(mtproto::constructor::kMsgsAck, msg_ids);
}

Bytes make_msg_resend_req(std::span<const int64_t> msg_ids) {
  return make_id_vector(mtproto::constructor::kMsgResendReq, msg_ids);
}

Bytes make_msgs_state_req(std::span<const int64_t> msg_ids) {
  return make_id_vector(mtproto::constructor::kMsgsStateReq, msg_ids);
}

Bytes make_msgs_state_info(int64_t request_msg_id, ByteView states) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kMsgsStateInfo);
  out.i64(request_msg_id);
  write_tl_string(out, states);
  return object;
}

Bytes make_get_future_salts(int32_t count) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kGetFutureSalts);
  out.i32(count);
  return object;
}

Bytes make_rpc_drop_answer(int64_t request_msg_id) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kRpcDropAnswer);
  out.i64(request_msg_id);
  return object;
}

Bytes make_padded_ack(size_t bytes) {
  constexpr size_t kFixedBytes = 12;
  const size_t wanted = std::max<size_t>(bytes, kFixedBytes + 4) - kFixedBytes;
  // The smallest odd numbers: no server message ever has them, so nothing is acknowledged by
  // mistake.
  std::vector<int64_t> ids((wanted + 7) / 8);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(2 * i + 1);
  return make_msgs_ack(ids);
}

Bytes make_echo(int64_t id, size_t bytes) { return make_numbered(constructor::kEcho, id, bytes); }

Bytes make_counted(int64_t sequence, size_t bytes) {
  return make_numbered(constructor::kCounted, sequence, bytes);
}

int64_t object_id(ByteView object) noexcept {
  RW_ASSERT(object.size() >= kNumberedObjectBytesMin);
  return load_le<int64_t>(object.data() + 4);
}

void set_object_id(ByteSpan object, int64_t id) noexcept {
  RW_ASSERT(object.size() >= kNumberedObjectBytesMin);
  store_le<int64_t>(object.data() + 4, id);
}

Bytes make_tally_question(int64_t session_id) {
  return make_numbered(constructor::kGetTally, session_id, kNumberedObjectBytesMin);
}

Bytes make_get_config(int32_t layer, int32_t api_id) {
  Bytes object;
  ByteAppender out(object);
  out.u32(constructor::kInvokeWithLayer);
  out.i32(layer);
  out.u32(constructor::kInitConnection);
  out.u32(0);  // no proxy, no params
  out.i32(api_id);
  for (const std::string_view text : {"ringway", "Linux", RINGWAY_VERSION, "en", "", "en"}) {
    write_tl_string(out, as_bytes(text));
  }
  out.u32(constructor::kHelpGetConfig);
  return object;
}

Bytes make_bind_temp_auth_key(const AuthKeyBytes& permanent, const mtproto::BindInner& inner,
                              int64_t msg_id) {
  const Bytes sealed = mtproto::seal_bind_inner(permanent, inner, msg_id, &crypto::random_bytes);
  return mtproto::write_bind_call({.perm_auth_key_id = inner.perm_auth_key_id,
                                   .nonce = inner.nonce,
                                   .expires_at = inner.expires_at,
                                   .encrypted_message = sealed});
}

Result<std::vector<int64_t>> read_msg_ids(ByteView object) {
  ByteReader reader(object);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const uint32_t vector, reader.u32());
  if (vector != mtproto::constructor::kVector) return Error::kMalformed;
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > kClientAcksMax) return Error::kTooLarge;
  if (count > reader.remaining() / sizeof(int64_t)) return Error::kTruncated;
  std::vector<int64_t> ids(count);
  for (int64_t& id : ids) {
    RW_TRY_ASSIGN(id, reader.i64());
  }
  return ids;
}

Result<std::vector<FutureSalt>> read_future_salts(ByteView object) {
  ByteReader reader(object);
  RW_TRY(reader.skip(16));  // constructor, req_msg_id, now
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > kSessionSaltsMax) return Error::kTooLarge;
  std::vector<FutureSalt> salts(count);
  for (FutureSalt& salt : salts) {
    RW_TRY_ASSIGN(const int32_t since, reader.i32());
    RW_TRY_ASSIGN(const int32_t until, reader.i32());
    RW_TRY_ASSIGN(salt.salt, reader.i64());
    salt.valid_since_ns = since * kNsPerSecond;
    salt.valid_until_ns = until * kNsPerSecond;
  }
  return salts;
}

std::optional<BadMsg> read_bad_msg(ByteView object) noexcept {
  ByteReader reader(object);
  const auto id = reader.u32();
  if (!id.ok()) return std::nullopt;
  const bool has_salt = *id == mtproto::constructor::kBadServerSalt;
  if (!has_salt && *id != mtproto::constructor::kBadMsgNotification) return std::nullopt;
  const auto msg_id = reader.i64();
  const auto seq_no = reader.i32();
  const auto code = reader.i32();
  if (!msg_id.ok() || !seq_no.ok() || !code.ok()) return std::nullopt;
  BadMsg notice{*msg_id, *code, 0};
  if (has_salt) {
    const auto salt = reader.i64();
    if (!salt.ok()) return std::nullopt;
    notice.new_salt = *salt;
  }
  return notice;
}

Result<Pong> read_pong(ByteView object) noexcept {
  ByteReader reader(object);
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id != mtproto::constructor::kPong) return Error::kMalformed;
  Pong pong;
  RW_TRY_ASSIGN(pong.msg_id, reader.i64());
  RW_TRY_ASSIGN(pong.ping_id, reader.i64());
  return pong;
}

Result<Tally> read_tally(ByteView object) noexcept {
  ByteReader reader(object);
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id != constructor::kTally) return Error::kMalformed;
  Tally tally;
  RW_TRY_ASSIGN(tally.session_id, reader.i64());
  RW_TRY_ASSIGN(tally.count, reader.u64());
  RW_TRY_ASSIGN(tally.sum, reader.u64());
  RW_TRY_ASSIGN(tally.out_of_order, reader.u64());
  return tally;
}

std::optional<RpcError> read_rpc_error(ByteView result) {
  ByteReader reader(result);
  const auto id = reader.u32();
  if (!id.ok() || *id != mtproto::constructor::kRpcError) return std::nullopt;
  const auto code = reader.i32();
  const auto text = mtproto::read_tl_string(reader);
  if (!code.ok() || !text.ok()) return RpcError{0, "unreadable rpc_error"};
  return RpcError{*code, std::string(as_text(*text))};
}

Result<ConfigSummary> read_config_summary(ByteView object) noexcept {
  ByteReader reader(object);
  ConfigSummary summary;
  RW_TRY_ASSIGN(summary.constructor_id, reader.u32());
  if (summary.constructor_id != constructor::kConfigLayer144 &&
      summary.constructor_id != constructor::kConfigLayer146 &&
      summary.constructor_id != constructor::kConfigLayer154) {
    return Error::kMalformed;
  }
  RW_TRY(reader.u32());  // flags
  RW_TRY_ASSIGN(summary.date, reader.i32());
  RW_TRY(reader.i32());  // expires
  RW_TRY(reader.u32());  // test_mode:Bool
  RW_TRY_ASSIGN(summary.this_dc, reader.i32());
  return summary;
}

}  // namespace ringway::client
