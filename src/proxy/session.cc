#include "proxy/session.h"

#include <utility>
#include <vector>

#include "proxy/limits.h"

namespace ringway::proxy {

Session::Session(SessionSetup setup, client::EventLoop& loop)
    : setup_(std::move(setup)),
      loop_(loop),
      layout_(*setup_.contract),
      methods_(setup_.contract->schema()),
      transcoders_(layout_),
      tally_(methods_.size()) {}

void Session::close() {
  if (sweep_timer_ != 0) loop_.cancel(std::exchange(sweep_timer_, 0));
  for (const auto& [id, call] : settling_) {
    setup_.calls->forget(id);
    give_back(*call);
  }
  settling_.clear();
}

bool Session::enqueue(std::string_view client, FairQueue::Lane lane, SessionCall& call,
                      size_t bytes) {
  if (!queue_.push(client, lane, call, bytes)) {
    count(tally_.refused_full);
    return false;
  }
  pump_later();
  return true;
}

void Session::withdraw(SessionCall& call) {
  queue_.remove(call);
  pump_later();
}

void Session::finished(SessionCall& call, client::CallId id, bool settles) {
  if (settles) {
    settling_.emplace(id, &call);
  } else {
    give_back(call);
  }
}

void Session::settle(client::CallId id) {
  const auto node = settling_.extract(id);
  give_back(*node.mapped());
}

void Session::give_back(SessionCall& call) {
  queue_.finish(call);
  pump_later();
  call.settled();
}

void Session::hold(SessionCall& call, bool held) {
  if (held) count(tally_.held);
  queue_.hold(call, held);
  pump_later();
}

void Session::pump_later() {
  if (pump_scheduled_) return;
  pump_scheduled_ = true;
  loop_.at_turn_end([this] { pump(); });
}

void Session::pump() {
  pump_scheduled_ = false;
  while (FairQueue::Item* item = queue_.next()) {
    static_cast<SessionCall*>(item)->start(*setup_.calls);
  }
  if (queue_.queued() != 0 && sweep_timer_ == 0) {
    sweep_timer_ = loop_.at(loop_.now().mono_ns + kQueueSweepNs, [this] { sweep(); });
  }
  show();
}

void Session::sweep() {
  sweep_timer_ = 0;
  const int64_t now_ns = loop_.now().mono_ns;
  std::vector<SessionCall*> expired;
  queue_.each_queued([&](FairQueue::Item& item) {
    auto& call = static_cast<SessionCall&>(item);
    if (call.deadline_ns() <= now_ns) expired.push_back(&call);
  });
  for (SessionCall* call : expired) {
    queue_.remove(*call);
    count(tally_.expired_waiting);
    call->expire();
  }
  pump_later();
}

void Session::show() {
  const auto set = [](Count& gauge, size_t value) {
    gauge.store(value, std::memory_order_relaxed);
  };
  set(tally_.queued, queue_.queued());
  set(tally_.queued_bytes, queue_.queued_bytes());
  set(tally_.in_flight_calls, queue_.in_flight(FairQueue::Lane::kCalls));
  set(tally_.in_flight_transfers, queue_.in_flight(FairQueue::Lane::kTransfers));
  set(tally_.clients, queue_.clients());
}

}  // namespace ringway::proxy
