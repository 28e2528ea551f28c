#include "shard/turn.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/random.h"
#include "mtproto/inflate.h"
#include "mtproto/query.h"
#include "mtproto/tl.h"
#include "shard/constructors.h"
#include "shard/method_names.h"

namespace ringway::shard {
namespace {

constexpr int32_t kUnauthorized = 401;

[[nodiscard]] uint32_t constructor_of(ByteView body) noexcept {
  return body.size() < 4 ? 0 : load_le<uint32_t>(body.data());
}

[[nodiscard]] int64_t random_unique_id() noexcept {
  int64_t id = 0;
  while (id == 0) {
    uint8_t raw[sizeof id];
    crypto::random_padding(raw);
    id = load_le<int64_t>(raw);
  }
  return id;
}

}  // namespace

void Turn::run(const InnerMessage& message, const Arrival& arrival) {
  const bool send_again = session_.undelivered || arrival.first_on_gateway;
  if (!admit(message, arrival.salt)) return;
  const RecentIds::Seen seen = session_.recent_ids.look(message.msg_id);
  const bool container = constructor_of(message.body) == mtproto::constructor::kMsgContainer;
  if (seen == RecentIds::Seen::kForgotten) {
    answer_bad_message(message, Verdict::kMsgTooOld);
  } else if (container && seen == RecentIds::Seen::kMessage) {
    answer_bad_message(message, Verdict::kContainerIdReused);
  } else if (seen != RecentIds::Seen::kNew) {
    serve_repeated(message);
  } else {
    if (arrival.first_on_gateway) {
      session_.unique_id = 0;
      session_.content_msg_id = 0;
      session_.content_seq_no = -1;
    }
    container ? serve_container(message) : serve_message(message);
  }
  finish(send_again);
}

bool Turn::admit(const InnerMessage& message, int64_t salt) {
  if (const Verdict verdict = check_msg_id(message.msg_id, now_); verdict != Verdict::kGood) {
    answer_bad_message(message, verdict);
    return false;
  }
  if (!key_.salts.accepts(salt, now_.unix_seconds())) {
    answer_bad_message(message, Verdict::kBadServerSalt);
    return false;
  }
  return true;
}

void Turn::announce_session(int64_t first_msg_id) {
  if (session_.unique_id != 0) return;
  session_.unique_id = random_unique_id();
  ByteAppender& out = outbox_.open(Reply::kAnnouncement);
  out.u32(mtproto::constructor::kNewSessionCreated);
  out.i64(first_msg_id);
  out.i64(session_.unique_id);
  out.i64(key_.salts.current(now_.unix_seconds()));
  outbox_.close();
  if (options_.messenger != nullptr) tell_messenger_of_session();
}

void Turn::serve_container(const InnerMessage& outer) {
  std::vector<InnerMessage> inner;
  Verdict verdict = check_seq_no(session_, outer.msg_id, outer.seq_no, Relation::kNotContent);
  if (verdict == Verdict::kGood) verdict = read_container(outer, inner);
  if (verdict != Verdict::kGood) {
    answer_bad_message(outer, verdict);
    return;
  }
  session_.recent_ids.add(outer.msg_id, true);
  int64_t first_msg_id = outer.msg_id;
  for (const InnerMessage& message : inner) first_msg_id = std::min(first_msg_id, message.msg_id);
  announce_session(first_msg_id);
  for (const InnerMessage& message : inner) serve_inner(message, outer.msg_id);
}

Verdict Turn::read_container(const InnerMessage& outer, std::vector<InnerMessage>& inner) const {
  ByteReader reader(outer.body.subspan(4));
  const auto count = reader.u32();
  if (!count.ok() || *count > kShardContainerMessagesMax) return Verdict::kBadContainer;
  if (*count > reader.remaining() / 16) return Verdict::kBadContainer;
  inner.reserve(*count);
  for (uint32_t i = 0; i < *count; ++i) {
    const auto msg_id = reader.i64();
    const auto seq_no = reader.i32();
    const auto length = reader.u32();
    if (!msg_id.ok() || !seq_no.ok() || !length.ok()) return Verdict::kBadContainer;
    if (*length % 4 != 0) return Verdict::kBadContainer;
    const auto body = reader.bytes(*length);
    if (!body.ok() || constructor_of(*body) == mtproto::constructor::kMsgContainer) {
      return Verdict::kBadContainer;
    }
    inner.push_back({*msg_id, *seq_no, *body});
  }
  return Verdict::kGood;
}

void Turn::serve_inner(const InnerMessage& message, int64_t container_msg_id) {
  if ((message.msg_id & 3) != 0) {
    answer_bad_message(message, Verdict::kMsgIdBadBits);
  } else if (message.msg_id >= container_msg_id) {
    answer_bad_message(message, Verdict::kBadContainer);
  } else if (const auto seen = session_.recent_ids.look(message.msg_id);
             seen == RecentIds::Seen::kForgotten) {
    answer_bad_message(message, Verdict::kMsgTooOld);
  } else if (seen != RecentIds::Seen::kNew) {
    serve_repeated(message);
  } else {
    serve_message(message);
  }
}

void Turn::serve_message(const InnerMessage& message) {
  const Verdict verdict = check_seq_no(session_, message.msg_id, message.seq_no,
                                       relation_of(constructor_of(message.body)));
  if (verdict != Verdict::kGood) {
    answer_bad_message(message, verdict);
    return;
  }
  session_.recent_ids.add(message.msg_id, false);
  announce_session(message.msg_id);
  const bool answered = serve_object(message, message.body, false);
  if (!answered && (message.seq_no & 1) != 0) acks_.push_back(message.msg_id);
}

void Turn::serve_repeated(const InnerMessage& message) {
  for (const UnackedMessage& kept : session_.unacked) {
    if (kept.answered_msg_id != message.msg_id) continue;
    outbox_.add_again(kept);
    return;
  }
  if ((message.seq_no & 1) != 0) acks_.push_back(message.msg_id);
}

void Turn::finish(bool send_again) {
  if (!acks_.empty()) {
    ByteAppender& out = outbox_.open(Reply::kPlain);
    out.u32(mtproto::constructor::kMsgsAck);
    out.u32(mtproto::constructor::kVector);
    out.u32(static_cast<uint32_t>(acks_.size()));
    for (const int64_t msg_id : acks_) out.i64(msg_id);
    outbox_.close();
  }
  if (!send_again) return;
  session_.undelivered = false;
  for (const UnackedMessage& kept : session_.unacked) outbox_.add_again(kept);
}

bool Turn::serve_object(const InnerMessage& message, ByteView body, bool was_packed) {
  ByteReader reader(body);
  const auto number = reader.u32();
  if (!number.ok()) return false;
  if (*number == mtproto::constructor::kGzipPacked && !was_packed) {
    const auto packed = mtproto::read_tl_string(reader);
    if (!packed.ok()) return false;
    const auto inflated = mtproto::inflate_gzip(*packed, inflate_budget_);
    if (!inflated.ok()) return false;
    return serve_object(message, *inflated, true);
  }
  const auto served = serve_service(message, *number, reader);
  // A service message that does not parse is acknowledged and otherwise ignored.
  if (served.ok()) return *served;
  if (served.error() != Error::kNotFound) return false;
  serve_query(message, body, was_packed);
  return true;
}

void Turn::serve_query(const InnerMessage& message, ByteView body, bool was_packed) {
  const auto query = mtproto::unwrap_query(body, !was_packed, inflate_budget_);
  if (!query.ok()) {
    answer_rpc_error(message.msg_id, kBadRequest, "INPUT_FETCH_ERROR");
    return;
  }
  if (query->layer > 0) {
    session_.layer = query->layer;
    key_.layer = query->layer;
  }
  if (query->constructor == mtproto::constructor::kBindTempAuthKey && keys_ != nullptr) {
    serve_bind(message, query->arguments);
  } else if (query->constructor == constructor::kHelpGetConfig) {
    ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
    out.u32(mtproto::constructor::kRpcResult);
    out.i64(message.msg_id);
    const int32_t layer = session_.layer != 0 ? session_.layer : key_.layer;
    write_config(out, options_.dc, layer, now_.unix_seconds());
    outbox_.close();
  } else if (query->constructor == constructor::kHelpGetNearestDc) {
    ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
    out.u32(mtproto::constructor::kRpcResult);
    out.i64(message.msg_id);
    write_nearest_dc(out, options_.dc);
    outbox_.close();
  } else if (options_.messenger != nullptr && serve_by_messenger(message, *query)) {
    return;
  } else if (query->constructor == constructor::kUsersGetUsers) {
    // Client libraries ask for the user behind a key when they connect. Nobody is logged in here,
    // and this is the error by which they understand it.
    answer_rpc_error(message.msg_id, kUnauthorized, "AUTH_KEY_UNREGISTERED");
  } else {
    const std::string_view name = method_name(query->constructor);
    answer_rpc_error(message.msg_id, kBadRequest,
                     name.empty()
                         ? fmt::format("METHOD_NOT_IMPLEMENTED: #{:08x}", query->constructor)
                         : fmt::format("METHOD_NOT_IMPLEMENTED: {}", name));
  }
}

void Turn::answer_bad_message(const InnerMessage& message, Verdict verdict) {
  const bool bad_salt = verdict == Verdict::kBadServerSalt;
  ByteAppender& out = outbox_.open(Reply::kPlain);
  out.u32(bad_salt ? mtproto::constructor::kBadServerSalt
                   : mtproto::constructor::kBadMsgNotification);
  out.i64(message.msg_id);
  out.i32(message.seq_no);
  out.i32(static_cast<int32_t>(verdict));
  if (bad_salt) out.i64(key_.salts.current(now_.unix_seconds()));
  outbox_.close();
}

void Turn::answer_rpc_error(int64_t msg_id, int32_t code, std::string_view text) {
  ByteAppender& out = outbox_.open(Reply::kContent, msg_id);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(msg_id);
  out.u32(mtproto::constructor::kRpcError);
  out.i32(code);
  mtproto::write_tl_string(out, as_bytes(text));
  outbox_.close();
}

}  // namespace ringway::shard
