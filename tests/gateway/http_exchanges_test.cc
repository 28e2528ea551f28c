// Key exchanges by their nonces: found wherever they come from, bounded, and gone in time.
#include "gateway/http_exchanges.h"

#include <gtest/gtest.h>

#include "mtproto/handshake_wire.h"

namespace ringway::gateway {
namespace {

mtproto::Nonce nonce_of(uint8_t number) {
  mtproto::Nonce nonce{};
  nonce[15] = number;
  return nonce;
}

TEST(HttpExchanges, AreFoundUntilTheyEnd) {
  const mtproto::HandshakeConfig config;
  HttpExchanges exchanges(&config, 60 * kNsPerSecond);
  bool evicted = true;
  HttpExchange* made = exchanges.begin(nonce_of(1), 7, Now{1, 1}, evicted);
  ASSERT_NE(made, nullptr);
  EXPECT_FALSE(evicted);
  EXPECT_EQ(exchanges.find(nonce_of(1)), made);
  EXPECT_EQ(exchanges.find(nonce_of(2)), nullptr);
  exchanges.expire(Now{60 * kNsPerSecond, 1});
  EXPECT_NE(exchanges.find(nonce_of(1)), nullptr);
  exchanges.expire(Now{61 * kNsPerSecond, 1});
  EXPECT_EQ(exchanges.find(nonce_of(1)), nullptr);
  ASSERT_NE(exchanges.begin(nonce_of(1), 7, Now{62 * kNsPerSecond, 1}, evicted), nullptr);
  exchanges.erase(nonce_of(1));
  exchanges.erase(nonce_of(1));
  EXPECT_EQ(exchanges.size(), 0U);
}

TEST(HttpExchanges, AnAddressHasItsShareAndTheOldestGoes) {
  const mtproto::HandshakeConfig config;
  HttpExchanges exchanges(&config, 60 * kNsPerSecond, 4, 2);
  bool evicted = false;
  ASSERT_NE(exchanges.begin(nonce_of(1), 7, Now{1, 1}, evicted), nullptr);
  ASSERT_NE(exchanges.begin(nonce_of(2), 7, Now{2, 1}, evicted), nullptr);
  EXPECT_EQ(exchanges.begin(nonce_of(3), 7, Now{3, 1}, evicted), nullptr);
  ASSERT_NE(exchanges.begin(nonce_of(3), 8, Now{3, 1}, evicted), nullptr);
  ASSERT_NE(exchanges.begin(nonce_of(4), 9, Now{4, 1}, evicted), nullptr);
  EXPECT_FALSE(evicted);
  ASSERT_NE(exchanges.begin(nonce_of(5), 9, Now{5, 1}, evicted), nullptr);
  EXPECT_TRUE(evicted);
  EXPECT_EQ(exchanges.size(), 4U);
  EXPECT_EQ(exchanges.find(nonce_of(1)), nullptr);
  // Its place in its address's share is free again.
  EXPECT_NE(exchanges.begin(nonce_of(6), 7, Now{6, 1}, evicted), nullptr);
  EXPECT_EQ(exchanges.find(nonce_of(2)), nullptr);
}

// Behind one address there may be many clients.
TEST(HttpExchanges, AFinishedOneDoesNotCountForItsAddress) {
  const mtproto::HandshakeConfig config;
  HttpExchanges exchanges(&config, 60 * kNsPerSecond, 8, 2);
  bool evicted = false;
  for (uint8_t number = 1; number <= 6; ++number) {
    HttpExchange* exchange = exchanges.begin(nonce_of(number), 7, Now{number, 1}, evicted);
    ASSERT_NE(exchange, nullptr) << int{number};
    exchanges.finish(*exchange);
    exchanges.finish(*exchange);
    EXPECT_EQ(exchanges.find(nonce_of(number)), exchange) << "its answer may be asked for again";
  }
  ASSERT_NE(exchanges.begin(nonce_of(7), 7, Now{7, 1}, evicted), nullptr);
  ASSERT_NE(exchanges.begin(nonce_of(8), 7, Now{8, 1}, evicted), nullptr);
  EXPECT_EQ(exchanges.begin(nonce_of(9), 7, Now{9, 1}, evicted), nullptr);
  exchanges.erase(nonce_of(1));
  EXPECT_EQ(exchanges.begin(nonce_of(9), 7, Now{9, 1}, evicted), nullptr) << "it did not count";
  exchanges.expire(Now{62 * kNsPerSecond, 1});
  EXPECT_EQ(exchanges.size(), 0U);
  EXPECT_NE(exchanges.begin(nonce_of(9), 7, Now{62 * kNsPerSecond, 1}, evicted), nullptr);
}

TEST(HttpExchanges, WhoWaitsForADroppedOneIsHandedOut) {
  const mtproto::HandshakeConfig config;
  HttpExchanges exchanges(&config, 60 * kNsPerSecond, 2, 2);
  EXPECT_EQ(exchanges.next_expiry_ns(), INT64_MAX);
  bool evicted = false;
  for (uint8_t number = 1; number <= 3; ++number) {
    HttpExchange* exchange = exchanges.begin(nonce_of(number), number, Now{number, 1}, evicted);
    ASSERT_NE(exchange, nullptr);
    exchange->waiter.set_serial(number);
  }
  EXPECT_TRUE(evicted);
  std::vector<ConnectionRef> waited = exchanges.take_unanswered();
  ASSERT_EQ(waited.size(), 1U);
  EXPECT_EQ(waited.front().serial, 1U);
  exchanges.find(nonce_of(2))->waiter = {};  // it has its answer
  EXPECT_LE(exchanges.next_expiry_ns(), 61 * kNsPerSecond);
  exchanges.expire(Now{62 * kNsPerSecond, 1});
  waited = exchanges.take_unanswered();
  ASSERT_EQ(waited.size(), 1U);
  EXPECT_EQ(waited.front().serial, 3U);
  EXPECT_EQ(exchanges.next_expiry_ns(), INT64_MAX);
}

}  // namespace
}  // namespace ringway::gateway
