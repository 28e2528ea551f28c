// shard/unary_wire: Teamgram's RPCSession, shard side.
//
// Key calls and those of HTTP are always served, because there is no other wire for them; the other
// calls that carry messages only when the unary wire is on, otherwise they answer UNIMPLEMENTED.
#pragma once

#include <memory>

#include "session.grpc.pb.h"
#include "shard/core.h"

namespace ringway::shard {

class UnaryService final : public session::RPCSession::CallbackService {
 public:
  UnaryService(std::shared_ptr<ShardCore> core, bool messages)
      : core_(std::move(core)), messages_(messages) {}

  grpc::ServerUnaryReactor* session_queryAuthKey(grpc::CallbackServerContext* context,
                                                 const session::TL_session_queryAuthKey* request,
                                                 ::mtproto::AuthKeyInfo* answer) override;
  grpc::ServerUnaryReactor* session_setAuthKey(grpc::CallbackServerContext* context,
                                               const session::TL_session_setAuthKey* request,
                                               ::mtproto::Bool* answer) override;
  grpc::ServerUnaryReactor* session_createSession(grpc::CallbackServerContext* context,
                                                  const session::TL_session_createSession* request,
                                                  ::mtproto::Bool* answer) override;
  grpc::ServerUnaryReactor* session_sendDataToSession(
      grpc::CallbackServerContext* context, const session::TL_session_sendDataToSession* request,
      ::mtproto::Bool* answer) override;
  grpc::ServerUnaryReactor* session_sendHttpDataToSession(
      grpc::CallbackServerContext* context,
      const session::TL_session_sendHttpDataToSession* request,
      session::HttpSessionData* answer) override;
  grpc::ServerUnaryReactor* session_closeSession(grpc::CallbackServerContext* context,
                                                 const session::TL_session_closeSession* request,
                                                 ::mtproto::Bool* answer) override;

 private:
  const std::shared_ptr<ShardCore> core_;
  const bool messages_;
};

}  // namespace ringway::shard
