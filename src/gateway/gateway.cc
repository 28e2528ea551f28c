#include "gateway/gateway.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/etcd_discovery.h"
#include "cluster/etcd_registration.h"
#include "cluster/gateway_service.h"
#include "cluster/grpc_transport.h"
#include "cluster/static_discovery.h"
#include "config/values.h"
#include "gateway/acceptor.h"
#include "gateway/cores.h"
#include "gateway/listening.h"
#include "gateway/server_id.h"
#include "gateway/worker.h"
#include "net/listener.h"
#include "net/uring_ring.h"

namespace ringway::gateway {
namespace {

// A worker looks around this often even when nothing happens, to see that it is to stop.
constexpr int64_t kIdleWaitNs = 500 * kNsPerMs;
// Between two looks of a thread that may wait: the main thread, discovery, never a worker.
constexpr int64_t kRetryNs = 1'000'000;

std::string refused(std::string_view key, const std::vector<int>& cores, int error) {
  return fmt::format("{}: cannot run on {}: {}", key, config::cores_text(cores),
                     std::strerror(error));
}

net::UringOptions ring_options(const config::WorkerSettings& settings) {
  net::UringOptions ring;
  ring.entries = settings.ring_entries;
  ring.buffers = settings.buffers;
  ring.buffer_bytes = settings.buffer_bytes;
  ring.busy_poll_us = settings.busy_poll_us;
  ring.submission_poll = settings.submission_poll != config::kSubmissionPollOff;
  ring.submission_poll_core = settings.submission_poll;
  ring.submission_poll_idle_ms = settings.submission_poll_idle_ms;
  return ring;
}

cluster::EtcdOptions etcd_options(const config::Etcd& etcd) {
  cluster::EtcdOptions options;
  options.hosts = etcd.hosts;
  options.user = etcd.user;
  options.password = etcd.password;
  options.tls = etcd.tls;
  options.cert_file = etcd.cert_file;
  options.key_file = etcd.cert_key_file;
  options.ca_file = etcd.ca_cert_file;
  options.skip_verify = etcd.insecure_skip_verify;
  return options;
}

class GatewayImpl final : public Gateway, public cluster::PushSink {
 public:
  explicit GatewayImpl(GatewayOptions options)
      : inherited_(std::move(options.inherited)),
        options_(std::move(options)),
        listening_(options_.config, std::move(inherited_)) {}
  ~GatewayImpl() override { stop(); }

  // Everything that can fail, in order. Empty, or why the gateway cannot start.
  std::string bring_up();

  [[nodiscard]] const std::vector<std::string>& addresses() const noexcept override {
    return listening_.addresses();
  }
  [[nodiscard]] int service_port() const noexcept override { return service_->port(); }
  [[nodiscard]] std::vector<std::pair<std::string_view, uint64_t>> counters() const override;
  [[nodiscard]] GatewayStatus status() const override;
  bool drain() override;
  std::string reload_certificates(size_t& reloaded) override;

  // cluster::PushSink, on gRPC's threads.
  [[nodiscard]] bool push(cluster::PushRequest& push) override;

 private:
  // A worker with its thread. `listeners` are consumed by the thread.
  struct Seat {
    config::WorkerConfig config;
    std::unique_ptr<Worker> worker;
    std::vector<net::OwnedFd> listeners;
    ShardMailbox shards;
    std::thread thread;
    std::atomic<bool> started{false};
    std::atomic<bool> drained{false};
    std::string start_error;  // written before `started`
    clockid_t cpu_clock = 0;  // of the thread, the same
  };

  std::string make_shared_context();
  std::string load_tls(std::shared_ptr<const tls::TlsTicketKeys> ticket_keys);
  std::string make_discovery();
  void start_registration();
  void take_nodes(const cluster::NodeSet& nodes);
  std::string start_grpc();
  std::string start_service();
  std::string start_crypto_pool();
  std::string make_workers();
  void start_acceptor();
  void stop_accepting_shared();
  std::string run_workers();
  void run(Seat& seat, uint32_t index);
  void set_connection_limits();
  [[nodiscard]] bool all_drained() const noexcept;
  void log_worker(const Seat& seat, uint32_t index) const;
  void stop();

  std::vector<net::InheritedSocket> inherited_;  // on their way to `listening_`
  const GatewayOptions options_;
  ListeningSockets listening_;
  const std::vector<int> cores_ = allowed_cores();
  tls::ReplayCache replays_;
  // Of all TLS listeners, so that sessions outlast a reload.
  std::shared_ptr<const tls::TlsTicketKeys> ticket_keys_;
  SharedContext shared_;
  std::unique_ptr<AddressBudget> budget_;
  std::unique_ptr<cluster::ShardTransport> transport_;  // null: each worker has its own
  AddressBudget relays_of_address_{0, 0, 0};            // counts, and has no rates
  NameResolver resolver_;
  std::unique_ptr<cluster::Discovery> discovery_;
  cluster::EtcdDiscovery* etcd_discovery_ = nullptr;  // discovery_, where it is this
  std::unique_ptr<cluster::EtcdRegistration> registration_;
  std::atomic<size_t> shards_known_{0};
  std::vector<std::unique_ptr<Seat>> seats_;
  std::unique_ptr<CryptoPool> pool_;
  std::unique_ptr<cluster::GatewayService> service_;
  std::string server_id_;
  std::unique_ptr<Acceptor> acceptor_;  // null: no socket is shared
  std::atomic<bool> running_{false};    // pushes may go to the workers
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};
};

std::string GatewayImpl::make_shared_context() {
  const config::Config& config = options_.config;
  shared_.config = config;
  shared_.workers = config::worker_count(config, cores_.size());
  shared_.doors = make_doors(config, &replays_);
  if (std::string error = load_tls(tls::TlsTicketKeys::draw()); !error.empty()) return error;
  shared_.handshake.legacy_rsa_padding = config.transports.legacy_rsa_padding;
  for (const GatewayKey& key : options_.keys) {
    if (!key.key->has_private()) return "an RSAKey file holds no private key";
    shared_.handshake.keys.push_back({key.key, key.fingerprint});
  }
  const auto rate = [](uint32_t limit) { return limit == config::kNoLimit ? 0 : limit; };
  budget_ =
      std::make_unique<AddressBudget>(rate(config.limits.handshakes_per_address_per_second),
                                      rate(config.limits.unknown_keys_per_address_per_second),
                                      rate(config.limits.tls_handshakes_per_address_per_second));
  shared_.budget = budget_.get();
  shared_.relays_of_address = &relays_of_address_;
  shared_.resolver = &resolver_;
  shared_.post = [this](uint32_t worker, WorkerMessage& message) {
    return seats_[worker]->worker->post(std::move(message));
  };
  shared_.submit_crypto = [this](CryptoTask& task) { return pool_->submit(task); };
  return "";
}

// All listeners or none: a mistake in one file leaves everything as it is.
std::string GatewayImpl::load_tls(std::shared_ptr<const tls::TlsTicketKeys> ticket_keys) {
  std::vector<std::shared_ptr<const tls::TlsContext>> contexts(shared_.doors.size());
  for (size_t i = 0; i < contexts.size(); ++i) {
    const config::Listener& listener = shared_.doors[i]->listener;
    if (!listener.tls) continue;
    const auto version = listener.tls->min_version == config::TlsVersion::k13
                             ? tls::TlsVersion::k13
                             : tls::TlsVersion::k12;
    tls::TlsLoaded loaded = tls::TlsContext::load(
        {listener.tls->cert_file, listener.tls->key_file, version, ticket_keys},
        read_clocks().unix_seconds());
    const std::string address = config::address_text(listener);
    if (loaded.context == nullptr) return fmt::format("Tls of {}: {}", address, loaded.error);
    for (const std::string& warning : loaded.warnings) {
      log_warning("gateway", "Tls of {}: {}", address, warning);
    }
    contexts[i] = std::move(loaded.context);
  }
  for (size_t i = 0; i < contexts.size(); ++i) {
    if (contexts[i] != nullptr) shared_.doors[i]->set_tls_context(std::move(contexts[i]));
  }
  ticket_keys_ = std::move(ticket_keys);
  return "";
}

std::string GatewayImpl::reload_certificates(size_t& reloaded) {
  reloaded = static_cast<size_t>(
      std::count_if(shared_.doors.begin(), shared_.doors.end(),
                    [](const auto& doors) { return doors->listener.tls.has_value(); }));
  // Tickets of the previous keys are still taken.
  return load_tls(ticket_keys_->renewed());
}

bool GatewayImpl::push(cluster::PushRequest& push) {
  if (!running_.load(std::memory_order_acquire)) return false;
  if (push.payload.size() > kServerFrameBytesMax) return false;  // no client takes it
  const uint32_t home = home_of(push.auth_key_id, shared_.workers);
  WorkerMessage message(std::move(push));
  if (seats_[home]->worker->post(std::move(message))) return true;
  push = std::move(std::get<cluster::PushRequest>(message));
  return false;
}

std::string GatewayImpl::start_service() {
  const config::Endpoint& listen_on = options_.config.listen_on;
  cluster::GatewayServiceOptions service;
  service.listen_on = config::to_string(listen_on);
  if (listen_on.host.empty()) service.listen_on = "[::]:" + std::to_string(listen_on.port);
  std::string error;
  service_ = cluster::GatewayService::start(service, *this, error);
  if (service_ == nullptr) return "ListenOn " + service.listen_on + ": " + error;
  return "";
}

// One file for each connection. Where the limit is lower than what is configured, it is raised;
// where that is not allowed, the operator is told how.
void GatewayImpl::set_connection_limits() {
  uint64_t wanted = config::reserved_files(options_.config, shared_.workers);
  bool any_auto = false;
  for (const auto& seat : seats_) {
    any_auto |= seat->config.settings.max_connections == 0;
    wanted += seat->config.settings.max_connections;
  }
  const uint64_t limit = net::raise_open_files(any_auto ? UINT64_MAX : wanted);
  const uint32_t share = config::auto_connections(options_.config, limit, shared_.workers);
  for (const auto& seat : seats_) {
    uint32_t& connections = seat->config.settings.max_connections;
    if (connections == 0) connections = share;
  }
  if (!any_auto && limit < wanted) {
    log_warning("gateway",
                "the open-files limit is {}, but MaxConnections asks for {}: raise the hard limit "
                "(ulimit -Hn, LimitNOFILE= in a systemd unit), or accepting pauses at the limit",
                limit, wanted);
  }
}

cluster::WireChoice wire_choice(config::WireKind wire) noexcept {
  switch (wire) {
    case config::WireKind::kBatch:
      return cluster::WireChoice::kBatch;
    case config::WireKind::kStream:
      return cluster::WireChoice::kStream;
    case config::WireKind::kUnary:
      return cluster::WireChoice::kUnary;
    case config::WireKind::kAuto:
      break;
  }
  return cluster::WireChoice::kAuto;
}

std::string GatewayImpl::make_workers() {
  const config::Config& config = options_.config;
  for (uint32_t i = 0; i < shared_.workers; ++i) {
    seats_.push_back(std::make_unique<Seat>());
    seats_.back()->config = config::worker_config(config, i);
  }
  set_connection_limits();
  for (uint32_t i = 0; i < shared_.workers; ++i) {
    Seat& seat = *seats_[i];
    const config::WorkerSettings& settings = seat.config.settings;
    auto created = net::UringRing::create(ring_options(settings));
    if (created.ring == nullptr) return created.error;
    WorkerOptions options;
    options.index = i;
    options.key_cache_entries = settings.key_cache_entries != 0
                                    ? settings.key_cache_entries
                                    : config::auto_key_cache_entries(config, shared_.workers);
    options.turn_completions = settings.turn_completions;
    options.table.connections_max = settings.max_connections;
    options.table.output_bytes_max = config.limits.output_bytes_per_connection;
    options.table.output_high_bytes = config.limits.output_bytes_per_connection / 2;
    options.table.output_low_bytes = config.limits.output_bytes_per_connection / 4;
    options.table.drain_ns = config.timeouts.drain_ns;
    options.dispatcher.worker = i;
    options.dispatcher.server_id = server_id_;
    options.dispatcher.call_timeout_ns = config.session.timeout_ms * kNsPerMs;
    options.dispatcher.no_shard_timeout_ns = config.session.no_shard_timeout_ns;
    options.dispatcher.wire = wire_choice(config.session.wire);
    options.dispatcher.window_messages_max = settings.window_messages;
    options.dispatcher.window_bytes_max = settings.window_bytes;
    options.dispatcher.batch_messages_max = settings.batch_messages;
    options.dispatcher.batch_bytes_max = settings.batch_bytes;
    options.dispatcher.batches_per_write_max = settings.batches_per_turn;
    seat.worker =
        transport_ == nullptr
            ? std::make_unique<Worker>(options, std::move(created.ring), shared_, resolver_)
            : std::make_unique<Worker>(options, std::move(created.ring), shared_, *transport_);
  }
  if (std::string error = listening_.open_shared(); !error.empty()) return error;
  for (const auto& seat : seats_) {
    if (std::string error = listening_.open_for_worker(seat->listeners); !error.empty()) {
      return error;
    }
  }
  shared_.listening_on = listening_.tcp_places();
  return "";
}

// Once the workers run: nothing is dealt to one that does not.
void GatewayImpl::start_acceptor() {
  std::vector<SharedSocket> sockets = listening_.take_shared();
  if (sockets.empty()) return;
  const RunOn here(config::grpc_cores(options_.config, cores_));
  acceptor_ = std::make_unique<Acceptor>(
      std::move(sockets), shared_.workers, [this](uint32_t worker, AcceptedSocket& socket) {
        WorkerMessage message(std::move(socket));
        shared_.posts_in_flight.fetch_add(1, std::memory_order_acq_rel);
        if (seats_[worker]->worker->post(std::move(message))) return true;
        shared_.posts_in_flight.fetch_sub(1, std::memory_order_acq_rel);
        socket = std::move(std::get<AcceptedSocket>(message));
        return false;
      });
}

void GatewayImpl::stop_accepting_shared() {
  // First the files: where a file of ours has no listener any more, the next process may already
  // have replaced it.
  listening_.remove_files();
  if (acceptor_ != nullptr) acceptor_->stop();
}

std::string GatewayImpl::run_workers() {
  for (uint32_t i = 0; i < shared_.workers; ++i) {
    Seat& seat = *seats_[i];
    seat.thread = std::thread([this, &seat, i] { run(seat, i); });
  }
  for (const auto& seat : seats_) {
    while (!seat->started.load(std::memory_order_acquire)) sleep_ns(kRetryNs);
    if (!seat->start_error.empty()) return seat->start_error;
  }
  return "";
}

void GatewayImpl::log_worker(const Seat& seat, uint32_t index) const {
  const std::string core =
      seat.config.core < 0 ? "any core" : fmt::format("core {}", seat.config.core);
  log_info("gateway",
           "worker {} on {}: ring {}; at most {} connections, {} receive buffers of {} bytes; "
           "listening on {}",
           index, core, seat.worker->ring().features(), seat.config.settings.max_connections,
           seat.config.settings.buffers, seat.config.settings.buffer_bytes,
           fmt::join(listening_.addresses(), ", "));
}

void GatewayImpl::run(Seat& seat, uint32_t index) {
  pthread_setname_np(pthread_self(), fmt::format("rw-worker-{}", index).c_str());
  if (seat.config.core >= 0) {
    if (const int failure = run_on({seat.config.core}); failure != 0) {
      seat.start_error = fmt::format("Workers.Cores: cannot run on core {}: {}", seat.config.core,
                                     std::strerror(failure));
    }
  }
  Worker& worker = *seat.worker;
  if (seat.start_error.empty()) {
    seat.start_error = worker.start(read_clocks(), std::move(seat.listeners), {});
  }
  (void)pthread_getcpuclockid(pthread_self(), &seat.cpu_clock);  // always works for oneself
  const bool usable = seat.start_error.empty();
  if (usable) log_worker(seat, index);
  seat.started.store(true, std::memory_order_release);
  if (!usable) return;
  while (!stopping_.load(std::memory_order_acquire)) {
    worker.turn(kIdleWaitNs, read_clocks);
    seat.drained.store(worker.drained(), std::memory_order_release);
    worker.settle_posts();
  }
}

// Where the shards are: as in go-zero, endpoints win over a target, and a target over etcd.
std::string GatewayImpl::make_discovery() {
  const config::Session& session = options_.config.session;
  if (session.endpoints.empty() && session.target.empty() && !session.etcd.hosts.empty()) {
    auto discovery =
        std::make_unique<cluster::EtcdDiscovery>(etcd_options(session.etcd), session.etcd.key);
    etcd_discovery_ = discovery.get();
    discovery_ = std::move(discovery);
    log_info("gateway", "session shards: etcd {}, below {}/", fmt::join(session.etcd.hosts, ", "),
             session.etcd.key);
    return "";
  }
  std::vector<std::string> endpoints = session.endpoints;
  std::string error;
  if (endpoints.empty() && !session.target.empty()) {
    endpoints = cluster::parse_target(session.target, error);
    if (endpoints.empty()) return "Session.Target: " + error;
  }
  if (endpoints.empty()) {
    return "Session names no shard: give Session.Etcd (Hosts and Key), Session.Endpoints (a list "
           "of host:port) or Session.Target. To try the gateway without a shard, start it with "
           "--standalone";
  }
  discovery_ = cluster::make_static_discovery(endpoints, error);
  return discovery_ == nullptr ? "Session.Endpoints: " + error : "";
}

// On discovery's thread, or on main before the workers run: their first turn then finds the set.
void GatewayImpl::take_nodes(const cluster::NodeSet& nodes) {
  shards_known_.store(nodes.size(), std::memory_order_relaxed);
  for (const auto& seat : seats_) {
    if (!seat->shards.put(nodes)) continue;
    while (!seat->worker->post(SetShards{&seat->shards})) sleep_ns(kRetryNs);
  }
}

// Once clients are welcome: from then on shards may push.
void GatewayImpl::start_registration() {
  const config::Etcd& etcd = options_.config.etcd;
  if (etcd.hosts.empty() || etcd.key.empty()) return;
  cluster::EtcdRegistrationOptions registration;
  registration.key = etcd.key;
  registration.id = etcd.id;
  registration.value = server_id_;
  registration_ = std::make_unique<cluster::EtcdRegistration>(etcd_options(etcd), registration);
  registration_->start();
}

std::string GatewayImpl::bring_up() {
  if (std::string error = make_shared_context(); !error.empty()) return error;
  if (std::string error = make_discovery(); !error.empty()) return error;
  if (std::string error = start_grpc(); !error.empty()) return error;
  server_id_ = options_.server_id.empty()
                   ? derive_server_id(options_.config.listen_on.host,
                                      static_cast<uint16_t>(service_->port()))
                   : options_.server_id;
  if (std::string error = make_workers(); !error.empty()) return error;
  if (std::string error = start_crypto_pool(); !error.empty()) return error;
  discovery_->start([this](const cluster::NodeSet& nodes) { take_nodes(nodes); });
  if (std::string error = run_workers(); !error.empty()) return error;
  start_acceptor();
  running_.store(true, std::memory_order_release);
  start_registration();
  return "";
}

// The links that go by gRPC, and the gateway's own service. First of all, because the service's
// port is part of the name that shards know us by.
std::string GatewayImpl::start_grpc() {
  const bool ring_links = options_.config.session.link == config::LinkKind::kRing;
  log_info("gateway", "links to the shards: {}",
           ring_links ? "HTTP/2 on the workers' rings" : "the gRPC library");
  const std::vector<int> cores = config::grpc_cores(options_.config, cores_);
  log_info("gateway", "gRPC's threads on cores: {}", config::cores_text(cores));
  const RunOn here(cores);
  if (here.error() != 0) return refused("Ringway.Grpc.Cores", cores, here.error());
  if (!ring_links) transport_ = cluster::make_grpc_transport();
  return start_service();
}

std::string GatewayImpl::start_crypto_pool() {
  const RunOn here(options_.config.crypto.cores);
  if (here.error() != 0) {
    return refused("Ringway.Crypto.Cores", options_.config.crypto.cores, here.error());
  }
  pool_ = std::make_unique<CryptoPool>(
      config::crypto_threads(options_.config, cores_.size()),
      options_.config.limits.crypto_jobs_per_address, [this](CryptoTask& task) {
        WorkerMessage message(std::move(task));
        const uint32_t worker = std::get<CryptoTask>(message).connection.worker;
        if (seats_[worker]->worker->post(std::move(message))) return true;
        task = std::move(std::get<CryptoTask>(message));
        return false;
      });
  return "";
}

std::vector<std::pair<std::string_view, uint64_t>> GatewayImpl::counters() const {
  std::vector<std::pair<std::string_view, uint64_t>> totals;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    uint64_t total = 0;
    for (const auto& seat : seats_) total += seat->worker->counters().read(counter);
    if (etcd_discovery_ != nullptr) total += etcd_discovery_->counters().read(counter);
    if (registration_ != nullptr) total += registration_->counters().read(counter);
    if (acceptor_ != nullptr) total += acceptor_->counters().read(counter);
    totals.emplace_back(counter_name(counter), total);
  }
  return totals;
}

GatewayStatus GatewayImpl::status() const {
  GatewayStatus status;
  status.draining = draining_.load(std::memory_order_relaxed);
  const std::vector<std::string>& addresses = listening_.addresses();
  for (size_t i = 0; i < addresses.size(); ++i) {
    status.listeners.push_back(
        {addresses[i], std::string(config::to_string(options_.config.listeners[i].protocol))});
  }
  for (const auto& seat : seats_) {
    status.workers.push_back(seat->worker->status());
    status.workers.back().cpu_ns = read_clock_ns(seat->cpu_clock);
  }
  status.shards_known = shards_known_.load(std::memory_order_relaxed);
  const auto add = [&status](const CounterBlock& beside) {
    for (size_t i = 0; i < kCounterCount; ++i) {
      status.beside_workers[i] += beside.read(static_cast<Counter>(i));
    }
  };
  if (etcd_discovery_ != nullptr) {
    status.etcd_discovery_up = etcd_discovery_->connected();
    add(etcd_discovery_->counters());
  }
  if (registration_ != nullptr) {
    status.etcd_registered = registration_->connected();
    add(registration_->counters());
  }
  if (acceptor_ != nullptr) add(acceptor_->counters());
  return status;
}

bool GatewayImpl::all_drained() const noexcept {
  return std::all_of(seats_.begin(), seats_.end(), [](const auto& seat) {
    return seat->drained.load(std::memory_order_acquire);
  });
}

bool GatewayImpl::drain() {
  draining_.store(true, std::memory_order_relaxed);
  if (registration_ != nullptr) registration_->withdraw();
  stop_accepting_shared();
  for (const auto& seat : seats_) {
    while (!seat->worker->post(Drain{})) sleep_ns(kRetryNs);
  }
  // Twice the drain time: once for the clients to read, once for the shards to acknowledge.
  const int64_t deadline_ns = read_clocks().mono_ns + 2 * options_.config.timeouts.drain_ns;
  bool drained = false;
  while (!drained && read_clocks().mono_ns < deadline_ns) {
    sleep_ns(5 * kRetryNs);
    // Looked at twice: what was on its way at the first look has left its mark by the second.
    drained = all_drained() && shared_.posts_in_flight.load(std::memory_order_acquire) == 0 &&
              all_drained();
  }
  if (service_ != nullptr) service_->shutdown(kNsPerSecond);
  stop();
  if (!drained) {
    size_t left = 0;
    for (const auto& seat : seats_) left += seat->worker->dispatcher().unacknowledged();
    log_warning("gateway",
                "the drain time is over: {} messages are left that no shard has acknowledged",
                left);
  }
  return drained;
}

void GatewayImpl::stop() {
  if (registration_ != nullptr) registration_->withdraw();
  if (discovery_ != nullptr) discovery_->stop();
  stop_accepting_shared();
  stopping_.store(true, std::memory_order_release);
  if (pool_ != nullptr) pool_->stop();
  for (const auto& seat : seats_) {
    if (seat->worker != nullptr) seat->worker->ring().waker().wake();
    if (seat->thread.joinable()) seat->thread.join();
  }
  if (service_ != nullptr) {
    service_->shutdown(0);
    service_.reset();
  }
}

}  // namespace

std::unique_ptr<Gateway> Gateway::start(GatewayOptions options, std::string& error) {
  auto gateway = std::make_unique<GatewayImpl>(std::move(options));
  error = gateway->bring_up();
  if (!error.empty()) return nullptr;
  return gateway;
}

}  // namespace ringway::gateway
