// Queries that the messenger answers; see turn.h.
#include "mtproto/tl.h"
#include "shard/turn.h"

namespace ringway::shard {

messenger::Caller Turn::caller() const {
  messenger::Caller caller{key_.auth_key_id, key_.auth_key_id, session_.session_id,
                           session_.layer != 0 ? session_.layer : key_.layer, now_.unix_seconds()};
  if (keys_ == nullptr) return caller;
  // Users sign in with the key behind a temporary one.
  const auto record = keys_->find(key_.auth_key_id, now_.unix_seconds());
  if (record.ok() && record->auth_key_type != 0 && record->perm_auth_key_id != 0) {
    caller.perm_auth_key_id = record->perm_auth_key_id;
  }
  return caller;
}

void Turn::tell_messenger_of_session() { options_.messenger->session_started(caller()); }

bool Turn::serve_by_messenger(const InnerMessage& message, const mtproto::Query& query) {
  const auto reply = options_.messenger->serve(caller(), query.constructor, query.arguments);
  if (!reply.has_value()) return false;
  updates_may_wait_ = true;
  if (const auto* error = std::get_if<messenger::RpcError>(&*reply)) {
    answer_rpc_error(message.msg_id, error->code, error->text);
    return true;
  }
  ByteAppender& out = outbox_.open(Reply::kContent, message.msg_id);
  out.u32(mtproto::constructor::kRpcResult);
  out.i64(message.msg_id);
  out.bytes(std::get<Bytes>(*reply));
  outbox_.close();
  return true;
}

}  // namespace ringway::shard
