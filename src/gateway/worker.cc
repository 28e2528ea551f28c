#include "gateway/worker.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace ringway::gateway {
namespace {

// Until another worker's full inbox is tried again.
constexpr int64_t kBacklogWaitNs = kNsPerMs;

}  // namespace

Worker::Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring,
               const SharedContext& shared, cluster::ShardTransport& transport)
    : Worker(options, std::move(ring), shared, &transport, nullptr) {}

Worker::Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring,
               const SharedContext& shared, NameResolver& resolver)
    : Worker(options, std::move(ring), shared, nullptr, &resolver) {}

Worker::Worker(const WorkerOptions& options, std::unique_ptr<net::Ring> ring,
               const SharedContext& shared, cluster::ShardTransport* transport,
               NameResolver* resolver)
    : options_(options),
      shared_(shared),
      transport_(transport),
      resolver_(resolver),
      status_(shared.config.listeners.size()),
      ring_(std::move(ring)),
      inbox_(kInboxMessages, ring_->waker()),
      completions_(options.turn_completions) {}

Worker::~Worker() {
  // The links stop waking the ring before it goes; the kernel gives up its operations before the
  // table frees the bytes they use.
  dispatcher_.reset();
  if (table_ == nullptr) return;
  flow_->abandon();
  ring_->stop();
  table_.reset();
  links_.reset();
  masks_.reset();
}

std::string Worker::start(Now now, std::vector<net::OwnedFd> listeners,
                          const std::vector<std::string>& shards) {
  if (std::string error = ring_->start(); !error.empty()) return error;
  now_ = now;
  flow_ = std::make_unique<Flow>(options_.index, options_.key_cache_entries, shared_, counters_,
                                 status_);
  table_ = std::make_unique<net::ConnectionTable>(options_.table, *ring_, *flow_, counters_, now);
  if (transport_ == nullptr) {
    links_ = std::make_unique<RingLinks>(*ring_, *resolver_, counters_, now);
  }
  dispatcher_ = std::make_unique<cluster::Dispatcher>(
      options_.dispatcher, links_ != nullptr ? links_->transport() : *transport_, *flow_,
      ring_->waker(), counters_);
  flow_->attach(*table_, *dispatcher_);
  make_masks(now);
  flow_->begin_turn(now);
  dispatcher_->set_shards(shards, now);
  for (net::OwnedFd& listener : listeners) (void)table_->add_listener(std::move(listener));
  return "";
}

void Worker::make_masks(Now now) {
  const config::Config& config = shared_.config;
  if (!config::any_mask(config)) return;
  MaskRelayOptions options;
  options.relays_max = config.limits.mask_connections;
  options.open = &shared_.relays_open;
  options.of_address = shared_.relays_of_address;
  options.own = shared_.listening_on;
  options.idle_ns = config.timeouts.idle_ns;
  options.drain_ns = config.timeouts.drain_ns;
  masks_ = std::make_unique<MaskRelay>(
      options, config.listeners, *ring_, shared_.resolver, counters_, now,
      [this](std::unique_ptr<Client> client) { flow_->take_relayed(std::move(client)); });
  flow_->attach(*masks_);
}

bool Worker::post(WorkerMessage&& message) {
  const size_t bytes = bytes_for_clients(message);
  if (bytes == 0) return inbox_.post(std::move(message));
  if (inbox_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= kInboxBytes &&
      inbox_.post(std::move(message))) {
    return true;
  }
  inbox_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

int64_t Worker::wait_ns(int64_t wait_ns_max) const noexcept {
  if (flow_->has_work() || inbox_.has_message()) return 0;
  if (flow_->has_backlog()) return std::min(wait_ns_max, kBacklogWaitNs);
  int64_t next_ns = std::min(table_->next_wake_ns(), dispatcher_->next_deadline_ns());
  next_ns = std::min(next_ns, flow_->next_timer_ns());
  if (links_ != nullptr) next_ns = std::min(next_ns, links_->next_wake_ns());
  if (masks_ != nullptr) next_ns = std::min(next_ns, masks_->next_wake_ns());
  if (next_ns == net::kNoDeadline) return wait_ns_max;
  const int64_t until_ns = std::max<int64_t>(next_ns - now_.mono_ns, 0);
  return wait_ns_max == net::kWaitForever ? until_ns : std::min(until_ns, wait_ns_max);
}

void Worker::work(std::span<const net::Completion> completions, Now now) {
  now_ = now;
  counters_.add(Counter::kTurns);
  // What a turn costs is shared by its messages, so a busy worker takes several at once, for a wait
  // that is short beside a turn. One that is not busy answers at once.
  if (completions.size() >= kGatherFromCompletions) ring_->gather(kGatherNs);
  flow_->begin_turn(now);
  status_.begin_turn(now);

  table_->process(completions, now);
  if (links_ != nullptr) links_->begin_turn(completions, now);
  if (masks_ != nullptr) masks_->begin_turn(completions, now);
  flow_->open_and_route();
  table_->release_received();

  (void)inbox_.drain(kInboxDrainMax, [&](WorkerMessage&& message) {
    if (const size_t bytes = bytes_for_clients(message); bytes != 0) {
      inbox_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    flow_->take_message(std::move(message));
  });
  dispatcher_->poll(now);
  flow_->run_large();
  flow_->run_timers();
  flow_->resume_waiting();
  flow_->open_and_route();

  flow_->finish_turn();
  dispatcher_->flush(now);
  if (links_ != nullptr) links_->flush();
  if (masks_ != nullptr) masks_->flush();
  table_->flush_sends();
  table_->expire(now);
  if (links_ != nullptr) links_->expire(now);
  if (masks_ != nullptr) masks_->expire(now);
  status_.publish(now, [this](WorkerGauges& gauges) { fill(gauges); });
}

void Worker::fill(WorkerGauges& gauges) const {
  gauges.connections = table_->size();
  gauges.sessions = flow_->sessions();
  gauges.keys_cached = flow_->keys();
  gauges.input_bytes = flow_->input_bytes();
  gauges.output_bytes = table_->output_bytes();
  dispatcher_->status(gauges.links);
}

WorkerStatus Worker::status() const {
  WorkerStatus status;
  for (size_t i = 0; i < kCounterCount; ++i) {
    status.counters[i] = counters_.read(static_cast<Counter>(i));
  }
  for (size_t i = 0; i < kDistributionCount; ++i) {
    status.distributions[i] = counters_.read(static_cast<Distribution>(i));
  }
  status.connections_max = options_.table.connections_max;
  status_.read(status);
  return status;
}

}  // namespace ringway::gateway
