#include "cluster/etcd_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "cluster/etcd_channel.h"
#include "cluster/shard_transport.h"
#include "etcd.grpc.pb.h"

namespace ringway::cluster {
namespace {

constexpr int32_t kStatusInvalidArgument = 3;
constexpr int32_t kStatusNotFound = 5;
constexpr int32_t kStatusPermissionDenied = 7;
constexpr int32_t kStatusFailedPrecondition = 9;
constexpr int32_t kStatusUnauthenticated = 16;

EtcdStatus to_status(const grpc::Status& status) {
  return {static_cast<int32_t>(status.error_code()), status.error_message()};
}

// What etcd answers when a token has expired, is missing, or was made before the users changed.
bool token_is_stale(const EtcdStatus& status) noexcept {
  return status.code == kStatusUnauthenticated || status.code == kStatusInvalidArgument ||
         status.code == kStatusPermissionDenied;
}

// The end that a watch was given is no failure. etcd knows it too, and its own words for it may
// come first.
bool is_timeout(const EtcdStatus& status) noexcept {
  return status.code == kStatusDeadlineExceeded ||
         status.text.find("context deadline exceeded") != std::string::npos;
}

void copy_item(const etcdserverpb::KeyValue& from, EtcdKeyValue& to) {
  to.key = from.key();
  to.value = from.value();
  to.create_revision = from.create_revision();
}

}  // namespace

bool EtcdStatus::not_found() const noexcept { return code == kStatusNotFound; }

struct EtcdClient::Impl {
  explicit Impl(EtcdOptions o) : options(std::move(o)) {}
  ~Impl() { cleanse(reinterpret_cast<uint8_t*>(options.password.data()), options.password.size()); }

  EtcdStatus connect();
  EtcdStatus log_in();
  // Runs `make(context)` once the client is connected and logged in, and once more with a new token
  // when etcd did not like the old one.
  template <typename Make>
  EtcdStatus call(int64_t timeout_ns, Make&& make);

  void began(grpc::ClientContext& context);
  void ended(grpc::ClientContext& context);
  void add_token(grpc::ClientContext& context) const {
    if (!token.empty()) context.AddMetadata("token", token);
  }

  EtcdOptions options;
  size_t host = 0;
  std::shared_ptr<grpc::Channel> channel;  // null: to be made
  bool logged_in = false;
  std::string token;  // empty also where etcd asks for none

  std::mutex mutex;
  bool interrupted = false;                     // guarded by mutex
  std::vector<grpc::ClientContext*> under_way;  // guarded by mutex
};

namespace {

// A context that interrupt() finds while it lives.
template <typename Impl>
class Call {
 public:
  Call(Impl& client, int64_t timeout_ns) : client_(client) {
    // A time span as deadline counts from now, in gRPC's own clock.
    if (timeout_ns > 0) context_.set_deadline(gpr_time_from_nanos(timeout_ns, GPR_TIMESPAN));
    client_.began(context_);
  }
  ~Call() { client_.ended(context_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] grpc::ClientContext& context() noexcept { return context_; }

 private:
  Impl& client_;
  grpc::ClientContext context_;
};

}  // namespace

void EtcdClient::Impl::began(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex);
  under_way.push_back(&context);
  if (interrupted) context.TryCancel();
}

void EtcdClient::Impl::ended(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex);
  std::erase(under_way, &context);
}

EtcdStatus EtcdClient::Impl::connect() {
  if (channel != nullptr) return {};
  std::string error;
  channel = make_etcd_channel(options, options.hosts[host], error);
  if (channel == nullptr) return {kStatusUnavailable, std::move(error)};
  return {};
}

EtcdStatus EtcdClient::Impl::log_in() {
  if (logged_in || options.user.empty()) return {};
  etcdserverpb::AuthenticateRequest request;
  etcdserverpb::AuthenticateResponse response;
  request.set_name(options.user);
  request.set_password(options.password);
  Call<Impl> active(*this, kEtcdCallTimeoutNs);
  EtcdStatus status = to_status(
      etcdserverpb::Auth::NewStub(channel)->Authenticate(&active.context(), request, &response));
  cleanse(reinterpret_cast<uint8_t*>(request.mutable_password()->data()),
          request.password().size());
  // A cluster without authentication takes everybody.
  if (!status.ok() && status.code != kStatusFailedPrecondition) return status;
  token = response.token();
  logged_in = true;
  return {};
}

template <typename Make>
EtcdStatus EtcdClient::Impl::call(int64_t timeout_ns, Make&& make) {
  if (EtcdStatus status = connect(); !status.ok()) return status;
  for (bool again = false;; again = true) {
    if (EtcdStatus status = log_in(); !status.ok()) return status;
    EtcdStatus status;
    {
      Call<Impl> active(*this, timeout_ns);
      add_token(active.context());
      status = to_status(make(active.context()));
    }
    if (again || options.user.empty() || !token_is_stale(status)) return status;
    logged_in = false;
    token.clear();
  }
}

EtcdClient::EtcdClient(EtcdOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

EtcdClient::~EtcdClient() = default;

void EtcdClient::interrupt() {
  const std::lock_guard lock(impl_->mutex);
  impl_->interrupted = true;
  for (grpc::ClientContext* context : impl_->under_way) context->TryCancel();
}

void EtcdClient::resume() {
  const std::lock_guard lock(impl_->mutex);
  impl_->interrupted = false;
}

void EtcdClient::next_host() {
  impl_->host = (impl_->host + 1) % impl_->options.hosts.size();
  impl_->channel.reset();
  // Tokens are known to the whole cluster, but a new one is cheap and surely good.
  impl_->logged_in = false;
  impl_->token.clear();
}

const std::string& EtcdClient::host() const noexcept { return impl_->options.hosts[impl_->host]; }

size_t EtcdClient::host_count() const noexcept { return impl_->options.hosts.size(); }

EtcdStatus EtcdClient::range(const std::string& key, const std::string& end, int64_t limit,
                             EtcdRange& out) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  request.set_range_end(end);
  request.set_limit(limit);
  etcdserverpb::RangeResponse response;
  EtcdStatus status = impl_->call(kEtcdCallTimeoutNs, [&](grpc::ClientContext& context) {
    return etcdserverpb::KV::NewStub(impl_->channel)->Range(&context, request, &response);
  });
  out.revision = response.header().revision();
  out.more = response.more();
  out.items.clear();
  for (const auto& item : response.kvs()) copy_item(item, out.items.emplace_back());
  return status;
}

EtcdStatus EtcdClient::put(const std::string& key, const std::string& value, int64_t lease,
                           int64_t& revision) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  request.set_lease(lease);
  etcdserverpb::PutResponse response;
  EtcdStatus status = impl_->call(kEtcdCallTimeoutNs, [&](grpc::ClientContext& context) {
    return etcdserverpb::KV::NewStub(impl_->channel)->Put(&context, request, &response);
  });
  revision = response.header().revision();
  return status;
}

EtcdStatus EtcdClient::grant(int64_t ttl_seconds, int64_t& lease) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_seconds);
  etcdserverpb::LeaseGrantResponse response;
  EtcdStatus status = impl_->call(kEtcdCallTimeoutNs, [&](grpc::ClientContext& context) {
    return etcdserverpb::Lease::NewStub(impl_->channel)->LeaseGrant(&context, request, &response);
  });
  if (status.ok() && !response.error().empty()) return {kStatusUnknown, response.error()};
  lease = response.id();
  return status;
}

// A stream for one question and its answer: it may fail and go to another host like any call.
EtcdStatus EtcdClient::keep_alive(int64_t lease) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse response;
  EtcdStatus status = impl_->call(kEtcdCallTimeoutNs, [&](grpc::ClientContext& context) {
    const auto stream = etcdserverpb::Lease::NewStub(impl_->channel)->LeaseKeepAlive(&context);
    const bool answered = stream->Write(request) && stream->Read(&response);
    if (answered) {
      context.TryCancel();
      (void)stream->Finish();
      return grpc::Status::OK;
    }
    const grpc::Status failure = stream->Finish();
    return failure.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : failure;
  });
  if (status.ok() && response.ttl() <= 0) return {kStatusNotFound, "the lease is gone"};
  return status;
}

EtcdStatus EtcdClient::revoke(int64_t lease, int64_t timeout_ns) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseRevokeResponse response;
  return impl_->call(timeout_ns, [&](grpc::ClientContext& context) {
    return etcdserverpb::Lease::NewStub(impl_->channel)->LeaseRevoke(&context, request, &response);
  });
}

namespace {

using WatchStream =
    grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;

// `Impl` is EtcdClient's, which only its members may name.
template <typename Impl>
class WatchImpl final : public EtcdWatch {
 public:
  // A watch that could not begin.
  WatchImpl(Impl& client, EtcdStatus failure)
      : client_(client), call_(client, 0), status_(std::move(failure)) {}

  WatchImpl(Impl& client, const etcdserverpb::WatchRequest& request, int64_t timeout_ns)
      : client_(client), call_(client, timeout_ns) {
    client.add_token(call_.context());
    call_.context().AddMetadata("hasleader", "true");
    stream_ = etcdserverpb::Watch::NewStub(client.channel)->Watch(&call_.context());
    (void)stream_->Write(request);  // a failure shows when reading
  }

  ~WatchImpl() override {
    if (stream_ == nullptr) return;
    call_.context().TryCancel();
    (void)finish();
  }
  WatchImpl(const WatchImpl&) = delete;
  WatchImpl& operator=(const WatchImpl&) = delete;

  [[nodiscard]] Outcome next(std::vector<EtcdEvent>& events) override {
    events.clear();
    etcdserverpb::WatchResponse response;
    while (stream_ != nullptr) {
      response.Clear();
      if (!stream_->Read(&response)) {
        status_ = finish();
        return is_timeout(status_) ? Outcome::kTimeout : Outcome::kBroken;
      }
      if (response.compact_revision() != 0) return Outcome::kCompacted;
      if (response.canceled()) return refused(response.cancel_reason());
      if (response.created()) return Outcome::kCreated;
      if (response.events_size() == 0) continue;  // etcd says that it is still there
      for (const auto& event : response.events()) copy_event(event, events.emplace_back());
      return Outcome::kEvents;
    }
    return Outcome::kBroken;
  }

  [[nodiscard]] const EtcdStatus& status() const noexcept override { return status_; }

 private:
  static void copy_event(const etcdserverpb::Event& from, EtcdEvent& to) {
    to.deleted = from.type() == etcdserverpb::Event::DELETE;
    to.revision = from.kv().mod_revision();
    copy_item(from.kv(), to.item);
  }

  // etcd ends a single watch without ending its stream: the log-in may be what it did not like.
  Outcome refused(const std::string& reason) {
    client_.logged_in = false;
    client_.token.clear();
    status_ = {kStatusCancelled, reason.empty() ? "etcd ended the watch" : reason};
    call_.context().TryCancel();
    (void)finish();
    return Outcome::kBroken;
  }

  EtcdStatus finish() {
    // What is left is read away: a stream may only be finished when nothing comes any more.
    etcdserverpb::WatchResponse rest;
    while (stream_->Read(&rest)) {
    }
    EtcdStatus status = to_status(stream_->Finish());
    stream_.reset();
    if (status.ok()) status = {kStatusUnavailable, "etcd ended the stream"};
    return status;
  }

  Impl& client_;
  Call<Impl> call_;
  std::unique_ptr<WatchStream> stream_;
  EtcdStatus status_;
};

}  // namespace

std::unique_ptr<EtcdWatch> EtcdClient::watch(const std::string& key, const std::string& end,
                                             int64_t revision, int64_t timeout_ns) {
  EtcdStatus status = impl_->connect();
  if (status.ok()) status = impl_->log_in();
  if (!status.ok()) return std::make_unique<WatchImpl<Impl>>(*impl_, std::move(status));
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(key);
  create.set_range_end(end);
  create.set_start_revision(revision);
  return std::make_unique<WatchImpl<Impl>>(*impl_, request, timeout_ns);
}

}  // namespace ringway::cluster
