#include "client/load_shared.h"

namespace ringway::client {

void KeyBoard::put(size_t slot, const SessionKey& key) {
  const std::lock_guard lock(mutex_);
  slots_[slot].key = key;
  slots_[slot].state = State::kMade;
  slots_[slot].stored = false;
}

void KeyBoard::put_stored(size_t slot, const SessionKey& key) {
  put(slot, key);
  const std::lock_guard lock(mutex_);
  slots_[slot].stored = true;
}

void KeyBoard::fail(size_t slot) {
  const std::lock_guard lock(mutex_);
  if (slots_[slot].state == State::kAwaited) slots_[slot].state = State::kFailed;
}

bool KeyBoard::renew(size_t slot, int64_t auth_key_id) {
  const std::lock_guard lock(mutex_);
  Slot& found = slots_[slot];
  if (!found.stored || found.key->auth_key_id != auth_key_id) return false;
  found = Slot();
  return true;
}

KeyBoard::State KeyBoard::state(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].state;
}

SessionKey KeyBoard::get(size_t slot) const {
  const std::lock_guard lock(mutex_);
  RW_ASSERT(slots_[slot].key.has_value());
  return *slots_[slot].key;
}

std::vector<SessionKey> KeyBoard::made() const {
  const std::lock_guard lock(mutex_);
  std::vector<SessionKey> keys;
  for (const Slot& slot : slots_) {
    if (slot.key) keys.push_back(*slot.key);
  }
  return keys;
}

void LoadVerdict::merge(const LoadVerdict& other) noexcept {
  sessions += other.sessions;
  sent += other.sent;
  acknowledged += other.acknowledged;
  arrived += other.arrived;
  lost += other.lost;
  surplus += other.surplus;
  mixed_up += other.mixed_up;
  out_of_order += other.out_of_order;
  unasked += other.unasked;
}

void LoadStats::merge(const LoadStats& with) {
  latency.merge(with.latency);
  other.merge(with.other);
  exchange.merge(with.exchange);
  sent += with.sent;
  completed += with.completed;
  unfinished += with.unfinished;
  overdue += with.overdue;
  unfinished_recorded += with.unfinished_recorded;
  for (const auto& [kind, count] : with.errors) errors[kind] += count;
  verdict.merge(with.verdict);
}

void LoadStats::reset() {
  latency.reset();
  other.reset();
  exchange.reset();
  sent = completed = unfinished = overdue = unfinished_recorded = 0;
  errors.clear();
  verdict = {};
}

LoadShared::LoadShared(const LoadOptions& run_options, const net::SocketAddress& run_target,
                       size_t slots)
    : options(run_options), target(run_target), keys(slots) {
  for (unsigned i = 0; i < options.threads; ++i) workers.push_back(std::make_unique<Slot>());
}

void LoadShared::begin_stage(const LoadStage& stage, int64_t end_ns) {
  {
    const std::lock_guard lock(stage_mutex_);
    stage_ = stage;
  }
  stage_end_ns.store(end_ns, std::memory_order_relaxed);
  settled.store(0, std::memory_order_relaxed);
  stage_number.fetch_add(1, std::memory_order_release);
}

LoadStage LoadShared::stage() const {
  const std::lock_guard lock(stage_mutex_);
  return stage_;
}

LoadStats LoadShared::collect() {
  LoadStats all;
  for (const auto& worker : workers) {
    const std::lock_guard lock(worker->mutex);
    all.merge(worker->stats);
    worker->stats.reset();
  }
  return all;
}

uint64_t LoadShared::under_way() const noexcept {
  uint64_t sum = 0;
  for (const auto& worker : workers) sum += worker->under_way.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace ringway::client
