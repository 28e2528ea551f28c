// The traffic of a run: what is sent when, and what counts as done.
#include <fmt/format.h>

#include <algorithm>

#include "client/load_worker.h"
#include "client/objects.h"

namespace ringway::client {
namespace {

constexpr int64_t kEchoTimeoutNs = 30 * kNsPerSecond;

}  // namespace

bool LoadWorker::is_measured(int64_t at_ns) const noexcept {
  return at_ns >= shared_.measure_begin_ns.load(std::memory_order_relaxed) &&
         at_ns < shared_.measure_end_ns.load(std::memory_order_relaxed);
}

void LoadWorker::begin_traffic() {
  running_ = true;
  for (const auto& client : clients_) {
    if (client->step != Step::kReady) continue;
    if (options_.mode == LoadMode::kHandshake) {
      start_exchange(*client);
    } else {
      mark_dirty(*client);
    }
  }
}

void LoadWorker::feed() {
  if (options_.mode == LoadMode::kHandshake) return;
  if (options_.rate > 0) {
    feed_at_rate();
    return;
  }
  // Only clients to which something happened can have room in their window.
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Client& client = *dirty_[i];
    while (client.step == Step::kReady && client.under_way < window_) {
      send_one(client, now_.mono_ns);
    }
  }
}

// Open loop: message k is due k / rate after the beginning, and its latency counts from then,
// whether or not a connection was free to take it at once.
void LoadWorker::feed_at_rate() {
  const double share = options_.rate * static_cast<double>(clients_.size()) /
                       static_cast<double>(options_.connections);
  const int64_t begin_ns = shared_.run_begin_ns.load(std::memory_order_relaxed);
  const double elapsed = static_cast<double>(now_.mono_ns - begin_ns) / 1e9;
  const auto due = static_cast<uint64_t>(std::max(0.0, elapsed * share));
  size_t refused = 0;
  while (rate_issued_ < due && refused < clients_.size()) {
    Client& client = *clients_[rate_next_];
    rate_next_ = (rate_next_ + 1) % clients_.size();
    if (client.step != Step::kReady || client.under_way >= window_) {
      ++refused;
      continue;
    }
    refused = 0;
    const double due_at = static_cast<double>(rate_issued_) / share * 1e9;
    send_one(client, begin_ns + static_cast<int64_t>(due_at));
    mark_dirty(client);
    ++rate_issued_;
  }
}

void LoadWorker::send_one(Client& client, int64_t started_ns) {
  const Now started{started_ns, now_.unix_ns};
  ByteView object = message_;
  Bytes echo;
  RequestOptions request;
  switch (options_.mode) {
    case LoadMode::kPing:
      request.content_related = false;
      break;
    case LoadMode::kQuickAck:
      request.content_related = false;
      request.expect_reply = false;
      request.quick_ack = true;
      break;
    case LoadMode::kEcho: {
      const int64_t id = next_id_++;
      client.echoes.push_back({id, started_ns});
      echo = make_echo(id, options_.message_bytes);
      object = echo;
      request.expect_reply = false;
      break;
    }
    case LoadMode::kHandshake:
      RW_ASSERT(false);
  }
  const auto sent = client.session->send(object, request, started);
  RW_ASSERT(sent.ok());  // the window is smaller than the session's queue
  ++client.under_way;
  if (is_measured(now_.mono_ns)) ++stats_.sent;
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
      on_completed(client, event.started_ns);
      return;
    case SessionEvent::Kind::kPush: {
      if (options_.mode != LoadMode::kEcho || constructor_of(event.body) != constructor::kEcho ||
          event.body.size() < 12) {
        ++stats_.errors["unexpected message"];
        return;
      }
      const auto id = load_le<int64_t>(event.body.data() + 4);
      const auto found = std::find_if(client.echoes.begin(), client.echoes.end(),
                                      [id](const EchoUnderWay& echo) { return echo.id == id; });
      if (found == client.echoes.end()) {
        ++stats_.errors["echo for nothing"];
        return;
      }
      const int64_t started_ns = found->started_ns;
      client.echoes.erase(found);
      on_completed(client, started_ns);
      return;
    }
    case SessionEvent::Kind::kFailed:
      ++stats_.errors[event.error == Error::kTimeout
                          ? std::string("no answer in time")
                          : fmt::format("bad_msg_notification {}", event.bad_msg_code)];
      if (client.step == Step::kProving) {
        drop(client, "first ping failed");
        return;
      }
      if (client.under_way > 0) --client.under_way;
      mark_dirty(client);
      return;
    case SessionEvent::Kind::kResent:
      ++stats_.errors[fmt::format("sent again, code {}", event.bad_msg_code)];
      mark_dirty(client);
      return;
    case SessionEvent::Kind::kReply:
    case SessionEvent::Kind::kService:
      ++stats_.errors["unexpected message"];
      return;
    case SessionEvent::Kind::kNewSession:
      return;
  }
}

// The session does not know that an echo is awaited, so its time is kept here.
void LoadWorker::expire_echoes(Client& client) {
  const size_t late = std::erase_if(client.echoes, [this](const EchoUnderWay& echo) {
    return now_.mono_ns - echo.started_ns > kEchoTimeoutNs;
  });
  if (late == 0) return;
  stats_.errors["no answer in time"] += late;
  client.under_way -= std::min(client.under_way, static_cast<uint32_t>(late));
  mark_dirty(client);
}

void LoadWorker::on_completed(Client& client, int64_t started_ns) {
  if (client.under_way > 0) --client.under_way;
  shared_.completed.fetch_add(1, std::memory_order_relaxed);
  if (is_measured(now_.mono_ns)) {
    ++stats_.completed;
    stats_.latency.record(now_.mono_ns - started_ns);
  }
  if (client.session) mark_dirty(client);
}

}  // namespace ringway::client
