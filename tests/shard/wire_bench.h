// A shard in this process, a gateway's service that it can call, and synchronous clients of its
// wires.
#pragma once

#include <grpcpp/grpcpp.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "gateway.grpc.pb.h"
#include "ringway_link.grpc.pb.h"
#include "service_bench.h"
#include "session.grpc.pb.h"
#include "shard/shard.h"

namespace ringway::shard {

inline constexpr std::chrono::seconds kPatience{60};

struct Pushed {
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  bool by_stream = false;
  std::vector<Answer> answers;
};

// What a gateway serves to shards. Collects pushes; says "delivered" while `deliver` is set.
class FakeGateway final : public gateway::RPCGateway::Service,
                          public gateway::RPCGatewayStream::Service {
 public:
  explicit FakeGateway(bool with_stream) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(static_cast<gateway::RPCGateway::Service*>(this));
    if (with_stream)
      builder.RegisterService(static_cast<gateway::RPCGatewayStream::Service*>(this));
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~FakeGateway() override { server_->Shutdown(std::chrono::system_clock::now()); }

  [[nodiscard]] const std::string& address() const { return address_; }
  void deliver(bool delivers) {
    const std::lock_guard lock(mutex_);
    delivers_ = delivers;
  }
  // Waits for the next push; an empty one when none comes.
  Pushed next() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, kPatience, [this] { return !pushes_.empty(); })) return {};
    Pushed pushed = std::move(pushes_.front());
    pushes_.erase(pushes_.begin());
    return pushed;
  }
  [[nodiscard]] size_t waiting() {
    const std::lock_guard lock(mutex_);
    return pushes_.size();
  }

  grpc::Status gateway_sendDataToGateway(grpc::ServerContext*,
                                         const gateway::TL_gateway_sendDataToGateway* request,
                                         ::mtproto::Bool* answer) override {
    answer->set_predicate_name(take(*request, false) ? "boolTrue" : "boolFalse");
    return grpc::Status::OK;
  }
  grpc::Status GatewayDataStream(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<gateway::GatewayStreamResponse, gateway::GatewayStreamRequest>*
          stream) override {
    gateway::GatewayStreamRequest request;
    while (stream->Read(&request)) {
      gateway::GatewayStreamResponse response;
      response.set_request_id(request.request_id());
      response.set_success(take(request.send_data(), true));
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  bool take(const gateway::TL_gateway_sendDataToGateway& request, bool by_stream) {
    int64_t salt = 0;
    int64_t session_id = 0;
    Pushed pushed{request.auth_key_id(), request.session_id(), by_stream,
                  read_payload(as_bytes(request.payload()), &salt, &session_id)};
    RW_ASSERT(session_id == request.session_id());
    const std::lock_guard lock(mutex_);
    pushes_.push_back(std::move(pushed));
    came_.notify_all();
    return delivers_;
  }

  std::string address_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Pushed> pushes_;
  bool delivers_ = true;
};

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/ringway-shard-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A client of the shard, as a gateway would be one; makes messages with proper ids.
class WireBench {
 public:
  static constexpr int64_t kKey = 5005;
  static constexpr int64_t kSession = 6006;

  explicit WireBench(ShardOptions options = {}, bool gateway_stream = true)
      : gateway(gateway_stream) {
    const std::string failure = shard.start(options);
    RW_ASSERT(failure.empty());
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(shard.port()),
                                   grpc::InsecureChannelCredentials());
    unary = session::RPCSession::NewStub(channel_);
    stream = session::RPCSessionStream::NewStub(channel_);
    link = link::v1::ShardLink::NewStub(channel_);
  }

  grpc::Status set_key(int64_t id, uint8_t fill, ::mtproto::Bool& answer) {
    session::TL_session_setAuthKey request;
    request.mutable_auth_key()->set_auth_key_id(id);
    request.mutable_auth_key()->set_auth_key(std::string(256, static_cast<char>(fill)));
    request.mutable_auth_key()->set_perm_auth_key_id(id);
    const auto seconds = static_cast<int32_t>(read_clocks().unix_seconds());
    request.mutable_future_salt()->set_valid_since(seconds);
    request.mutable_future_salt()->set_valid_until(seconds + 1800);
    request.mutable_future_salt()->set_salt(kSalt);
    grpc::ClientContext context;
    set_deadline(context);
    return unary->session_setAuthKey(&context, request, &answer);
  }
  void make_key() {
    ::mtproto::Bool answer;
    const grpc::Status status = set_key(kKey, 1, answer);
    RW_ASSERT(status.ok());
    RW_ASSERT(answer.predicate_name() == "boolTrue");
  }

  session::SessionClientData data(ByteView body, int32_t seq_no, int32_t conn_type = 0) {
    session::SessionClientData data;
    data.set_server_id(gateway.address());
    data.set_conn_type(conn_type);
    data.set_auth_key_id(kKey);
    data.set_perm_auth_key_id(kKey);
    data.set_session_id(kSession);
    data.set_salt(kSalt);
    last_id = std::max(read_clocks().unix_seconds() << 32, last_id + 4);
    const Bytes payload = write_message({last_id, seq_no, Bytes(body.begin(), body.end())});
    data.set_payload(payload.data(), payload.size());
    return data;
  }

  grpc::Status send_unary(const session::SessionClientData& data, ::mtproto::Bool& answer) {
    session::TL_session_sendDataToSession request;
    *request.mutable_data() = data;
    grpc::ClientContext context;
    set_deadline(context);
    return unary->session_sendDataToSession(&context, request, &answer);
  }

  static void set_deadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
  }

  static constexpr int64_t kSalt = 0x1122334455667788;
  FakeGateway gateway;
  ReferenceShard shard;
  std::unique_ptr<session::RPCSession::Stub> unary;
  std::unique_ptr<session::RPCSessionStream::Stub> stream;
  std::unique_ptr<link::v1::ShardLink::Stub> link;
  int64_t last_id = 0;

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

// One batched link, used synchronously.
class LinkClient {
 public:
  explicit LinkClient(WireBench& bench, bool greet = true) {
    WireBench::set_deadline(context_);
    stream_ = bench.link->Attach(&context_);
    if (!greet) return;
    up().mutable_hello()->set_server_id(bench.gateway.address());
    send();
  }
  ~LinkClient() {
    context_.TryCancel();
    if (stream_ != nullptr) (void)stream_->Finish();
  }
  LinkClient(const LinkClient&) = delete;
  LinkClient& operator=(const LinkClient&) = delete;

  link::v1::LinkUp& up() { return up_; }
  void add(const session::SessionClientData& data) {
    if (up_.items_size() == 0) up_.set_first_sequence(next_sequence_);
    *up_.add_items()->mutable_data() = data;
    ++next_sequence_;
  }
  bool send() {
    const bool sent = stream_->Write(up_);
    up_.Clear();
    return sent;
  }
  // Reads until `done(collected)`; what came is merged into one message.
  template <typename Done>
  bool read_until(Done done) {
    while (!done(down_)) {
      link::v1::LinkDown down;
      if (!stream_->Read(&down)) return false;
      down_.MergeFrom(down);
    }
    return true;
  }
  bool read_acknowledged(uint64_t sequence) {
    return read_until([sequence](const auto& down) { return down.acknowledged() >= sequence; });
  }
  link::v1::LinkDown& down() { return down_; }
  static std::vector<Answer> answers(const link::v1::Push& push) {
    int64_t salt = 0;
    int64_t session_id = 0;
    return read_payload(as_bytes(push.payload()), &salt, &session_id);
  }
  grpc::Status finish() {
    stream_->WritesDone();
    link::v1::LinkDown rest;
    while (stream_->Read(&rest)) down_.MergeFrom(rest);
    const grpc::Status status = stream_->Finish();
    stream_.reset();
    return status;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<link::v1::LinkUp, link::v1::LinkDown>> stream_;
  link::v1::LinkUp up_;
  link::v1::LinkDown down_;
  uint64_t next_sequence_ = 1;
};

}  // namespace ringway::shard
