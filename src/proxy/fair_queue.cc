#include "proxy/fair_queue.h"

#include <algorithm>

#include "base/assert.h"
#include "proxy/limits.h"

namespace ringway::proxy {
namespace {

struct LaneLimits {
  size_t in_flight;
  size_t in_flight_per_client;
};

constexpr std::array<LaneLimits, FairQueue::kLanes> kLaneLimits = {{
    {kCallsInFlightMax, kCallsInFlightPerClientMax},
    {kTransfersInFlightMax, kTransfersInFlightPerClientMax},
}};

constexpr const LaneLimits& limits_of(FairQueue::Lane lane) noexcept {
  return kLaneLimits[static_cast<size_t>(lane)];
}

int64_t cost_of(const FairQueue::Item& item) noexcept {
  return std::max<int64_t>(static_cast<int64_t>(item.item_bytes), kQuantumBytes);
}

}  // namespace

FairQueue::~FairQueue() { RW_ASSERT(clients_.empty()); }

FairQueue::Client& FairQueue::client_of(std::string_view name) {
  const auto found = clients_.find(name);
  if (found != clients_.end()) return *found->second;
  auto client = std::make_unique<Client>();
  client->name = name;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    client->flows[lane].client = client.get();
    client->flows[lane].lane = static_cast<Lane>(lane);
  }
  Client& made = *client;
  clients_.emplace(made.name, std::move(client));
  return made;
}

void FairQueue::forget_if_idle(Client& client) {
  if (client.items == 0) clients_.erase(clients_.find(client.name));
}

Result<void> FairQueue::push(std::string_view client_name, Lane lane, Item& item, size_t bytes) {
  RW_ASSERT(item.flow == nullptr);
  if (queued_ >= kQueuedCallsMax || bytes > kQueuedBytesMax - queued_bytes_) return Error::kFull;
  Client& client = client_of(client_name);
  if (client.queued + client.held >= kQueuedCallsPerClientMax ||
      bytes > kQueuedBytesPerClientMax - client.queued_bytes) {
    // A client that has nothing here yet may still bring more than it may have.
    forget_if_idle(client);
    return Error::kFull;
  }
  Flow& flow = client.flows[static_cast<size_t>(lane)];
  item.flow = &flow;
  item.item_bytes = bytes;
  item.item_in_flight = false;
  item.item_held = false;
  flow.items.push_back(item);
  ++client.items;
  ++client.queued;
  client.queued_bytes += bytes;
  ++queued_;
  queued_bytes_ += bytes;
  enter_ring(flow);
  return {};
}

void FairQueue::enter_ring(Flow& flow) {
  if (flow.in_ring || flow.items.empty()) return;
  if (flow.in_flight >= limits_of(flow.lane).in_flight_per_client) return;
  flow.in_ring = true;
  flow.granted = false;
  lanes_[static_cast<size_t>(flow.lane)].ring.push_back(flow);
}

void FairQueue::leave_ring(Flow& flow) {
  if (!flow.in_ring) return;
  flow.in_ring = false;
  lanes_[static_cast<size_t>(flow.lane)].ring.remove(flow);
  // Who has nothing that waits saves nothing up.
  if (flow.items.empty()) flow.deficit = 0;
}

void FairQueue::unqueue(Flow& flow, Item& item) {
  flow.items.remove(item);
  --flow.client->queued;
  flow.client->queued_bytes -= item.item_bytes;
  --queued_;
  queued_bytes_ -= item.item_bytes;
  if (flow.items.empty()) leave_ring(flow);
}

FairQueue::Item* FairQueue::next() {
  Item* item = next_of(Lane::kCalls);
  return item != nullptr ? item : next_of(Lane::kTransfers);
}

FairQueue::Item* FairQueue::next_of(Lane lane) {
  LaneState& state = lanes_[static_cast<size_t>(lane)];
  if (state.in_flight >= limits_of(lane).in_flight) return nullptr;
  while (!state.ring.empty()) {
    int64_t missing_min = INT64_MAX;
    for (size_t visits = state.ring.size(); visits > 0; --visits) {
      Flow& flow = *state.ring.front();
      if (!flow.granted) {
        flow.granted = true;
        flow.deficit += kQuantumBytes;
      }
      const int64_t cost = cost_of(*flow.items.front());
      if (flow.deficit >= cost) return take(flow);
      missing_min = std::min(missing_min, cost - flow.deficit);
      flow.granted = false;
      state.ring.remove(flow);
      state.ring.push_back(flow);
    }
    // Nobody's turn was enough: all the rounds until somebody's is, at once. The last of them is
    // the one that is granted above.
    const int64_t rounds = (missing_min - 1) / kQuantumBytes;
    for (Flow* flow = state.ring.front(); flow != nullptr; flow = flow->link_next) {
      flow->deficit += rounds * kQuantumBytes;
    }
  }
  return nullptr;
}

FairQueue::Item* FairQueue::take(Flow& flow) {
  Item& item = *flow.items.front();
  flow.deficit -= cost_of(item);
  item.item_in_flight = true;
  ++flow.in_flight;
  ++lanes_[static_cast<size_t>(flow.lane)].in_flight;
  unqueue(flow, item);
  if (flow.in_flight >= limits_of(flow.lane).in_flight_per_client) leave_ring(flow);
  return &item;
}

void FairQueue::remove(Item& item) {
  RW_ASSERT(item.flow != nullptr && !item.item_in_flight);
  Flow& flow = *item.flow;
  item.flow = nullptr;
  unqueue(flow, item);
  --flow.client->items;
  forget_if_idle(*flow.client);
}

void FairQueue::give_place(Flow& flow) {
  --lanes_[static_cast<size_t>(flow.lane)].in_flight;
  --flow.in_flight;
  enter_ring(flow);
}

void FairQueue::finish(Item& item) {
  RW_ASSERT(item.flow != nullptr && item.item_in_flight);
  Flow& flow = *item.flow;
  item.flow = nullptr;
  item.item_in_flight = false;
  if (item.item_held) {
    --flow.client->held;
  } else {
    give_place(flow);
  }
  item.item_held = false;
  --flow.client->items;
  forget_if_idle(*flow.client);
}

void FairQueue::hold(Item& item, bool held) {
  RW_ASSERT(item.flow != nullptr && item.item_in_flight);
  if (item.item_held == held) return;
  item.item_held = held;
  Flow& flow = *item.flow;
  if (held) {
    ++flow.client->held;
    give_place(flow);
    return;
  }
  --flow.client->held;
  ++flow.in_flight;
  ++lanes_[static_cast<size_t>(flow.lane)].in_flight;
  if (flow.in_flight >= limits_of(flow.lane).in_flight_per_client) leave_ring(flow);
}

}  // namespace ringway::proxy
