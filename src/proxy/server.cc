#include "proxy/server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/listen_address.h"
#include "proxy/journal.h"
#include "proxy/metrics_endpoint.h"
#include "proxy/reflection.h"
#include "proxy/rpc_server.h"
#include "proxy/server_tls.h"
#include "proxy/service.h"
#include "proxy/update_hub.h"

namespace ringway::proxy {
namespace {

std::string bad_options(const ServerOptions& options) {
  const bool certificate = !options.tls_certificate_file.empty();
  if (certificate != !options.tls_key_file.empty()) {
    return certificate ? "--tls-cert needs --tls-key too" : "--tls-key needs --tls-cert too";
  }
  if (!is_listen_address(options.listen)) {
    return fmt::format("--listen {}: must be HOST:PORT, such as 127.0.0.1:11011", options.listen);
  }
  const std::string& metrics = options.metrics_listen;
  if (!metrics.empty() && (!is_listen_address(metrics) || metrics.starts_with("unix:"))) {
    return fmt::format("--metrics {}: must be HOST:PORT, such as 127.0.0.1:9300", metrics);
  }
  if (options.insecure || is_loopback(options.listen)) return {};
  if (certificate && options.tokens != nullptr) return {};
  return fmt::format(
      "--listen {}: others than this machine could call with the signed-in user's rights. Give "
      "--tls-cert, --tls-key and --token-file, or listen on 127.0.0.1, or say --insecure",
      options.listen);
}

// Null without `error`: there is to be none.
std::unique_ptr<ServerTls> load_tls(const ServerOptions& options, std::string& error) {
  if (options.tls_certificate_file.empty()) return nullptr;
  return ServerTls::load(options.tls_certificate_file, options.tls_key_file, error);
}

void set_limits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  builder.SetMaxSendMessageSize(static_cast<int>(kMessageBytesMax));
  // gRPC unpacks a message before it looks at its size.
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  grpc::ResourceQuota quota("ringway-proxy");
  quota.Resize(kServerMemoryBytesMax);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kClientPingIntervalMinMs);
  // A second server on the port would take half of the callers.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

struct Server::Impl {
  explicit Impl(int64_t heartbeat_ns) : hub(heartbeat_ns) {}

  // In the order in which they are made: the later ones borrow from the earlier.
  std::vector<std::unique_ptr<Session>> sessions;
  std::unique_ptr<Reflection> reflection;
  UpdateHub hub;
  std::optional<Service> service;
  std::unique_ptr<ServerTls> tls;  // null: in the clear
  std::optional<RpcServer> server;
  mutable std::mutex mutex;
  std::vector<AccountStatus> accounts;  // of each session; guarded by mutex
  std::unique_ptr<MetricsEndpoint> metrics;
  int port = 0;
  bool stopped = false;

  [[nodiscard]] ProxyStatus status() const;
};

namespace {

SessionStatus status_of(const Session& session) {
  const auto get = [](const Count& count) { return count.load(std::memory_order_relaxed); };
  const SessionTally& tally = session.tally();
  SessionStatus status;
  status.name = session.name();
  status.layer = session.layer();
  for (size_t i = 0; i < tally.by_method.size(); ++i) {
    const StatusCounts counts = counts_of(tally.by_method[i]);
    if (std::all_of(counts.begin(), counts.end(), [](uint64_t one) { return one == 0; })) continue;
    const size_t method = session.methods().first_method() + i;
    status.methods[session.contract().schema().combinators[method].name] = counts;
  }
  status.held = get(tally.held);
  status.refused_full = get(tally.refused_full);
  status.cancelled_waiting = get(tally.cancelled_waiting);
  status.expired_waiting = get(tally.expired_waiting);
  status.to_tl_ns = get(tally.to_tl_ns);
  status.to_tl_bytes = get(tally.to_tl_bytes);
  status.to_proto_ns = get(tally.to_proto_ns);
  status.to_proto_bytes = get(tally.to_proto_bytes);
  status.repaired_strings = get(tally.repaired_strings);
  status.queued = get(tally.queued);
  status.queued_bytes = get(tally.queued_bytes);
  status.in_flight_calls = get(tally.in_flight_calls);
  status.in_flight_transfers = get(tally.in_flight_transfers);
  status.clients = get(tally.clients);
  if (session.journal() != nullptr) status.journal = session.journal()->counts();
  return status;
}

}  // namespace

ProxyStatus Server::Impl::status() const {
  ProxyStatus status;
  for (const auto& session : sessions) status.sessions.push_back(status_of(*session));
  service->clients().each([&](const std::string& name, const StatusTally& tally) {
    status.clients[name] = counts_of(tally);
  });
  status.refused = counts_of(service->refused());
  status.listeners = hub.listeners();
  status.listeners_refused_full = hub.refused_full();
  status.listener_lag_max = hub.lag_max();
  const std::lock_guard lock(mutex);
  for (size_t i = 0; i < accounts.size(); ++i) status.sessions[i].account = accounts[i];
  return status;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(); }

std::string Server::check(const ServerOptions& options) {
  std::string error = bad_options(options);
  if (error.empty()) static_cast<void>(load_tls(options, error));
  return error;
}

std::unique_ptr<Server> Server::start(const ServerOptions& options, client::EventLoop& loop,
                                      std::vector<SessionSetup> sessions, std::string& error) {
  RW_ASSERT(!sessions.empty());
  error = bad_options(options);
  if (!error.empty()) return nullptr;
  auto tls = load_tls(options, error);
  if (!error.empty()) return nullptr;

  auto impl = std::make_unique<Impl>(options.heartbeat_ns);
  impl->tls = std::move(tls);
  std::vector<Session*> borrowed;
  std::vector<const tl::Contract*> contracts;
  for (SessionSetup& setup : sessions) {
    impl->sessions.push_back(std::make_unique<Session>(std::move(setup), loop));
    borrowed.push_back(impl->sessions.back().get());
    contracts.push_back(&borrowed.back()->contract());
  }
  impl->reflection = std::make_unique<Reflection>(contracts);
  impl->service.emplace(ServiceRules{.calls = {.unavailable_errors = options.unavailable_errors},
                                     .access = options.access},
                        std::move(borrowed), *impl->reflection, impl->hub);
  impl->service->set_tokens(options.tokens);
  impl->accounts.resize(impl->sessions.size());

  // Before anybody can call: a failure leaves nothing that somebody has seen.
  if (!options.metrics_listen.empty()) {
    impl->metrics = MetricsEndpoint::start(
        options.metrics_listen, [from = impl.get()] { return from->status(); }, error);
    if (impl->metrics == nullptr) {
      error = "--metrics " + error;
      return nullptr;
    }
  }
  grpc::ServerBuilder builder;
  set_limits(builder);
  builder.AddListeningPort(
      options.listen,
      impl->tls == nullptr ? grpc::InsecureServerCredentials() : impl->tls->credentials(),
      &impl->port);
  impl->server.emplace(*impl->service);
  if (!impl->server->start(builder) || (impl->port == 0 && !options.listen.starts_with("unix:"))) {
    error = fmt::format(
        "--listen {}: cannot listen there; the address must be HOST:PORT of this machine with a "
        "port that is free",
        options.listen);
    return nullptr;
  }
  for (const auto& session : impl->sessions) {
    if (session->journal() == nullptr) continue;
    session->journal()->set_waker([hub = &impl->hub] { hub->wake(); });
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const noexcept { return impl_->port; }

const SessionTally& Server::tally(size_t session) const noexcept {
  return impl_->sessions[session]->tally();
}

int Server::metrics_port() const noexcept {
  return impl_->metrics == nullptr ? 0 : impl_->metrics->port();
}

ProxyStatus Server::status() const { return impl_->status(); }

void Server::set_account_status(size_t session, AccountStatus status) {
  const std::lock_guard lock(impl_->mutex);
  impl_->accounts[session] = std::move(status);
}

size_t Server::listeners() const { return impl_->hub.listeners(); }

std::string Server::reload_tls() {
  return impl_->tls == nullptr ? std::string() : impl_->tls->reload();
}

void Server::set_tokens(std::shared_ptr<const Tokens> tokens) {
  RW_ASSERT(tokens != nullptr);
  impl_->service->set_tokens(std::move(tokens));
}

void Server::stop(int64_t timeout_ns) {
  if (std::exchange(impl_->stopped, true)) return;
  for (const auto& session : impl_->sessions) {
    if (session->journal() != nullptr) session->journal()->set_waker(nullptr);
  }
  impl_->hub.stop();
  impl_->server->stop(timeout_ns);
  // What it tells of is the program's, which may end that now.
  impl_->metrics.reset();
  for (const auto& session : impl_->sessions) {
    std::promise<void> closed;
    session->loop().post([&] {
      session->close();
      closed.set_value();
    });
    closed.get_future().wait();
  }
}

}  // namespace ringway::proxy
