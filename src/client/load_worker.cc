// The turn: completions in, frames opened and sealed together, sends out.
#include "client/load_worker.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>

#include "base/limits.h"
#include "client/load_probe.h"
#include "client/objects.h"
#include "mtproto/framing.h"

namespace ringway::client {
namespace {

constexpr unsigned kRingEntries = 4096;
constexpr unsigned kRingBuffers = 2048;
constexpr size_t kRingBufferBytes = 4096;
constexpr int64_t kTurnTimeoutNs = 20 * kNsPerMs;  // how soon a change of phase is noticed
constexpr int64_t kBusyTurnTimeoutNs = kNsPerMs;   // while sockets connect
// Nobody could take what was due, or storms of connections are to be begun on time.
constexpr int64_t kRateTurnTimeoutNs = kNsPerMs / 5;
// Messages due within this time go out together: it is what the pace costs in accuracy, and what
// keeps a turn from being made for each message.
constexpr int64_t kPaceGrainNs = 20'000;
constexpr size_t kUnencryptedHeaderBytes = 20;
constexpr int kShutdownTurnsMax = 1000;
constexpr int64_t kPublishNs = 50 * kNsPerMs;

template <typename Share>
std::vector<uint32_t> weights_of(const std::vector<Share>& shares) {
  std::vector<uint32_t> weights;
  weights.reserve(shares.size());
  for (const Share& share : shares) weights.push_back(share.weight);
  return weights;
}

}  // namespace

LoadWorker::LoadWorker(LoadShared& shared, unsigned index, uint32_t first, uint32_t count,
                       uint32_t busy)
    : shared_(shared),
      options_(shared.options),
      index_(index),
      transport_mix_(weights_of(shared.options.transports)),
      size_mix_(weights_of(shared.options.sizes)),
      completions_(kTurnCompletionsMax) {
  clients_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    auto& client = *clients_.emplace_back(std::make_unique<Client>());
    client.number = first + i;
    client.transport_index = transport_mix_.pick(client.number);
    // Spread evenly among the others.
    client.busy = uint64_t{i + 1} * busy / count != uint64_t{i} * busy / count;
    if (client.busy) busy_.push_back(&client);
    idle_.push_back(&client);
  }
  // In an open loop it is the rate that limits; a connection only has to stay within its session's
  // queue.
  window_ = options_.open_loop() ? kClientPendingMax / 2 : options_.window;
  if (options_.mode == LoadMode::kHandshake || options_.mode == LoadMode::kReconnect) window_ = 1;
  for (const SizeShare& size : options_.sizes) {
    switch (options_.mode) {
      case LoadMode::kQuickAck:
        messages_.push_back(options_.verify ? make_counted(0, size.bytes)
                                            : make_padded_ack(size.bytes));
        break;
      case LoadMode::kEcho:
        messages_.push_back(make_echo(0, size.bytes));
        break;
      case LoadMode::kHandshake:
      case LoadMode::kReconnect:
      case LoadMode::kPing:
        messages_.push_back(make_ping(0));
        break;
    }
  }
}

LoadWorker::~LoadWorker() {
  // The ring gives up its operations before the table frees what they point at.
  ring_.reset();
}

std::string LoadWorker::prepare() {
  net::UringOptions options;
  options.entries = kRingEntries;
  options.buffers = kRingBuffers;
  options.buffer_bytes = kRingBufferBytes;
  if (!options_.acked_path.empty()) {
    acked_ = AckedLog::open(options_.acked_path);
    if (acked_ == nullptr) return fmt::format("cannot write '{}'", options_.acked_path);
  }
  auto created = net::UringRing::create(options);
  ring_ = std::move(created.ring);
  return created.error;
}

std::string LoadWorker::run() {
  if (std::string error = ring_->start(); !error.empty()) return error;
  now_ = read_clocks();
  shared_.workers[index_]->thread.store(current_thread(), std::memory_order_relaxed);
  prctl(PR_SET_TIMERSLACK, 1UL);  // or the kernel would add 50 us to every wait for a due message
  if (options_.connect_rate > 0) {
    Pace pace;
    pace.rate = options_.connect_rate;
    pace.begin_ns = now_.mono_ns;
    pace.end_ns = INT64_MAX;
    pace.first = index_;
    pace.stride = options_.threads;
    connect_pacer_.emplace(pace);
  }
  net::ConnectionTableOptions options;
  // A lost connection keeps its place until it is closed, while its successor connects.
  options.connections_max = 2 * static_cast<uint32_t>(clients_.size());
  table_.emplace(options, *ring_, *this, counters_, now_);
  while (shared_.phase.load(std::memory_order_acquire) != LoadPhase::kStop) turn();
  shut_down();
  return {};
}

void LoadWorker::turn() {
  const size_t count = ring_->turn(completions_, turn_timeout_ns());
  now_ = read_clocks();
  table_->process({completions_.data(), count}, now_);
  open_received();
  table_->release_received();
  poll_connects();
  if (now_.mono_ns >= next_sweep_ns_) sweep();
  if (shared_.stage_number.load(std::memory_order_acquire) != stage_number_) begin_stage();
  if (running_ && !verifying_) {
    feed();
    // What was begun just now may be connected already, and free for more.
    if (poll_connects()) feed();
    if (shared_.settle_number.load(std::memory_order_acquire) != settled_number_) settle();
    if (shared_.phase.load(std::memory_order_acquire) == LoadPhase::kVerify) begin_verify();
  }
  seal_and_send();
  table_->flush_sends();
  table_->expire(now_);
  shared_.workers[index_]->under_way.store(under_way_, std::memory_order_relaxed);
  if (now_.mono_ns >= next_publish_ns_) {
    publish();
    next_publish_ns_ = now_.mono_ns + kPublishNs;
  }
}

int64_t LoadWorker::turn_timeout_ns() const noexcept {
  if (more_due_ && !verifying_) return 0;
  int64_t timeout_ns = kTurnTimeoutNs;
  if (running_ && pacer_ && pacer_->next_due_ns() != kNeverDue) {
    timeout_ns = refused_ ? kRateTurnTimeoutNs
                          : std::clamp(pacer_->next_due_ns() - read_clocks().mono_ns, kPaceGrainNs,
                                       kTurnTimeoutNs);
  } else if (running_ && joined_ < busy_.size()) {
    timeout_ns = kBusyTurnTimeoutNs;
  }
  if (!connecting_.empty()) {
    timeout_ns = std::min(timeout_ns, running_ ? kRateTurnTimeoutNs : kBusyTurnTimeoutNs);
  }
  timeout_ns = std::min(timeout_ns, std::max<int64_t>(next_sweep_ns_ - now_.mono_ns, 0));
  const int64_t wake_ns = table_->next_wake_ns();
  if (wake_ns != net::kNoDeadline) {
    timeout_ns = std::clamp<int64_t>(wake_ns - now_.mono_ns, 0, timeout_ns);
  }
  return timeout_ns;
}

void LoadWorker::on_accept(net::ConnectionHandle, uint16_t) { RW_ASSERT(false); }
void LoadWorker::on_timer(net::ConnectionHandle, net::TimerKind) {}
void LoadWorker::on_detached(net::ConnectionHandle, net::DetachedSocket&&) { RW_ASSERT(false); }

void LoadWorker::on_bytes(net::ConnectionHandle handle, ByteSpan bytes) {
  auto* client = static_cast<Client*>(table_->context(handle));
  // Late bytes of a connection that we have let go are nobody's.
  if (client == nullptr || client->handle != handle) return;
  if (client->doors != nullptr) {
    bytes = through_doors(*client, bytes);
    if (bytes.empty() || !client->transport) return;
  }
  client->transport->receive(bytes);
  for (;;) {
    mtproto::ServerEvent event;
    switch (client->transport->next(event)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return;
      case mtproto::ServerTransport::Event::kError:
        drop(*client, fmt::format("broken stream: {}", to_string(client->transport->error())));
        return;
      case mtproto::ServerTransport::Event::kFrame:
        break;
    }
    switch (event.kind) {
      case mtproto::ServerEvent::Kind::kTransportError:
        client->transport_error = event.error_code;
        break;
      case mtproto::ServerEvent::Kind::kQuickAck:
        if (client->session && client->session->on_quick_ack(event.quick_ack_token, events_)) {
          for (SessionEvent& session_event : events_) on_event(*client, session_event);
          events_.clear();
        } else {
          ++stats_.errors["quick ack for nothing"];
        }
        break;
      case mtproto::ServerEvent::Kind::kFrame:
        take_frame(*client, event);
        break;
    }
    if (!client->transport) return;  // lost meanwhile
  }
}

// What was read of the stream; it stays where it is until the turn's messages are opened.
ByteSpan LoadWorker::through_doors(Client& client, ByteSpan bytes) {
  Bytes stream;
  scratch_.clear();
  const Result<void> going = client.doors->receive(bytes, stream, scratch_);
  if (!scratch_.empty()) (void)table_->write(client.handle, scratch_);
  if (!going.ok()) {
    drop(client, client.doors->problem());
    return {};
  }
  kept_.push_back(std::move(stream));
  return kept_.back();
}

// Unencrypted messages are handled at once, encrypted ones together with the turn's others.
void LoadWorker::take_frame(Client& client, mtproto::ServerEvent& event) {
  const auto content = mtproto::read_frame(
      options_.transports[client.transport_index].transport.kind, event.payload);
  if (!content.ok()) {
    drop(client, "malformed frame");
    return;
  }
  if (!content->encrypted) {
    on_unencrypted(client, ByteView(content->bytes).subspan(kUnencryptedHeaderBytes));
    return;
  }
  if (!client.session || content->auth_key_id != client.session->auth_key_id()) {
    ++stats_.errors["message for an unknown key"];
    return;
  }
  received_.push_back({&client, std::move(event.storage), content->bytes});
}

void LoadWorker::open_received() {
  open_jobs_.clear();
  for (const Received& received : received_) {
    // A client that was lost after its frame arrived has no session to open it with.
    if (received.client->session) {
      open_jobs_.push_back(received.client->session->open_job(received.bytes));
    }
  }
  mtproto::open_many(open_jobs_);
  size_t at = 0;
  for (const Received& received : received_) {
    Client& client = *received.client;
    if (at == open_jobs_.size()) break;
    // Handling an earlier frame may have lost the client; its job is then passed over.
    const bool has_job = open_jobs_[at].frame.data() == received.bytes.data();
    if (!has_job) continue;
    const mtproto::OpenJob& job = open_jobs_[at++];
    if (!client.session) continue;
    const auto opened = client.session->on_opened(job, now_, events_);
    for (SessionEvent& event : events_) on_event(client, event);
    events_.clear();
    if (!opened.ok()) {
      drop(client, fmt::format("bad message from the server: {}", to_string(opened.error())));
    } else if (client.session && client.session->wants_to_send(now_)) {
      mark_dirty(client);
    }
  }
  received_.clear();
  kept_.clear();
}

void LoadWorker::mark_dirty(Client& client) {
  if (client.dirty) return;
  client.dirty = true;
  dirty_.push_back(&client);
}

void LoadWorker::seal_and_send() {
  seal_jobs_.clear();
  for (Client* client : dirty_) {
    if (!client->session) continue;
    client->session->prepare(now_);
    client->session->seal_jobs(seal_jobs_);
  }
  mtproto::seal_many(seal_jobs_);
  size_t at = 0;
  for (Client* client : dirty_) {
    client->dirty = false;
    if (!client->session) continue;
    const size_t count = client->session->outgoing().size();
    client->session->on_sealed(std::span(seal_jobs_).subspan(at, count));
    at += count;
    for (const OutgoingFrame& frame : client->session->outgoing()) {
      send_frame(*client, frame.bytes, frame.quick_ack);
    }
    client->session->clear_outgoing();
  }
  dirty_.clear();
}

void LoadWorker::send_frame(Client& client, ByteView payload, bool quick_ack) {
  scratch_.clear();
  if (!client.opened) scratch_ = client.transport->opening();
  client.opened = true;
  client.transport->write_frame(payload, quick_ack, scratch_);
  if (client.doors != nullptr) {
    Bytes wrapped;
    if (!client.doors->wrap(scratch_, wrapped).ok()) {
      table_->close(client.handle, net::CloseMode::kNow);
      return;
    }
    if (wrapped.empty()) return;  // it goes out when the doors are open
    scratch_.swap(wrapped);
  }
  if (!table_->write(client.handle, scratch_)) {
    // The stream now lacks a frame, so the connection is of no more use; on_closed() tells.
    table_->close(client.handle, net::CloseMode::kNow);
  }
}

void LoadWorker::on_send_drained(net::ConnectionHandle) {}

void LoadWorker::on_closed(net::ConnectionHandle handle, net::CloseReason reason) {
  auto* client = static_cast<Client*>(table_->context(handle));
  if (client == nullptr || client->handle != handle) return;  // we let it go ourselves
  if (client->transport_error) {
    lose(*client, fmt::format("transport error {}", *client->transport_error));
    return;
  }
  switch (reason) {
    case net::CloseReason::kPeerClosed:
      return lose(*client, "closed by the server");
    case net::CloseReason::kPeerReset:
      return lose(*client, "reset by the server");
    case net::CloseReason::kLocal:
      return lose(*client, "the server does not read");
    case net::CloseReason::kNone:
    case net::CloseReason::kError:
    case net::CloseReason::kNotReached:
      return lose(*client, "socket error");
  }
}

void LoadWorker::shut_down() {
  table_->close_all(net::CloseMode::kNow);
  for (const auto& client : clients_) client->handle = {};
  for (int i = 0; i < kShutdownTurnsMax && table_->size() > 0; ++i) {
    const size_t count = ring_->turn(completions_, kBusyTurnTimeoutNs);
    now_ = read_clocks();
    table_->process({completions_.data(), count}, now_);
    table_->release_received();
    table_->flush_sends();
    table_->expire(now_);
  }
  stats_.verdict.unasked += verify_left_;
  publish();
  ring_.reset();
  table_.reset();
}

}  // namespace ringway::client
