#include "mtproto/peek.h"

#include <array>

#include "base/limits.h"
#include "mtproto/bind.h"
#include "mtproto/query.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kInnerHeaderBytes = 16;  // msg_id, seq_no, length

struct Inner {
  int64_t msg_id = 0;
  int32_t seq_no = 0;
  ByteView body;
};

uint32_t constructor_of(ByteView body) noexcept {
  return body.size() < 4 ? 0 : load_le<uint32_t>(body.data());
}

Result<Inner> read_message(ByteReader& reader) noexcept {
  Inner message;
  RW_TRY_ASSIGN(message.msg_id, reader.i64());
  RW_TRY_ASSIGN(message.seq_no, reader.i32());
  RW_TRY_ASSIGN(const uint32_t length, reader.u32());
  if (length % 4 != 0) return Error::kMalformed;
  RW_TRY_ASSIGN(message.body, reader.bytes(length));
  return message;
}

// Calls visit(message) for the message or for each one of its container, while it returns no error.
template <typename Visit>
Result<void> for_each_message(ByteView payload, Visit&& visit) {
  ByteReader outer(payload);
  RW_TRY_ASSIGN(const Inner whole, read_message(outer));
  if (constructor_of(whole.body) != constructor::kMsgContainer) return visit(whole);
  ByteReader reader(whole.body.subspan(4));
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > kPeekContainerMessagesMax) return Error::kTooLarge;
  if (count > reader.remaining() / kInnerHeaderBytes) return Error::kTruncated;
  for (uint32_t i = 0; i < count; ++i) {
    RW_TRY_ASSIGN(const Inner message, read_message(reader));
    if (constructor_of(message.body) == constructor::kMsgContainer) return Error::kMalformed;
    RW_TRY(visit(message));
  }
  return {};
}

// Messages of the protocol that a server sends of itself or about the client's messages. None
// carries a user's data.
bool is_server_service(uint32_t number) noexcept {
  switch (number) {
    case constructor::kMsgsAck:
    case constructor::kPong:
    case constructor::kNewSessionCreated:
    case constructor::kMsgsStateReq:
    case constructor::kMsgsStateInfo:
    case constructor::kMsgsAllInfo:
    case constructor::kMsgDetailedInfo:
    case constructor::kMsgNewDetailedInfo:
    case constructor::kFutureSalts:
    case constructor::kDestroySessionOk:
    case constructor::kDestroySessionNone:
    case constructor::kDestroyAuthKeyOk:
      return true;
    default:
      return false;
  }
}

Result<void> read_bind(const Query& query, ByteView body, PeekedMessage& message) {
  ByteReader reader(query.arguments);
  RW_TRY_ASSIGN(const BindCall call, read_bind_call(reader));
  message.perm_auth_key_id = call.perm_auth_key_id;
  message.expires_at = call.expires_at;
  const ByteView object = query.packed ? ByteView(query.inflated) : body;
  ByteAppender out(message.bind);
  out.bytes(query.outside);
  out.bytes(object.first(object.size() - reader.remaining()));
  return {};
}

Result<PeekedMessage> classify(const Inner& inner, InflateBudget& budget) {
  PeekedMessage message;
  message.msg_id = inner.msg_id;
  message.seq_no = inner.seq_no;
  message.body = inner.body;
  RW_TRY_ASSIGN(const Query query, unwrap_query(inner.body, true, budget));
  if (query.constructor == constructor::kMsgContainer) return Error::kMalformed;
  if (query.constructor == constructor::kGzipPacked) return Error::kMalformed;
  if (query.constructor == constructor::kBindTempAuthKey) {
    message.purpose = Purpose::kBind;
    RW_TRY(read_bind(query, inner.body, message));
    return message;
  }
  if (query.wrapped) return message;
  if (is_client_service(query.constructor)) message.purpose = Purpose::kService;
  if (query.constructor == constructor::kPing ||
      query.constructor == constructor::kPingDelayDisconnect) {
    message.purpose = Purpose::kPing;
    ByteReader reader(query.arguments);
    RW_TRY_ASSIGN(message.ping_id, reader.i64());
  }
  return message;
}

// Looks for a bind in the messages of one payload.
class BindScan {
 public:
  [[nodiscard]] bool holds_bind(ByteView body) {
    // Most messages are told by their first word, and nothing else of them is touched.
    if (!may_lead_to_bind(constructor_of(body))) return false;
    const auto query = unwrap_query(body, false, budget_);
    if (!query.ok()) return false;
    if (query->constructor == constructor::kGzipPacked) return packs_bind(query->arguments);
    return is_bind(*query);
  }

 private:
  [[nodiscard]] static bool may_lead_to_bind(uint32_t number) noexcept {
    return number == constructor::kBindTempAuthKey || number == constructor::kGzipPacked ||
           is_query_wrapper(number);
  }

  [[nodiscard]] static bool is_bind(const Query& query) {
    if (query.constructor != constructor::kBindTempAuthKey) return false;
    ByteReader reader(query.arguments);
    return read_bind_call(reader).ok();
  }

  // Unpacks the whole only where the head leaves a bind possible.
  [[nodiscard]] bool packs_bind(ByteView arguments) {
    ByteReader reader(arguments);
    const auto packed = read_tl_string(reader);
    if (!packed.ok() || packed->size() > budget_.packed_bytes || packed_left_ == 0) return false;
    --packed_left_;
    std::array<uint8_t, kBindScanHeadBytes> head;
    const ByteView shown = ByteView(head).first(inflate_head(*packed, head));
    const auto begins = unwrap_query(shown, false, budget_);
    if (begins.ok() && begins->constructor != constructor::kBindTempAuthKey) return false;
    const auto inflated = inflate_gzip(*packed, budget_);
    if (!inflated.ok()) return false;
    const auto query = unwrap_query(*inflated, false, budget_);
    return query.ok() && is_bind(*query);
  }

  InflateBudget budget_{.inflated_bytes = kPeekInflatedBytesMax,
                        .packed_bytes = kPeekPackedBytesMax};
  size_t packed_left_ = kBindScanPackedMax;
};

}  // namespace

Result<std::vector<PeekedMessage>> peek(ByteView payload) {
  InflateBudget budget{.inflated_bytes = kPeekInflatedBytesMax,
                       .packed_bytes = kPeekPackedBytesMax,
                       .parts = kPeekPackedPartsMax};
  std::vector<PeekedMessage> messages;
  RW_TRY(for_each_message(payload, [&](const Inner& inner) -> Result<void> {
    RW_TRY_ASSIGN(PeekedMessage message, classify(inner, budget));
    messages.push_back(std::move(message));
    return {};
  }));
  return messages;
}

std::optional<int64_t> find_bind(ByteView payload) {
  BindScan scan;
  std::optional<int64_t> found;
  // A container that breaks off has shown what it has.
  (void)for_each_message(payload, [&](const Inner& inner) -> Result<void> {
    if (scan.holds_bind(inner.body)) found = inner.msg_id;
    return {};
  });
  return found;
}

PeekedPush peek_push(ByteView message, int64_t call_msg_id) noexcept {
  PeekedPush push{.service_only = true};
  const auto read = for_each_message(message, [&](const Inner& inner) -> Result<void> {
    ByteReader reader(inner.body);
    RW_TRY_ASSIGN(const uint32_t number, reader.u32());
    const bool result = number == constructor::kRpcResult;
    if (result || number == constructor::kBadServerSalt ||
        number == constructor::kBadMsgNotification) {
      RW_TRY_ASSIGN(const int64_t msg_id, reader.i64());
      if (msg_id == call_msg_id) push.answers = true;
      if (result && msg_id != call_msg_id) push.service_only = false;
    } else if (!is_server_service(number)) {
      push.service_only = false;
    }
    return {};
  });
  if (!read.ok()) push.service_only = false;
  return push;
}

Bytes frame_message(int64_t msg_id, int32_t seq_no, ByteView body) {
  Bytes message;
  message.reserve(kInnerHeaderBytes + body.size());
  ByteAppender out(message);
  out.i64(msg_id);
  out.i32(seq_no);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  return message;
}

}  // namespace ringway::mtproto
