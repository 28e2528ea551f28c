// proxy/listener: one caller's stream of updates, of either kind.
//
// It has its own place in the session's journal and at most one message on its way, so what it
// takes is bounded whatever it reads; gRPC's flow control is what makes it slow. The RPC server's
// thread and the hub's push it on; its lock says which of them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "proxy/call.h"
#include "proxy/journal.h"
#include "proxy/rpc_server.h"
#include "proxy/session.h"
#include "proxy/update_hub.h"

namespace ringway::proxy {

// Knows what is open to a caller. Any thread.
class SessionFinder {
 public:
  // Without a name, the first that is open to the caller.
  virtual grpc::Status find_session(std::optional<std::string_view> name, const Caller& caller,
                                    Session*& session) = 0;
  // Whether it may listen there still, by the tokens as they are now.
  [[nodiscard]] virtual grpc::Status may_listen(const Caller& caller, const Session& session) = 0;

 protected:
  ~SessionFinder() = default;
};

// The method name by which a token's globs allow and deny listening.
inline constexpr std::string_view kListenMethod = "updates.listen";

class Listener final : public RpcHandler,
                       public HubListener,
                       public std::enable_shared_from_this<Listener> {
 public:
  // Begins to read the request. `session` is what the caller's metadata says; a request may name
  // another. Everything that is referred to outlives it. It keeps itself until gRPC is done.
  static RpcHandler& make(Rpc& rpc, Stream stream, Session& session, Caller caller,
                          SessionFinder& finder, UpdateHub& hub);
  ~Listener() override = default;

  // The RPC server's thread.
  void on_read(bool good) override;
  void on_written(bool good) override;
  void on_gone() override;
  void on_done() override;

  // The hub's thread, and others.
  [[nodiscard]] const std::string& caller() const noexcept override { return caller_.key; }
  void advance(int64_t now_ns) override;
  void stop() override;
  void judge() override;
  [[nodiscard]] uint64_t lag() const override;

 private:
  Listener(Rpc& rpc, Stream stream, Session& session, Caller caller, SessionFinder& finder,
           UpdateHub& hub);

  [[nodiscard]] grpc::Status open(ByteView request);
  [[nodiscard]] grpc::Status join();
  [[nodiscard]] grpc::Status open_events(ByteView request);
  [[nodiscard]] grpc::Status begin_at(std::string_view cursor);
  bool add_types(const std::string& name);
  // Under the lock. True: response_ is to be written.
  bool next(int64_t now_ns);
  void end(grpc::Status status);

  Rpc& rpc_;
  const Stream stream_;
  Session* session_;
  const Caller caller_;
  SessionFinder& finder_;
  UpdateHub& hub_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  Journal* journal_ = nullptr;
  Journal::Filter filter_;
  uint64_t behind_max_ = UINT64_MAX;
  std::shared_ptr<Listener> self_;  // until gRPC is done with it

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  uint64_t position_ = 0;
  GapReason gap_ = GapReason::kNone;  // to be said first
  int64_t sent_ns_ = 0;
  bool open_ = false;
  bool writing_ = false;
  bool ended_ = false;     // nothing more will be written
  bool finished_ = false;  // gRPC was told
  grpc::Status end_status_;
};

}  // namespace ringway::proxy
