// proxy/service: finds out what a gRPC call wants, from whom it comes, and whether that is allowed.
//
// One generic service for all paths: the methods of every session's contract are found in tables,
// there is no code per method. Called on the RPC server's thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/access.h"
#include "proxy/call.h"
#include "proxy/listener.h"
#include "proxy/reflection.h"
#include "proxy/rpc_server.h"
#include "proxy/session.h"
#include "proxy/tally.h"
#include "proxy/tokens.h"
#include "proxy/update_hub.h"

namespace ringway::proxy {

struct ServiceRules {
  CallRules calls;
  // Of callers when there are no tokens.
  Access access;
};

class Service final : public RpcAcceptor, private SessionFinder {
 public:
  // `sessions` is not empty; the first is that of callers who name none. All outlive the service.
  Service(ServiceRules rules, std::vector<Session*> sessions, const Reflection& reflection,
          UpdateHub& hub);

  // Null: callers need no token. Any thread; calls that run go on with what they began with, and
  // listeners that no longer may are ended.
  void set_tokens(std::shared_ptr<const Tokens> tokens);
  [[nodiscard]] const ClientTally& clients() const noexcept { return clients_; }
  [[nodiscard]] const StatusTally& refused() const noexcept { return refused_; }

  RpcHandler& accept(Rpc& rpc) override;

 private:
  grpc::Status identify(const grpc::GenericServerContext& context, Caller& caller);
  grpc::Status find_session(std::optional<std::string_view> name, const Caller& caller,
                            Session*& session) override;
  grpc::Status may_listen(const Caller& caller, const Session& session) override;
  [[nodiscard]] std::shared_ptr<const Tokens> tokens() const;
  [[nodiscard]] grpc::Status unknown_path(const Session& session, std::string_view path) const;
  RpcHandler& refuse(Rpc& rpc, const grpc::Status& status);

  const ServiceRules rules_;
  const std::vector<Session*> sessions_;
  const Reflection& reflection_;
  UpdateHub& hub_;
  ClientTally clients_;
  StatusTally refused_;  // before it was known what they want
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;  // guarded by mutex_
};

}  // namespace ringway::proxy
