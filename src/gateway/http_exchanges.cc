#include "gateway/http_exchanges.h"

#include <algorithm>

namespace ringway::gateway {

HttpExchange* HttpExchanges::find(const mtproto::Nonce& nonce) noexcept {
  const auto found = by_nonce_.find(nonce);
  return found == by_nonce_.end() ? nullptr : &*found->second;
}

HttpExchange* HttpExchanges::begin(const mtproto::Nonce& nonce, uint64_t address_key, Now now,
                                   bool& evicted) {
  evicted = false;
  size_t& of_address = per_address_[address_key];
  if (of_address >= per_address_max_) return nullptr;
  ++of_address;
  if (by_age_.size() >= exchanges_max_) {
    drop(by_age_.begin());
    evicted = true;
  }
  if (by_age_.empty()) next_expiry_ns_ = now.mono_ns + lifetime_ns_ + 1;
  const auto added =
      by_age_.emplace(by_age_.end(), config_, nonce, ++last_number_, address_key, now.mono_ns);
  by_nonce_.emplace(nonce, added);
  return &*added;
}

void HttpExchanges::erase(const mtproto::Nonce& nonce) noexcept {
  if (const auto found = by_nonce_.find(nonce); found != by_nonce_.end()) forget(found->second);
}

// The result of work that is under way comes, and its exchange is looked at again after that.
void HttpExchanges::expire(Now now) {
  if (now.mono_ns < next_expiry_ns_) return;
  for (auto at = by_age_.begin();
       at != by_age_.end() && now.mono_ns - at->started_ns > lifetime_ns_;) {
    const auto exchange = at++;
    if (!exchange->set.busy()) drop(exchange);
  }
  next_expiry_ns_ = INT64_MAX;
  if (by_age_.empty()) return;
  next_expiry_ns_ =
      std::max(by_age_.front().started_ns + lifetime_ns_ + 1, now.mono_ns + kExpiryStepNs);
}

void HttpExchanges::drop(List::iterator exchange) {
  if (exchange->waiter.serial != 0) unanswered_.push_back(exchange->waiter);
  forget(exchange);
}

void HttpExchanges::forget(List::iterator exchange) noexcept {
  uncount(*exchange);
  by_nonce_.erase(exchange->nonce);
  by_age_.erase(exchange);
}

void HttpExchanges::uncount(HttpExchange& exchange) noexcept {
  if (!std::exchange(exchange.counted, false)) return;
  const auto of_address = per_address_.find(exchange.address_key);
  if (--of_address->second == 0) per_address_.erase(of_address);
}

}  // namespace ringway::gateway
