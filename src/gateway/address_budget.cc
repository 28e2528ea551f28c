#include "gateway/address_budget.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"

namespace ringway::gateway {
namespace {

constexpr double kNsPerSecondF = 1e9;
// The longest that an address can be made to wait for having overdrawn its budget.
constexpr double kDebtSecondsMax = 10;

}  // namespace

AddressBudget::AddressBudget(uint32_t handshakes_per_second, uint32_t unknown_keys_per_second,
                             uint32_t tls_handshakes_per_second)
    : rates_{static_cast<double>(handshakes_per_second),
             static_cast<double>(unknown_keys_per_second),
             static_cast<double>(tls_handshakes_per_second)} {}

uint64_t AddressBudget::key_of(const net::PeerAddress& address) noexcept {
  if (address.is_v4()) return address.ip_hash();
  net::PeerAddress network = address;
  std::fill(network.ip.begin() + 8, network.ip.end(), uint8_t{0});
  return network.ip_hash();
}

uint64_t AddressBudget::key_of(const net::PeerAddress& address,
                               uint64_t connection_serial) noexcept {
  if (address.is_known()) return key_of(address);
  net::PeerAddress nobody;  // 0::/64 is nobody's network
  store_le(nobody.ip.data() + 8, connection_serial);
  return nobody.ip_hash();
}

AddressBudget::Entry& AddressBudget::entry_of(Stripe& stripe, uint64_t address_key,
                                              int64_t now_ns) {
  const auto found = stripe.index.find(address_key);
  if (found != stripe.index.end()) {
    Entry& entry = *found->second;
    stripe.entries.splice(stripe.entries.end(), stripe.entries, found->second);
    const double passed_s =
        static_cast<double>(std::max<int64_t>(now_ns - entry.refilled_ns, 0)) / kNsPerSecondF;
    for (size_t kind = 0; kind < kBudgetKinds; ++kind) {
      entry.tokens[kind] = std::min(rates_[kind], entry.tokens[kind] + passed_s * rates_[kind]);
    }
    entry.refilled_ns = now_ns;
    return entry;
  }
  if (stripe.entries.size() >= kAddressBudgetEntries / kStripes) {
    const auto quiet = std::find_if(stripe.entries.begin(), stripe.entries.end(),
                                    [](const Entry& entry) { return entry.connections == 0; });
    if (quiet != stripe.entries.end()) {
      stripe.index.erase(quiet->address_key);
      stripe.entries.erase(quiet);
    }
  }
  stripe.entries.push_back({address_key, rates_, now_ns, 0});
  stripe.index[address_key] = std::prev(stripe.entries.end());
  return stripe.entries.back();
}

bool AddressBudget::take(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns) {
  const auto index = static_cast<size_t>(kind);
  if (rates_[index] <= 0 || !address.is_known()) return true;
  const uint64_t key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  double& tokens = entry_of(stripe, key, now_ns).tokens[index];
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

bool AddressBudget::has_left(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns) {
  const auto index = static_cast<size_t>(kind);
  if (rates_[index] <= 0 || !address.is_known()) return true;
  const uint64_t key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  return entry_of(stripe, key, now_ns).tokens[index] >= 1;
}

void AddressBudget::charge(BudgetKind kind, const net::PeerAddress& address, int64_t now_ns) {
  const auto index = static_cast<size_t>(kind);
  if (rates_[index] <= 0 || !address.is_known()) return;
  const uint64_t key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  double& tokens = entry_of(stripe, key, now_ns).tokens[index];
  tokens = std::max(tokens - 1, -kDebtSecondsMax * rates_[index]);
}

bool AddressBudget::open_connection(const net::PeerAddress& address, uint32_t limit,
                                    int64_t now_ns) {
  if (!address.is_known()) return true;
  const uint64_t key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  Entry& entry = entry_of(stripe, key, now_ns);
  if (limit != 0 && entry.connections >= limit) return false;
  ++entry.connections;
  return true;
}

void AddressBudget::close_connection(const net::PeerAddress& address) {
  if (!address.is_known()) return;
  const uint64_t key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.index.find(key);
  if (found != stripe.index.end() && found->second->connections != 0) --found->second->connections;
}

size_t AddressBudget::size() {
  size_t total = 0;
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    total += stripe.entries.size();
  }
  return total;
}

}  // namespace ringway::gateway
