#include "cluster/grpc_shard.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "ringway_link.grpc.pb.h"
#include "session.grpc.pb.h"

namespace ringway::cluster {
namespace {

using ringway::link::v1::LinkDown;
using ringway::link::v1::LinkUp;
using AttachStream = grpc::ServerReaderWriter<LinkDown, LinkUp>;
using DataStream =
    grpc::ServerReaderWriter<session::SessionStreamResponse, session::SessionStreamRequest>;

constexpr int kUnregistered = 401;
constexpr int kRedirect = 700;
constexpr const char* kUnregisteredText = "AUTH_KEY_UNREGISTERED";

// Teamgram uses codes that gRPC has no name for.
grpc::Status make_status(int code, const std::string& text) {
  return {static_cast<grpc::StatusCode>(code), text};
}

grpc::Status unregistered() { return make_status(kUnregistered, kUnregisteredText); }

}  // namespace

struct GrpcShard::Impl {
  struct Link;
  struct Batch;
  struct Stream;
  struct Unary;

  // Waits while the shard is held. False when the caller or the server goes.
  bool wait_until_released(grpc::ServerContext* context) {
    std::unique_lock lock(mutex);
    while (held) {
      if (stopping || context->IsCancelled()) return false;
      changed.wait_for(lock, std::chrono::milliseconds(10));
    }
    return true;
  }
  // The node that messages of this key are sent on to; empty: none.
  std::string redirect_of(int64_t perm_auth_key_id) {
    const std::lock_guard lock(mutex);
    const auto found = redirects.find(perm_auth_key_id);
    return found == redirects.end() ? "" : "REDIRECT_TO_" + found->second;
  }
  // False when the key is checked and unknown.
  template <typename Client>
  bool take(const Client& client, bool close, const char* wire, const std::string& payload) {
    const std::lock_guard lock(mutex);
    if (checks && keys.find(client.auth_key_id()) == keys.end()) return false;
    received.push_back({close, wire, client.auth_key_id(), client.session_id(), payload});
    return true;
  }
  bool take(const session::SessionClientData& d, const char* wire) {
    return take(d, false, wire, d.payload());
  }
  bool take(const session::SessionClientEvent& e, const char* wire) {
    return take(e, true, wire, "");
  }

  mutable std::mutex mutex;
  std::condition_variable changed;
  GrpcShardWires wires;
  int port = 0;
  int streams_max = 0;
  bool held = false;
  bool stopping = false;
  bool checks = false;
  std::map<int64_t, mtproto::AuthKeyInfo> keys;
  std::map<int64_t, std::string> redirects;
  std::vector<Message> received;
  std::map<uint64_t, bool> results;
  int queries = 0;
  int attaches = 0;
  std::shared_ptr<Link> link;  // the batched stream that is open

  std::unique_ptr<Batch> attach_service;
  std::unique_ptr<Stream> stream_service;
  std::unique_ptr<Unary> unary_service;
  std::unique_ptr<grpc::Server> server;
};

// gRPC allows one write at a time; pushes and acknowledgements come from different threads.
struct GrpcShard::Impl::Link {
  explicit Link(AttachStream* s) : stream(s) {}
  void write(const LinkDown& down) {
    const std::lock_guard lock(mutex);
    if (stream != nullptr) stream->Write(down);
  }
  void close() {
    const std::lock_guard lock(mutex);
    stream = nullptr;
  }
  std::mutex mutex;
  AttachStream* stream;
};

struct GrpcShard::Impl::Batch final : ringway::link::v1::ShardLink::Service {
  explicit Batch(Impl& i) : impl(i) {}

  grpc::Status Attach(grpc::ServerContext* context, AttachStream* stream) override {
    const auto link = std::make_shared<Link>(stream);
    LinkUp up;
    if (!stream->Read(&up) || !up.has_hello() || up.items_size() != 0) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "Hello comes first and alone"};
    }
    {
      const std::lock_guard lock(impl.mutex);
      ++impl.attaches;
      impl.link = link;
    }
    LinkDown welcome;
    welcome.mutable_welcome()->set_items_max(100);
    link->write(welcome);
    uint64_t next = 1;
    grpc::Status status;
    while (status.ok() && stream->Read(&up)) status = work(context, *link, up, next);
    link->close();
    const std::lock_guard lock(impl.mutex);
    if (impl.link == link) impl.link = nullptr;
    return status;
  }

  grpc::Status work(grpc::ServerContext* context, Link& link, const LinkUp& up, uint64_t& next) {
    if (up.items_size() > 100) return {grpc::StatusCode::INVALID_ARGUMENT, "too many items"};
    if (up.items_size() > 0 && up.first_sequence() != next) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "sequence"};
    }
    LinkDown down;
    for (const auto& item : up.items()) {
      const int64_t key =
          item.has_data() ? item.data().perm_auth_key_id() : item.close().perm_auth_key_id();
      if (const std::string to = impl.redirect_of(key); !to.empty()) {
        auto* refusal = down.add_refusals();
        refusal->set_sequence(next++);
        refusal->set_code(kRedirect);
        refusal->set_message(to);
        continue;
      }
      const bool taken =
          item.has_data() ? impl.take(item.data(), "batch") : impl.take(item.close(), "batch");
      if (!taken) {
        auto* refusal = down.add_refusals();
        refusal->set_sequence(next);
        refusal->set_code(kUnregistered);
        refusal->set_message(kUnregisteredText);
      }
      ++next;
    }
    for (const auto& result : up.push_results()) {
      const std::lock_guard lock(impl.mutex);
      impl.results[result.push_id()] = result.delivered();
    }
    if (up.items_size() == 0) return grpc::Status::OK;
    if (!impl.wait_until_released(context)) return {grpc::StatusCode::UNAVAILABLE, "stopping"};
    down.set_acknowledged(next - 1);
    link.write(down);
    return grpc::Status::OK;
  }

  Impl& impl;
};

struct GrpcShard::Impl::Stream final : session::RPCSessionStream::Service {
  explicit Stream(Impl& i) : impl(i) {}

  grpc::Status SessionDataStream(grpc::ServerContext* context, DataStream* stream) override {
    session::SessionStreamRequest request;
    while (stream->Read(&request)) {
      session::SessionStreamResponse response;
      response.set_request_id(request.request_id());
      const std::string to = impl.redirect_of(
          request.has_send_data() ? request.send_data().data().perm_auth_key_id()
                                  : request.close_session().client().perm_auth_key_id());
      const bool taken =
          to.empty() &&
          (request.has_send_data() ? impl.take(request.send_data().data(), "stream")
                                   : impl.take(request.close_session().client(), "stream"));
      if (!to.empty()) {
        response.mutable_error()->set_code(kRedirect);
        response.mutable_error()->set_message(to);
      } else if (taken) {
        response.mutable_ack()->set_success(true);
      } else {
        response.mutable_error()->set_code(500);
        response.mutable_error()->set_message(
            "rpc error: code = Code(401) desc = AUTH_KEY_UNREGISTERED");
      }
      if (!impl.wait_until_released(context)) return {grpc::StatusCode::UNAVAILABLE, "stopping"};
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  Impl& impl;
};

struct GrpcShard::Impl::Unary final : session::RPCSession::Service {
  explicit Unary(Impl& i) : impl(i) {}

  grpc::Status session_queryAuthKey(grpc::ServerContext* context,
                                    const session::TL_session_queryAuthKey* request,
                                    mtproto::AuthKeyInfo* response) override {
    {
      const std::lock_guard lock(impl.mutex);
      ++impl.queries;
    }
    if (!impl.wait_until_released(context)) return {grpc::StatusCode::UNAVAILABLE, "stopping"};
    const std::lock_guard lock(impl.mutex);
    const auto found = impl.keys.find(request->auth_key_id());
    if (found == impl.keys.end()) return unregistered();
    *response = found->second;
    return grpc::Status::OK;
  }

  grpc::Status session_setAuthKey(grpc::ServerContext*,
                                  const session::TL_session_setAuthKey* request,
                                  mtproto::Bool* response) override {
    const std::lock_guard lock(impl.mutex);
    const mtproto::AuthKeyInfo& key = request->auth_key();
    const bool fresh = impl.keys.emplace(key.auth_key_id(), key).second;
    response->set_predicate_name(fresh ? "boolTrue" : "boolFalse");
    return grpc::Status::OK;
  }

  template <typename Client>
  grpc::Status take(grpc::ServerContext* context, const Client& client, mtproto::Bool* response) {
    if (!impl.wires.unary) return {grpc::StatusCode::UNIMPLEMENTED, "keys only"};
    if (const std::string to = impl.redirect_of(client.perm_auth_key_id()); !to.empty()) {
      return make_status(kRedirect, to);
    }
    if (!impl.take(client, "unary")) return unregistered();
    if (!impl.wait_until_released(context)) return {grpc::StatusCode::UNAVAILABLE, "stopping"};
    response->set_predicate_name("boolTrue");
    return grpc::Status::OK;
  }
  grpc::Status session_sendDataToSession(grpc::ServerContext* context,
                                         const session::TL_session_sendDataToSession* request,
                                         mtproto::Bool* response) override {
    return take(context, request->data(), response);
  }
  grpc::Status session_sendHttpDataToSession(
      grpc::ServerContext* context, const session::TL_session_sendHttpDataToSession* request,
      session::HttpSessionData* response) override {
    if (!impl.take(request->client(), "http")) return unregistered();
    if (!impl.wait_until_released(context)) return {grpc::StatusCode::UNAVAILABLE, "stopping"};
    response->set_payload("to " + request->client().payload());
    return grpc::Status::OK;
  }
  grpc::Status session_closeSession(grpc::ServerContext* context,
                                    const session::TL_session_closeSession* request,
                                    mtproto::Bool* response) override {
    return take(context, request->client(), response);
  }
  Impl& impl;
};

GrpcShard::GrpcShard(GrpcShardWires wires) : impl_(std::make_unique<Impl>()) {
  impl_->wires = wires;
}
GrpcShard::~GrpcShard() { stop(); }

bool GrpcShard::start() {
  Impl& i = *impl_;
  i.stopping = false;
  i.attach_service = std::make_unique<Impl::Batch>(i);
  i.stream_service = std::make_unique<Impl::Stream>(i);
  i.unary_service = std::make_unique<Impl::Unary>(i);
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(8 * 1024 * 1024);
  if (i.streams_max != 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, i.streams_max);
  }
  int bound = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(i.port), grpc::InsecureServerCredentials(),
                           &bound);
  if (i.wires.batch) builder.RegisterService(i.attach_service.get());
  if (i.wires.stream) builder.RegisterService(i.stream_service.get());
  builder.RegisterService(i.unary_service.get());
  i.server = builder.BuildAndStart();
  if (i.server == nullptr || bound == 0) return false;
  i.port = bound;
  return true;
}

void GrpcShard::stop() {
  Impl& i = *impl_;
  if (i.server == nullptr) return;
  {
    const std::lock_guard lock(i.mutex);
    i.stopping = true;
  }
  i.changed.notify_all();
  i.server->Shutdown(std::chrono::system_clock::now());
  i.server->Wait();
  i.server = nullptr;
}

void GrpcShard::set_wires(GrpcShardWires wires) { impl_->wires = wires; }
void GrpcShard::allow_streams(int streams_max) { impl_->streams_max = streams_max; }
std::string GrpcShard::address() const { return "127.0.0.1:" + std::to_string(impl_->port); }

void GrpcShard::hold(bool held) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->held = held;
  }
  impl_->changed.notify_all();
}

void GrpcShard::check_keys(bool check) {
  const std::lock_guard lock(impl_->mutex);
  impl_->checks = check;
}

void GrpcShard::redirect_key(int64_t perm_auth_key_id, const std::string& address) {
  const std::lock_guard lock(impl_->mutex);
  impl_->redirects[perm_auth_key_id] = address;
}

void GrpcShard::put_key(const mtproto::AuthKeyInfo& key) {
  const std::lock_guard lock(impl_->mutex);
  impl_->keys[key.auth_key_id()] = key;
}

std::string GrpcShard::stored_key(int64_t id) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->keys.find(id);
  return found == impl_->keys.end() ? "" : found->second.auth_key();
}

void GrpcShard::push(uint64_t id, int64_t auth_key_id, int64_t session_id,
                     const std::string& payload) {
  LinkDown down;
  auto* push = down.add_pushes();
  push->set_push_id(id);
  push->set_auth_key_id(auth_key_id);
  push->set_session_id(session_id);
  push->set_payload(payload);
  std::shared_ptr<Impl::Link> link;
  {
    const std::lock_guard lock(impl_->mutex);
    link = impl_->link;
  }
  // A write may wait for the reader; nothing else does.
  if (link != nullptr) link->write(down);
}

std::vector<GrpcShard::Message> GrpcShard::received() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->received;
}
size_t GrpcShard::received_count() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->received.size();
}
std::map<uint64_t, bool> GrpcShard::push_results() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->results;
}
int GrpcShard::key_queries() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queries;
}
int GrpcShard::attaches() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->attaches;
}

}  // namespace ringway::cluster
