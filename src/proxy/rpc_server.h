// proxy/rpc_server: calls of any path as gRPC's library brings them, in the order in which they
// came.
//
// One thread takes what gRPC's completion queue has: with more of them, two requests that a client
// sent one behind the other could change places on their way to the session. What a call asks is
// answered from any thread.
//
// A call's handler is told, on that thread, that its reads and writes are done and that its caller
// has gone away; it calls finish() or write_and_finish() exactly once, however the call goes, and
// is destroyed after on_done(), the last thing that it is told.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace ringway::proxy {

class RpcServer;
class RpcHandler;

// A call's connection to gRPC. Made by the server, owned by it until it is done.
class Rpc {
 public:
  Rpc(const Rpc&) = delete;
  Rpc& operator=(const Rpc&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return context_.method(); }
  [[nodiscard]] grpc::GenericServerContext& context() noexcept { return context_; }

  // At most one read and one write at a time; any thread. Buffers stay until it is done.
  void read(grpc::ByteBuffer& into);
  void write(const grpc::ByteBuffer& message);
  // The initial metadata go out with the first message otherwise.
  void open();
  // Not while a write is on its way. Nothing else may be begun afterwards.
  void finish(const grpc::Status& status);
  void write_and_finish(const grpc::ByteBuffer& message);

 private:
  friend class RpcServer;
  enum class Event : uint8_t { kAccepted, kRead, kWritten, kOpened, kFinished, kGone };
  struct Tag {
    Rpc* rpc = nullptr;
    Event event = Event::kAccepted;
  };

  explicit Rpc(RpcServer& server);
  ~Rpc() = default;
  void happened(Event event, bool good);
  void* begin(Tag& tag) noexcept;

  RpcServer& server_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  RpcHandler* handler_ = nullptr;
  // Operations that gRPC has not ended: at first the end of the call, and finish().
  std::atomic<int> pending_{2};
  Tag accepted_{this, Event::kAccepted};
  Tag read_{this, Event::kRead};
  Tag written_{this, Event::kWritten};
  Tag opened_{this, Event::kOpened};
  Tag finished_{this, Event::kFinished};
  Tag gone_{this, Event::kGone};
};

// All on the server's thread, and none of them may wait.
class RpcHandler {
 public:
  // False: there is no message, or the call is over.
  virtual void on_read(bool good) { static_cast<void>(good); }
  virtual void on_written(bool good) { static_cast<void>(good); }
  // The caller has gone away, or its deadline has passed: it hears nothing any more.
  virtual void on_gone() {}
  // gRPC is done with the call: neither it nor `Rpc` is there afterwards.
  virtual void on_done() = 0;

 protected:
  ~RpcHandler() = default;
};

class RpcAcceptor {
 public:
  // Takes over a call; `rpc` stays until the handler's on_done().
  virtual RpcHandler& accept(Rpc& rpc) = 0;

 protected:
  ~RpcAcceptor() = default;
};

class RpcServer {
 public:
  // `acceptor` must outlive it.
  explicit RpcServer(RpcAcceptor& acceptor) : acceptor_(acceptor) {}
  // Stops, when that has not been done.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // `builder` has addresses and limits. False when it cannot listen.
  bool start(grpc::ServerBuilder& builder);
  // Takes no new calls; those that run are broken off after that time. Returns when all are done.
  void stop(int64_t timeout_ns);

 private:
  friend class Rpc;

  void run();
  void expect_call();
  void done(Rpc& rpc);

  RpcAcceptor& acceptor_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  size_t calls_ = 0;       // accepted and not done; guarded by mutex_
};

}  // namespace ringway::proxy
