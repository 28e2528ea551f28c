#include "gateway/session_table.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringway::gateway {
namespace {

ConnectionRef connection(uint64_t serial) {
  ConnectionRef ref;
  ref.set_worker(0);
  ref.set_serial(serial);
  return ref;
}

constexpr SessionKey kKey{11, 22};

TEST(SessionTable, ASessionEndsWithItsLastConnection) {
  SessionTable table;
  table.attach(kKey, connection(1)).second.announced = true;
  table.attach(kKey, connection(2));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_FALSE(table.detach(kKey, connection(1)).last);
  const auto ended = table.detach(kKey, connection(2));
  EXPECT_TRUE(ended.last);
  EXPECT_TRUE(ended.session.announced);
  EXPECT_EQ(table.find(kKey), nullptr);
}

TEST(SessionTable, DetachingAStrangerChangesNothing) {
  SessionTable table;
  table.attach(kKey, connection(1));
  EXPECT_FALSE(table.detach(kKey, connection(9)).last);
  EXPECT_FALSE(table.detach({11, 23}, connection(1)).last);
  EXPECT_NE(table.find(kKey), nullptr);
}

TEST(SessionTable, TheMostRecentlyActiveConnectionIsLast) {
  SessionTable table;
  Session& session = table.attach(kKey, connection(1)).second;
  table.attach(kKey, connection(2));
  table.attach(kKey, connection(3));
  EXPECT_EQ(session.connections.back().serial, 3U);
  SessionTable::touch(session, connection(1));
  EXPECT_EQ(session.connections.back().serial, 1U);
  EXPECT_EQ(session.connections.size(), 3U);
}

TEST(SessionTable, OneOfManyConnectionsLeaves) {
  SessionTable table;
  Session& session = table.attach(kKey, connection(1)).second;
  for (uint64_t serial = 2; serial <= 10; ++serial) table.attach(kKey, connection(serial));
  EXPECT_FALSE(table.detach(kKey, connection(5)).last);
  std::vector<uint64_t> serials;
  for (const ConnectionRef& ref : session.connections) serials.push_back(ref.serial);
  EXPECT_EQ(serials, (std::vector<uint64_t>{1, 2, 3, 4, 6, 7, 8, 9, 10}));
}

TEST(SessionTable, SessionsKeepTheirAddressWhileOthersComeAndGo) {
  SessionTable table;
  Session* session = &table.attach(kKey, connection(1)).second;
  for (int64_t id = 0; id < 1000; ++id) table.attach({id, id}, connection(2));
  for (int64_t id = 0; id < 1000; ++id) (void)table.detach({id, id}, connection(2));
  EXPECT_EQ(table.find(kKey), session);
}

}  // namespace
}  // namespace ringway::gateway
