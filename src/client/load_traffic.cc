// The traffic of a run: what is sent when, and what counts as done.
#include <fmt/format.h>

#include <algorithm>

#include "client/load_worker.h"
#include "client/objects.h"

namespace ringway::client {
namespace {

constexpr int64_t kEchoTimeoutNs = 30 * kNsPerSecond;
// A run that is behind its rate could give thousands of messages at once, which would go through
// the cache's reach several times over.
constexpr size_t kGivenPerTurnMax = 1024;

}  // namespace

bool LoadWorker::in_stage(int64_t at_ns) const noexcept {
  return at_ns < shared_.stage_end_ns.load(std::memory_order_relaxed);
}

bool LoadWorker::is_measured(int64_t at_ns) const noexcept {
  return running_ && at_ns >= stage_.measure_ns && in_stage(at_ns);
}

void LoadWorker::begin_stage() {
  stage_number_ = shared_.stage_number.load(std::memory_order_acquire);
  stage_ = shared_.stage();
  running_ = true;
  if (stage_.rate == 0) return;
  Pace pace;
  pace.rate = stage_.rate;
  pace.ramp_ns = options_.ramp_ns;
  pace.burst = options_.burst;
  pace.begin_ns = stage_.begin_ns;
  pace.end_ns = shared_.stage_end_ns.load(std::memory_order_relaxed);
  pace.first = index_;
  pace.stride = options_.threads;
  pacer_.emplace(pace);
}

void LoadWorker::feed() {
  refused_ = false;
  more_due_ = false;
  if (pacer_) {
    feed_at_rate();
    return;
  }
  if (!in_stage(now_.mono_ns)) return;
  join();
  // Only clients to which something happened can have room in their window.
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Client& client = *dirty_[i];
    if (!client.joined) continue;
    while (is_free(client)) give_work(client, now_.mono_ns);
  }
}

// Closed loop: the connections begin one after the other during the ramp.
void LoadWorker::join() {
  while (joined_ < busy_.size()) {
    const double share = static_cast<double>(joined_) / static_cast<double>(busy_.size());
    const auto after_ns = static_cast<int64_t>(share * static_cast<double>(options_.ramp_ns));
    if (now_.mono_ns < stage_.begin_ns + after_ns) return;
    Client& client = *busy_[joined_++];
    client.joined = true;
    mark_dirty(client);
  }
}

// Open loop: a message's latency counts from when it was due, whether or not a connection was free
// to take it then.
void LoadWorker::feed_at_rate() {
  size_t refused = 0;
  size_t given = 0;
  while (pacer_->next_due_ns() <= now_.mono_ns && in_stage(pacer_->next_due_ns())) {
    more_due_ = given == kGivenPerTurnMax;
    if (more_due_) return;
    Client& client = *busy_[rate_next_];
    rate_next_ = (rate_next_ + 1) % busy_.size();
    if (!is_free(client)) {
      refused_ = ++refused == busy_.size();
      if (refused_) return;
      continue;
    }
    refused = 0;
    ++given;
    give_work(client, pacer_->next_due_ns());
    pacer_->advance();
  }
}

bool LoadWorker::is_free(const Client& client) const noexcept {
  return client.step == Step::kReady && client.under_way < window_;
}

void LoadWorker::give_work(Client& client, int64_t started_ns) {
  if (is_measured(options_.open_loop() ? started_ns : now_.mono_ns)) ++stats_.sent;
  ++under_way_;
  ++client.under_way;
  switch (options_.mode) {
    case LoadMode::kHandshake:
      client.exchange_since_ns = started_ns;
      start_exchange(client, 0);
      return;
    case LoadMode::kReconnect:
      begin_reconnect(client, started_ns);
      return;
    case LoadMode::kPing:
    case LoadMode::kQuickAck:
    case LoadMode::kEcho:
      send_one(client, started_ns);
      mark_dirty(client);
      return;
  }
}

void LoadWorker::begin_reconnect(Client& client, int64_t started_ns) {
  client.under_way = 0;  // it is not the connection's any more: see set_ready()
  client.reconnect_since_ns = started_ns;
  drop(client, {});
  start_connects();
}

void LoadWorker::send_one(Client& client, int64_t started_ns) {
  const Now started{started_ns, now_.unix_ns};
  Bytes& message = messages_[size_mix_.pick(messages_made_++)];
  RequestOptions request;
  request.content_related = false;
  switch (options_.mode) {
    case LoadMode::kQuickAck:
      request.expect_reply = false;
      request.quick_ack = true;
      if (options_.verify) set_object_id(message, static_cast<int64_t>(++client.sequence));
      break;
    case LoadMode::kEcho:
      request.expect_reply = false;
      set_object_id(message, static_cast<int64_t>(messages_made_));
      client.echoes.push_back({static_cast<int64_t>(messages_made_), started_ns});
      break;
    case LoadMode::kPing:
      break;
    case LoadMode::kHandshake:
    case LoadMode::kReconnect:
      RW_ASSERT(false);
  }
  const auto sent = client.session->send(message, request, started);
  RW_ASSERT(sent.ok());  // the window is smaller than the session's queue
}

void LoadWorker::on_event(Client& client, SessionEvent& event) {
  switch (event.kind) {
    case SessionEvent::Kind::kPong:
      if (event.request == 0) {
        ++stats_.errors["pong for nothing"];
      } else if (client.step == Step::kProving) {
        set_ready(client);
        if (running_) mark_dirty(client);
      } else {
        on_completed(client, event.started_ns);
      }
      return;
    case SessionEvent::Kind::kQuickAck:
      ++client.acknowledged;
      if (acked_) acked_->add(client.session->session_id(), event.msg_id);
      on_completed(client, event.started_ns);
      return;
    case SessionEvent::Kind::kPush:
      on_push(client, event);
      return;
    case SessionEvent::Kind::kFailed:
      on_failed(client, event);
      return;
    case SessionEvent::Kind::kResent:
      ++stats_.errors[fmt::format("sent again, code {}", event.bad_msg_code)];
      mark_dirty(client);
      return;
    case SessionEvent::Kind::kReply:
      if (client.step == Step::kProving && event.request != 0) {
        on_bound(client, event.body);
        return;
      }
      if (verifying_ && event.request != 0) {
        on_tally(client, event.body);
        return;
      }
      ++stats_.errors["unexpected message"];
      return;
    case SessionEvent::Kind::kService:
      ++stats_.errors["unexpected message"];
      return;
    case SessionEvent::Kind::kNewSession:
    case SessionEvent::Kind::kRestarted:
    case SessionEvent::Kind::kSalt:
    case SessionEvent::Kind::kClock:
    case SessionEvent::Kind::kRefused:
    case SessionEvent::Kind::kSettled:
      return;
  }
}

void LoadWorker::on_push(Client& client, const SessionEvent& event) {
  if (options_.mode != LoadMode::kEcho || constructor_of(event.body) != constructor::kEcho ||
      event.body.size() < kNumberedObjectBytesMin) {
    ++stats_.errors["unexpected message"];
    return;
  }
  const int64_t id = object_id(event.body);
  const auto found = std::find_if(client.echoes.begin(), client.echoes.end(),
                                  [id](const EchoUnderWay& echo) { return echo.id == id; });
  if (found == client.echoes.end()) {
    ++stats_.errors["echo for nothing"];
    return;
  }
  const int64_t started_ns = found->started_ns;
  client.echoes.erase(found);
  on_completed(client, started_ns);
}

void LoadWorker::on_failed(Client& client, const SessionEvent& event) {
  ++stats_.errors[event.error == Error::kTimeout
                      ? std::string("no answer in time")
                      : fmt::format("bad_msg_notification {}", event.bad_msg_code)];
  if (client.step == Step::kProving) {
    drop(client, client.temporary && !client.bound ? "bind failed" : "first ping failed");
    return;
  }
  give_up_work(client, 1);
  mark_dirty(client);
}

// The session does not know that an echo is awaited, so its time is kept here.
void LoadWorker::expire_echoes(Client& client) {
  uint64_t late = 0;
  while (!client.echoes.empty() &&
         now_.mono_ns - client.echoes.front().started_ns > kEchoTimeoutNs) {
    client.echoes.pop_front();
    ++late;
  }
  if (late == 0) return;
  stats_.errors["no answer in time"] += late;
  give_up_work(client, late);
  mark_dirty(client);
}

void LoadWorker::give_up_work(Client& client, uint64_t count) noexcept {
  count = std::min<uint64_t>(count, client.under_way);
  client.under_way -= static_cast<uint32_t>(count);
  under_way_ -= count;
}

// Throughput is what was completed within the measured time. Latency is, in an open loop, that of
// the messages which were due in it, however late they are answered: a stall at the end shows.
void LoadWorker::on_completed(Client& client, int64_t started_ns) {
  give_up_work(client, 1);
  const bool now_measured = is_measured(now_.mono_ns);
  if (now_measured) ++stats_.completed;
  const bool counts = options_.open_loop() ? is_measured(started_ns) : now_measured;
  (counts ? stats_.latency : stats_.other).record(now_.mono_ns - started_ns);
  if (client.session) mark_dirty(client);
}

}  // namespace ringway::client
