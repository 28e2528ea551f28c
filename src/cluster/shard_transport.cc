#include "cluster/shard_transport.h"

namespace ringway::cluster {

std::string_view method_path(StreamMethod method) noexcept {
  switch (method) {
    case StreamMethod::kAttach:
      return "/ringway.link.v1.ShardLink/Attach";
    case StreamMethod::kSessionData:
      return "/session.RPCSessionStream/SessionDataStream";
  }
  return {};
}

std::string_view method_path(CallMethod method) noexcept {
  switch (method) {
    case CallMethod::kQueryAuthKey:
      return "/session.RPCSession/session_queryAuthKey";
    case CallMethod::kSetAuthKey:
      return "/session.RPCSession/session_setAuthKey";
    case CallMethod::kSendData:
      return "/session.RPCSession/session_sendDataToSession";
    case CallMethod::kCloseSession:
      return "/session.RPCSession/session_closeSession";
    case CallMethod::kSendHttpData:
      return "/session.RPCSession/session_sendHttpDataToSession";
  }
  return {};
}

}  // namespace ringway::cluster
