// What the tests of the proxy share: an account whose answers the test makes up, a server on a free
// port with its loop on a thread, and raw calls from a client.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "client/account/calls.h"
#include "client/account/loop.h"
#include "proxy/journal.h"
#include "proxy/server.h"
#include "tl/contract.h"

namespace ringway::proxy::test {

[[nodiscard]] std::shared_ptr<const tl::Contract> contract_of(int layer);
[[nodiscard]] std::string unhex(std::string_view hex);
[[nodiscard]] Bytes unhex_bytes(std::string_view hex);

// On the loop's thread, as all of client::Calls. What it is asked it answers by `answer`, or keeps
// for finish() where that gives nothing.
class ScriptedCalls final : public client::Calls {
 public:
  using Answer = std::function<std::optional<client::CallOutcome>(ByteView tl)>;

  explicit ScriptedCalls(client::EventLoop& loop) : loop_(loop) {}

  client::CallId start(Bytes tl, const client::CallOptions& options,
                       client::CallSink& sink) override;
  // One that is cancelled settles when the test says so.
  void cancel(client::CallId call) override;
  void forget(client::CallId call) override { settling_.erase(call); }

  // Any thread; waits until the loop has done it.
  void set_answer(Answer answer);
  void finish(client::CallId call, client::CallOutcome outcome);
  void hold(client::CallId call, bool held);
  void settle(client::CallId call);

  struct Started {
    client::CallId id = 0;
    Bytes tl;
    client::CallOptions options;
  };
  // Any thread.
  [[nodiscard]] std::vector<Started> started() const;
  [[nodiscard]] size_t started_count() const;
  [[nodiscard]] Started started_at(size_t index) const;
  [[nodiscard]] std::vector<client::CallId> cancelled() const;
  // Waits until so many were started.
  void wait_started(size_t count) const;

 private:
  void end(client::CallId call, client::CallOutcome outcome);
  void on_loop(client::EventLoop::Task task);

  client::EventLoop& loop_;
  Answer answer_;
  std::map<client::CallId, client::CallSink*> pending_;
  std::map<client::CallId, client::CallSink*> settling_;
  mutable std::mutex mutex_;
  std::vector<Started> started_;           // guarded by mutex_
  std::vector<client::CallId> cancelled_;  // likewise
};

[[nodiscard]] client::CallOutcome result_of(std::string_view tl_hex);
[[nodiscard]] client::CallOutcome rpc_error(int32_t code, std::string text,
                                            int64_t retry_after = 0);

struct Reply {
  grpc::Status status;
  std::string body;
  std::multimap<std::string, std::string> trailers;
};

struct CallSettings {
  std::multimap<std::string, std::string> metadata;
  int64_t timeout_ms = 20'000;
  grpc_compression_algorithm compression = GRPC_COMPRESS_NONE;
};

// A unary call that the test waits for, or gives up.
class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
          std::string_view request, const CallSettings& settings = {});
  void cancel() { context_.TryCancel(); }
  Reply wait();

 private:
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer response_;
  Reply reply_;
};

[[nodiscard]] Reply call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                         std::string_view request, const CallSettings& settings = {});

// A stream of any kind, with one thing asked of it at a time.
class RawStream {
 public:
  RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
            const CallSettings& settings = {});
  // Breaks it off when it has not ended.
  ~RawStream();
  RawStream(const RawStream&) = delete;
  RawStream& operator=(const RawStream&) = delete;

  bool write(std::string_view message, bool last = false);
  // Nothing: the stream has ended, and finish() says how.
  std::optional<std::string> read();
  // Waits until the server has answered with its metadata.
  bool wait_open();
  grpc::Status finish();
  void cancel() { context_.TryCancel(); }

 private:
  bool wait();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
};

// A loop on its own thread.
class LoopThread {
 public:
  LoopThread();
  ~LoopThread();
  [[nodiscard]] client::EventLoop& loop() noexcept { return *loop_; }
  // Runs it there and waits for its end.
  void run(const std::function<void()>& task);
  // Ends it; afterwards nothing turns.
  void stop();

 private:
  std::unique_ptr<client::EventLoop> loop_;
  std::thread thread_;
};

struct NamedSession {
  std::string name = "main";
  int layer = 228;
  Journal::Limits journal{};
};

// A server with sessions of made-up accounts.
class TestServer {
 public:
  explicit TestServer(std::vector<NamedSession> sessions = {NamedSession{}},
                      ServerOptions options = {});
  ~TestServer();

  [[nodiscard]] ScriptedCalls& calls(size_t session = 0) { return *calls_[session]; }
  [[nodiscard]] Server& server() { return *server_; }
  // Appends on the loop's thread, and waits until that is done.
  void append(client::UpdateEvent event, size_t session = 0);
  [[nodiscard]] LoopThread& loop() { return loop_; }
  // A connection of its own.
  [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const;
  [[nodiscard]] std::string address() const;

 private:
  LoopThread loop_;
  std::vector<std::unique_ptr<ScriptedCalls>> calls_;
  std::vector<std::unique_ptr<Journal>> journals_;
  std::unique_ptr<Server> server_;
};

}  // namespace ringway::proxy::test
