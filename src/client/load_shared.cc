#include "client/load_shared.h"

namespace ringway::client {

void KeyBoard::put(size_t slot, const SessionKey& key) {
  const std::lock_guard lock(mutex_);
  slots_[slot].key = key;
  slots_[slot].state = State::kMade;
}

void KeyBoard::fail(size_t slot) {
  const std::lock_guard lock(mutex_);
  if (slots_[slot].state == State::kAwaited) slots_[slot].state = State::kFailed;
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

void LoadStats::merge(const LoadStats& other) {
  latency.merge(other.latency);
  exchange.merge(other.exchange);
  sent += other.sent;
  completed += other.completed;
  for (const auto& [kind, count] : other.errors) errors[kind] += count;
}

}  // namespace ringway::client
