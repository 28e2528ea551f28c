#include "gateway/address_budget.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::gateway {
namespace {

net::PeerAddress v4(uint32_t host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  return net::PeerAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&address));
}

net::PeerAddress v6(uint8_t network, uint8_t host) {
  net::PeerAddress address;
  address.ip[0] = 0x20;
  address.ip[1] = 0x01;
  address.ip[7] = network;
  address.ip[15] = host;
  return address;
}

constexpr auto kHandshake = BudgetKind::kHandshake;
constexpr auto kUnknown = BudgetKind::kUnknownKey;

TEST(AddressBudget, ASecondsWorthThenTheRate) {
  AddressBudget budget(5, 0, 0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(budget.take(kHandshake, v4(1), 0));
  EXPECT_FALSE(budget.take(kHandshake, v4(1), 0));
  EXPECT_TRUE(budget.take(kHandshake, v4(2), 0)) << "addresses do not share";
  EXPECT_TRUE(budget.take(kHandshake, v4(1), kNsPerSecond / 5));
  EXPECT_FALSE(budget.take(kHandshake, v4(1), kNsPerSecond / 5));
}

TEST(AddressBudget, KindsAreCountedApart) {
  AddressBudget budget(1, 1, 0);
  EXPECT_TRUE(budget.take(kHandshake, v4(1), 0));
  EXPECT_TRUE(budget.take(kUnknown, v4(1), 0));
  EXPECT_FALSE(budget.take(kUnknown, v4(1), 0));
}

TEST(AddressBudget, ZeroIsNoLimit) {
  AddressBudget budget(0, 1, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(budget.take(kHandshake, v4(1), 0));
}

TEST(AddressBudget, ChargesBeyondZeroArePaidBackByWaiting) {
  AddressBudget budget(0, 10, 0);
  for (int i = 0; i < 30; ++i) budget.charge(kUnknown, v4(1), 0);
  EXPECT_FALSE(budget.has_left(kUnknown, v4(1), 0));
  EXPECT_FALSE(budget.has_left(kUnknown, v4(1), 2 * kNsPerSecond));
  EXPECT_TRUE(budget.has_left(kUnknown, v4(1), 3 * kNsPerSecond));
  for (int i = 0; i < 100'000; ++i) budget.charge(kUnknown, v4(1), 3 * kNsPerSecond);
  EXPECT_TRUE(budget.has_left(kUnknown, v4(1), 14 * kNsPerSecond)) << "the debt has a limit";
}

TEST(AddressBudget, AnIpv6NetworkIsOneClient) {
  AddressBudget budget(1, 0, 0);
  EXPECT_TRUE(budget.take(kHandshake, v6(1, 1), 0));
  EXPECT_FALSE(budget.take(kHandshake, v6(1, 2), 0));
  EXPECT_TRUE(budget.take(kHandshake, v6(2, 1), 0));
}

TEST(AddressBudget, ConnectionsAreCounted) {
  AddressBudget budget(0, 0, 0);
  EXPECT_TRUE(budget.open_connection(v4(1), 2, 0));
  EXPECT_TRUE(budget.open_connection(v4(1), 2, 0));
  EXPECT_FALSE(budget.open_connection(v4(1), 2, 0));
  budget.close_connection(v4(1));
  EXPECT_TRUE(budget.open_connection(v4(1), 2, 0));
}

TEST(AddressBudget, EachKindHasItsOwn) {
  AddressBudget budget(1, 1, 2);
  EXPECT_TRUE(budget.take(kHandshake, v4(1), 0));
  EXPECT_TRUE(budget.take(kUnknown, v4(1), 0));
  EXPECT_TRUE(budget.take(BudgetKind::kTlsHandshake, v4(1), 0));
  EXPECT_TRUE(budget.take(BudgetKind::kTlsHandshake, v4(1), 0));
  EXPECT_FALSE(budget.take(BudgetKind::kTlsHandshake, v4(1), 0));
  EXPECT_FALSE(budget.take(kHandshake, v4(1), 0));
  EXPECT_TRUE(budget.take(BudgetKind::kTlsHandshake, v4(1), kNsPerSecond / 2));
}

TEST(AddressBudget, WhoHasNoAddressIsNotCounted) {
  AddressBudget budget(1, 1, 1);
  net::PeerAddress nobody;
  nobody.by_unix_socket = true;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(budget.take(kHandshake, nobody, 0));
    EXPECT_TRUE(budget.has_left(kUnknown, nobody, 0));
    budget.charge(kUnknown, nobody, 0);
    EXPECT_TRUE(budget.open_connection(nobody, 1, 0));
  }
  budget.close_connection(nobody);
  EXPECT_EQ(budget.size(), 0U);
  EXPECT_NE(AddressBudget::key_of(nobody, 1), AddressBudget::key_of(nobody, 2));
  EXPECT_EQ(AddressBudget::key_of(v4(1), 1), AddressBudget::key_of(v4(1), 2));
  EXPECT_EQ(AddressBudget::key_of(v4(1), 1), AddressBudget::key_of(v4(1)));
}

TEST(AddressBudget, ZerosAreAnAddressLikeAnyOther) {
  AddressBudget budget(1, 1, 1);
  const net::PeerAddress zeros;
  EXPECT_TRUE(budget.take(kHandshake, zeros, 0));
  EXPECT_FALSE(budget.take(kHandshake, zeros, 0));
  EXPECT_TRUE(budget.open_connection(zeros, 1, 0));
  EXPECT_FALSE(budget.open_connection(zeros, 1, 0));
}

TEST(AddressBudget, TheTableIsBounded) {
  AddressBudget budget(1, 0, 0);
  for (uint32_t host = 0; host < 2 * kAddressBudgetEntries; ++host) {
    (void)budget.take(kHandshake, v4(host), 0);
  }
  EXPECT_LE(budget.size(), kAddressBudgetEntries);
}

TEST(AddressBudget, ThreadsTogetherTakeNoMoreThanThereIs) {
  AddressBudget budget(100, 0, 0);
  std::vector<std::thread> threads;
  std::atomic<int> taken{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) taken += budget.take(kHandshake, v4(1), 0) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 100);
}

}  // namespace
}  // namespace ringway::gateway
