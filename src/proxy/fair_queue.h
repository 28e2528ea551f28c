// proxy/fair_queue: whose call goes next when many clients share one session.
//
// A client's calls go in the order in which they came; among clients deficit round robin counts
// bytes, so that one that sends much waits longer than one that sends little. At most so many are
// in flight, in all and of each client. Uploads and downloads are a lane of their own, with its
// own order and limits. Calls are the caller's objects, linked into lists here: each operation
// takes constant time but a look at the clients that have something waiting.
//
// Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace ringway::proxy {

// A list of objects that bear its links.
template <typename T>
class LinkedList {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] T* front() const noexcept { return first_; }
  [[nodiscard]] size_t size() const noexcept { return size_; }
  void push_back(T& item) noexcept {
    item.link_previous = last_;
    item.link_next = nullptr;
    (last_ == nullptr ? first_ : last_->link_next) = &item;
    last_ = &item;
    ++size_;
  }
  void remove(T& item) noexcept {
    (item.link_previous == nullptr ? first_ : item.link_previous->link_next) = item.link_next;
    (item.link_next == nullptr ? last_ : item.link_next->link_previous) = item.link_previous;
    item.link_previous = item.link_next = nullptr;
    --size_;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  size_t size_ = 0;
};

class FairQueue {
 public:
  enum class Lane : uint8_t { kCalls, kTransfers };
  static constexpr size_t kLanes = 2;

  struct Flow;
  // What a caller's object derives from. It must stay where it is until it is removed or finished.
  struct Item {
    Item* link_previous = nullptr;
    Item* link_next = nullptr;
    Flow* flow = nullptr;  // of its client; null when it is not here
    size_t item_bytes = 0;
    bool item_in_flight = false;
    bool item_held = false;
  };

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue();

  // kFull: the client, or all of them together, have too much waiting. Held calls wait, too.
  Result<void> push(std::string_view client, Lane lane, Item& item, size_t bytes);
  // The next that may be sent, which then is in flight; null when there is none now.
  Item* next();
  // Takes out one that waits.
  void remove(Item& item);
  // One that is in flight is done.
  void finish(Item& item);
  // One in flight waits for something else and gives its place away, or goes on; it may then be one
  // more than there should be.
  void hold(Item& item, bool held);

  [[nodiscard]] size_t queued() const noexcept { return queued_; }
  [[nodiscard]] size_t queued_bytes() const noexcept { return queued_bytes_; }
  [[nodiscard]] size_t in_flight(Lane lane) const noexcept {
    return lanes_[static_cast<size_t>(lane)].in_flight;
  }
  [[nodiscard]] size_t clients() const noexcept { return clients_.size(); }

  // Each that waits; `visit(Item&)` changes nothing here.
  template <typename Visit>
  void each_queued(Visit visit);

  struct Client;
  // A client's calls of one lane.
  struct Flow {
    Flow* link_previous = nullptr;
    Flow* link_next = nullptr;
    Client* client = nullptr;
    Lane lane = Lane::kCalls;
    LinkedList<Item> items;
    size_t in_flight = 0;
    int64_t deficit = 0;
    bool in_ring = false;
    bool granted = false;  // it is its turn
  };
  struct Client {
    std::string name;
    size_t queued = 0;
    size_t queued_bytes = 0;
    size_t held = 0;
    size_t items = 0;  // queued, in flight or held
    std::array<Flow, kLanes> flows;
  };

 private:
  struct LaneState {
    LinkedList<Flow> ring;  // flows with something that waits and a place for it
    size_t in_flight = 0;
  };

  Client& client_of(std::string_view name);
  void forget_if_idle(Client& client);
  Item* next_of(Lane lane);
  Item* take(Flow& flow);
  void enter_ring(Flow& flow);
  void leave_ring(Flow& flow);
  void unqueue(Flow& flow, Item& item);
  void give_place(Flow& flow);

  std::unordered_map<std::string_view, std::unique_ptr<Client>> clients_;  // names are the clients'
  std::array<LaneState, kLanes> lanes_;
  size_t queued_ = 0;
  size_t queued_bytes_ = 0;
};

template <typename Visit>
void FairQueue::each_queued(Visit visit) {
  for (auto& [name, client] : clients_) {
    for (Flow& flow : client->flows) {
      for (Item* item = flow.items.front(); item != nullptr; item = item->link_next) visit(*item);
    }
  }
}

}  // namespace ringway::proxy
