// proxy/call: one API call of a caller, from its request to its status.
//
// The RPC server's thread brings the request, converts it and hands it to the loop; the loop's
// thread queues and starts it, and answers. Each call ends towards gRPC exactly once, on whichever
// of the two threads has it then. gRPC says last that it is done with a call, and the loop may know
// it a little longer (a cancellation on its way): it counts who knows it and deletes itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "proxy/access.h"
#include "proxy/errors.h"
#include "proxy/rpc_server.h"
#include "proxy/session.h"
#include "proxy/tokens.h"

namespace ringway::proxy {

// Who calls. `client` and `access` are borrowed from what `tokens` keeps.
struct Caller {
  std::string key;  // for limits: a token's name, or a connection's address
  std::shared_ptr<const void> tokens;
  const Client* client = nullptr;  // null: without tokens
  const Access* access = nullptr;
  StatusTally* tally = nullptr;
};

struct CallRules {
  std::vector<std::string> unavailable_errors;
};

class Call final : public RpcHandler, public client::CallSink, public SessionCall {
 public:
  // Made on the heap; begins to read the request. Everything that is referred to outlives it.
  Call(Rpc& rpc, Session& session, const CallRules& rules, Caller caller, uint32_t method);

  // The RPC server's thread.
  void on_read(bool good) override;
  void on_gone() override;
  void on_done() override;

  // The loop's thread.
  void start(client::Calls& calls) override;
  void expire() override;
  [[nodiscard]] int64_t deadline_ns() const noexcept override { return deadline_ns_; }
  void on_call_done(client::CallId id, client::CallOutcome outcome) override;
  void on_call_held(client::CallId id, bool held) override;
  void on_call_settled(client::CallId id) override;
  void settled() override;

 private:
  // Of the loop's side.
  enum class State : uint8_t { kArriving, kWaiting, kStarted, kEnded };

  ~Call() = default;
  void release() noexcept;

  // False: it was refused.
  bool convert();
  void read_options();
  void arrive();
  void cancelled();
  // Exactly one of these, once.
  void fail(Failure failure);
  void fail(grpc::StatusCode code, std::string text);
  void answer(ByteView tl);
  void count_end(grpc::StatusCode code);

  Rpc& rpc_;
  Session& session_;
  const CallRules& rules_;
  const Caller caller_;
  const uint32_t method_;  // that the caller named
  uint32_t answered_ = 0;  // whose answer comes
  FairQueue::Lane lane_ = FairQueue::Lane::kCalls;
  int64_t deadline_ns_ = 0;
  uint64_t order_ = 0;
  Bytes tl_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::atomic<int> knowing_{1};
  State state_ = State::kArriving;
  bool cancelled_ = false;
  client::CallId id_ = 0;
};

}  // namespace ringway::proxy
