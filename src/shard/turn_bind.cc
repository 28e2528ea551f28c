// auth.bindTempAuthKey; see turn.h.
//
// The client proves that it holds both keys: the call comes under the temporary one, and the
// message inside it is encrypted with the permanent one and names the temporary key, this session
// and this very call. https://core.telegram.org/method/auth.bindTempAuthKey
#include "mtproto/bind.h"
#include "mtproto/tl.h"
#include "shard/constructors.h"
#include "shard/turn.h"

namespace ringway::shard {
namespace {

constexpr int32_t kInternal = 500;
constexpr std::string_view kInvalid = "ENCRYPTED_MESSAGE_INVALID";

}  // namespace

void Turn::serve_bind(const InnerMessage& message, ByteView arguments) {
  ByteReader reader(arguments);
  const auto call = mtproto::read_bind_call(reader);
  if (!call.ok()) return answer_rpc_error(message.msg_id, kBadRequest, "INPUT_FETCH_ERROR");
  const auto temporary = keys_->find(key_.auth_key_id, now_.unix_seconds());
  const auto permanent = keys_->find(call->perm_auth_key_id, now_.unix_seconds());
  const bool kinds_fit = temporary.ok() && temporary->auth_key_type != 0 && permanent.ok() &&
                         permanent->auth_key_type == 0;
  if (!kinds_fit) return answer_rpc_error(message.msg_id, kBadRequest, kInvalid);

  const auto inner =
      mtproto::open_bind_inner(permanent->auth_key, call->encrypted_message, message.msg_id);
  const mtproto::BindInner expected{.nonce = call->nonce,
                                    .temp_auth_key_id = key_.auth_key_id,
                                    .perm_auth_key_id = call->perm_auth_key_id,
                                    .temp_session_id = session_.session_id,
                                    .expires_at = call->expires_at};
  if (!inner.ok() || *inner != expected) {
    return answer_rpc_error(message.msg_id, kBadRequest, kInvalid);
  }
  if (call->expires_at <= now_.unix_seconds()) {
    return answer_rpc_error(message.msg_id, kBadRequest, "EXPIRES_AT_INVALID");
  }
  if (!keys_->bind(key_.auth_key_id, call->perm_auth_key_id)) {
    return answer_rpc_error(message.msg_id, kInternal, "BINDING_NOT_STORED");
  }
  ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(message.msg_id);
  out.u32(constructor::kBoolTrue);
  outbox_.close();
}

}  // namespace ringway::shard
