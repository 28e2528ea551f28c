#include "gateway/http_exchanges.h"

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
  const auto added = by_age_.emplace(by_age_.end(), config_, nonce, address_key, now.mono_ns);
  by_nonce_.emplace(nonce, added);
  return &*added;
}

void HttpExchanges::erase(const mtproto::Nonce& nonce) noexcept {
  if (const auto found = by_nonce_.find(nonce); found != by_nonce_.end()) drop(found->second);
}

void HttpExchanges::expire(Now now) noexcept {
  while (!by_age_.empty() && now.mono_ns - by_age_.front().started_ns > lifetime_ns_) {
    drop(by_age_.begin());
  }
}

void HttpExchanges::drop(List::iterator exchange) noexcept {
  const auto of_address = per_address_.find(exchange->address_key);
  if (--of_address->second == 0) per_address_.erase(of_address);
  by_nonce_.erase(exchange->nonce);
  by_age_.erase(exchange);
}

}  // namespace ringway::gateway
