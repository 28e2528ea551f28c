#include "proxy/fair_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "proxy/limits.h"

namespace ringway::proxy {
namespace {

using Lane = FairQueue::Lane;

struct Call : FairQueue::Item {
  std::string client;
  int number = 0;
};

class FairQueueTest : public ::testing::Test {
 protected:
  ~FairQueueTest() override {
    for (auto& call : calls_) {
      if (call->flow == nullptr) continue;
      if (call->item_in_flight) {
        queue_.finish(*call);
      } else {
        queue_.remove(*call);
      }
    }
    EXPECT_EQ(queue_.clients(), 0U);
    EXPECT_EQ(queue_.queued_bytes(), 0U);
  }
  Call* push(const std::string& client, size_t bytes = 100, Lane lane = Lane::kCalls) {
    auto call = std::make_unique<Call>();
    call->client = client;
    call->number = next_number_++;
    if (!queue_.push(client, lane, *call, bytes)) return nullptr;
    calls_.push_back(std::move(call));
    return calls_.back().get();
  }
  Call* next() { return static_cast<Call*>(queue_.next()); }

  FairQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
  int next_number_ = 0;
};

TEST_F(FairQueueTest, SmallCallsOfAllClientsTakeTurns) {
  for (int i = 0; i < 10; ++i) push("greedy");
  for (int i = 0; i < 2; ++i) push("modest");
  push("single");
  std::string order;
  for (int i = 0; i < 13; ++i) {
    Call* call = next();
    ASSERT_NE(call, nullptr);
    order += call->client[0];
    queue_.finish(*call);
  }
  EXPECT_EQ(order, "gmsgmgggggggg");
  EXPECT_EQ(next(), nullptr);
}

TEST_F(FairQueueTest, BytesCountAndNotCalls) {
  for (int i = 0; i < 50; ++i) push("large", 10 * 1024);
  for (int i = 0; i < 200; ++i) push("small", 1024);
  std::map<std::string, size_t> bytes;
  for (int i = 0; i < 110; ++i) {
    Call* call = next();
    bytes[call->client] += call->item_bytes;
    queue_.finish(*call);
  }
  EXPECT_NEAR(static_cast<double>(bytes["large"]), static_cast<double>(bytes["small"]), 12 * 1024);
}

TEST_F(FairQueueTest, WindowsBoundWhatIsInFlight) {
  for (size_t i = 0; i < kCallsInFlightPerClientMax + 1; ++i) push("a");
  std::vector<Call*> started;
  while (Call* call = next()) started.push_back(call);
  EXPECT_EQ(started.size(), kCallsInFlightPerClientMax);
  for (int client = 0; client < 10; ++client) {
    for (size_t i = 0; i < kCallsInFlightPerClientMax; ++i) push("c" + std::to_string(client));
  }
  while (Call* call = next()) started.push_back(call);
  EXPECT_EQ(started.size(), kCallsInFlightMax);
  EXPECT_EQ(queue_.in_flight(Lane::kCalls), kCallsInFlightMax);
  // Transfers have their own.
  for (size_t i = 0; i < kTransfersInFlightPerClientMax + 1; ++i) push("a", 1, Lane::kTransfers);
  size_t transfers = 0;
  while (Call* call = next()) {
    EXPECT_EQ(call->client, "a");
    ++transfers;
  }
  EXPECT_EQ(transfers, kTransfersInFlightPerClientMax);
  // A place that is given back goes to whose turn it is.
  queue_.finish(*started[0]);
  EXPECT_NE(next(), nullptr);
  EXPECT_EQ(next(), nullptr);
}

TEST_F(FairQueueTest, HeldCallsGiveTheirPlaceAway) {
  std::vector<Call*> started;
  for (size_t i = 0; i < 2 * kCallsInFlightPerClientMax; ++i) push("a");
  while (Call* call = next()) started.push_back(call);
  ASSERT_EQ(started.size(), kCallsInFlightPerClientMax);
  queue_.hold(*started[0], true);
  queue_.hold(*started[0], true);
  Call* another = next();
  ASSERT_NE(another, nullptr);
  EXPECT_EQ(next(), nullptr);
  queue_.hold(*started[0], false);  // one too many now
  EXPECT_EQ(queue_.in_flight(Lane::kCalls), kCallsInFlightPerClientMax + 1);
  queue_.finish(*another);
  EXPECT_EQ(next(), nullptr);
  queue_.finish(*started[0]);
  EXPECT_NE(next(), nullptr);
  // One that ends while it is held.
  queue_.hold(*started[1], true);
  EXPECT_NE(next(), nullptr);
  queue_.finish(*started[1]);
  EXPECT_EQ(next(), nullptr);
}

TEST_F(FairQueueTest, WhatWaitsIsBounded) {
  for (size_t i = 0; i < kQueuedCallsPerClientMax; ++i) ASSERT_NE(push("many"), nullptr);
  EXPECT_EQ(push("many"), nullptr);
  EXPECT_NE(push("large", kQueuedBytesPerClientMax), nullptr);
  EXPECT_EQ(push("large", 1), nullptr);
  EXPECT_EQ(push("too large", kQueuedBytesPerClientMax + 1), nullptr);
  EXPECT_EQ(queue_.clients(), 2U);
  size_t clients = 2;
  while (push("c" + std::to_string(clients), kQueuedBytesPerClientMax) != nullptr) ++clients;
  EXPECT_LE(queue_.queued_bytes(), kQueuedBytesMax);
  EXPECT_GT(queue_.queued_bytes(), kQueuedBytesMax - kQueuedBytesPerClientMax);
}

TEST_F(FairQueueTest, HugeCallsDoNotTakeRoundsWithoutEnd) {
  for (int client = 0; client < 10; ++client) {
    push("c" + std::to_string(client), kQueuedBytesPerClientMax - size_t{5000} * client);
  }
  for (int i = 0; i < 10; ++i) {
    Call* call = next();
    ASSERT_NE(call, nullptr);
    EXPECT_EQ(call->client, "c" + std::to_string(9 - i));  // the smallest saved up enough first
    queue_.finish(*call);
  }
}

// Against a plain model: order within each client and lane, windows, nothing lost or doubled; and
// what clients with much to send get is even.
TEST_F(FairQueueTest, DrawnAtRandom) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::minstd_rand random(seed);
    const auto draw = [&](size_t below) { return random() % below; };
    std::map<std::pair<std::string, Lane>, std::deque<Call*>> waiting;
    std::vector<Call*> in_flight;
    std::map<std::string, int64_t> sent;
    const size_t clients = 1 + draw(12);
    const auto forget = [](auto& from, size_t at) {
      Call* call = from[at];
      from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
      return call;
    };
    for (int step = 0; step < 400; ++step) {
      switch (draw(6)) {
        case 0:
        case 1: {
          const std::string client = "c" + std::to_string(draw(clients));
          const Lane lane = draw(4) == 0 ? Lane::kTransfers : Lane::kCalls;
          if (Call* call = push(client, draw(5000), lane)) waiting[{client, lane}].push_back(call);
          break;
        }
        case 2: {
          Call* call = next();
          if (call == nullptr) break;
          auto& line = waiting[{call->client, call->flow->lane}];
          ASSERT_FALSE(line.empty());
          ASSERT_EQ(line.front(), call) << "seed " << seed;
          line.pop_front();
          in_flight.push_back(call);
          break;
        }
        case 3:
          if (!in_flight.empty()) queue_.finish(*forget(in_flight, draw(in_flight.size())));
          break;
        case 4:
          for (auto& [key, line] : waiting) {
            if (line.empty() || draw(8) != 0) continue;
            queue_.remove(*forget(line, draw(line.size())));
          }
          break;
        default:
          if (!in_flight.empty()) {
            Call* call = in_flight[draw(in_flight.size())];
            queue_.hold(*call, !call->item_held);
          }
      }
      size_t count = 0;
      queue_.each_queued([&](FairQueue::Item&) { ++count; });
      size_t expected = 0;
      for (const auto& [key, line] : waiting) expected += line.size();
      ASSERT_EQ(queue_.queued(), expected);
      ASSERT_EQ(count, expected);
    }
    // All of it comes out in the end.
    while (!in_flight.empty() || queue_.queued() != 0) {
      while (Call* call = next()) {
        auto& line = waiting[{call->client, call->flow->lane}];
        ASSERT_EQ(line.front(), call);
        line.pop_front();
        in_flight.push_back(call);
      }
      ASSERT_FALSE(in_flight.empty()) << "seed " << seed;
      queue_.finish(*forget(in_flight, draw(in_flight.size())));
    }
    ASSERT_EQ(queue_.clients(), 0U);
    calls_.clear();
  }
}

TEST_F(FairQueueTest, ClientsWithEnoughToSendGetTheSame) {
  std::minstd_rand random(7);
  std::map<std::string, size_t> bytes;
  std::vector<std::string> clients;
  std::array<size_t, 8> waiting{};
  for (int i = 0; i < 8; ++i) clients.push_back("c" + std::to_string(i));
  std::vector<Call*> in_flight;
  for (int step = 0; step < 20'000; ++step) {
    // Each has sizes of its own kind.
    for (size_t i = 0; i < clients.size(); ++i) {
      for (; waiting[i] < 32; ++waiting[i]) push(clients[i], 1024 + random() % (1 + 300 * i));
    }
    while (Call* call = next()) {
      bytes[call->client] += call->item_bytes;
      --waiting[static_cast<size_t>(call->client[1] - '0')];
      in_flight.push_back(call);
    }
    ASSERT_FALSE(in_flight.empty());
    // The oldest first: by chance a client would now and then have as many in flight as it may.
    queue_.finish(*in_flight.front());
    in_flight.erase(in_flight.begin());
    if (calls_.size() > 10'000) {
      std::erase_if(calls_, [](const auto& call) { return call->flow == nullptr; });
    }
  }
  size_t least = SIZE_MAX;
  size_t most = 0;
  for (const auto& [client, sent] : bytes) {
    least = std::min(least, sent);
    most = std::max(most, sent);
  }
  EXPECT_EQ(bytes.size(), clients.size());
  EXPECT_LT(most - least, most / 20);
}

}  // namespace
}  // namespace ringway::proxy
