// Keys in memory and in the file, across restarts, and the table of sessions above them.
#include "shard/key_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/limits.h"
#include "shard/recent_ids.h"
#include "shard/session_table.h"

namespace ringway::shard {
namespace {

KeyRecord record_of(int64_t id, uint8_t fill) {
  KeyRecord record;
  record.auth_key_id = id;
  record.perm_auth_key_id = id;
  record.first_salt = {100, 200, id * 3};
  std::memset(record.auth_key.data(), fill, record.auth_key.size());
  return record;
}

bool insert(KeyStore& store, const KeyRecord& record) {
  std::promise<bool> stored;
  store.insert(record, [&](bool done) { stored.set_value(done); });
  return stored.get_future().get();
}

class DataDir {
 public:
  DataDir() {
    char name[] = "/tmp/ringway-key-store-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~DataDir() { std::filesystem::remove_all(path_); }
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;
  [[nodiscard]] std::string path() const { return path_ + "/data"; }

 private:
  std::string path_;
};

void expect_store_rules(KeyStore& store) {
  EXPECT_EQ(store.find(1, 0).error(), Error::kNotFound);
  EXPECT_TRUE(insert(store, record_of(1, 0xaa)));
  EXPECT_TRUE(insert(store, record_of(1, 0xaa))) << "the same key again";
  EXPECT_FALSE(insert(store, record_of(1, 0xbb))) << "another key under a known id";
  EXPECT_EQ(store.find(1, 0)->auth_key.data()[255], 0xaa);
  KeyRecord temporary = record_of(2, 0xcc);
  temporary.expires_at = 500;
  EXPECT_TRUE(insert(store, temporary));
  EXPECT_TRUE(store.find(2, 499).ok());
  EXPECT_EQ(store.find(2, 500).error(), Error::kNotFound);
}

TEST(KeyStore, RulesInMemory) { expect_store_rules(*make_memory_key_store()); }

TEST(KeyStore, RulesInTheFile) {
  const DataDir dir;
  const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
  ASSERT_NE(opened.store, nullptr) << opened.failure;
  expect_store_rules(*opened.store);
}

TEST(KeyStore, EveryFieldSurvivesARestart) {
  const DataDir dir;
  KeyRecord record = record_of(-77, 0x5a);
  record.auth_key_type = 1;
  record.perm_auth_key_id = 11;
  record.temp_auth_key_id = 12;
  record.media_temp_auth_key_id = 13;
  record.expires_at = 5000;
  {
    const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
    ASSERT_NE(opened.store, nullptr) << opened.failure;
    ASSERT_TRUE(insert(*opened.store, record));
  }
  const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
  ASSERT_NE(opened.store, nullptr) << opened.failure;
  const auto found = opened.store->find(-77, 1);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->auth_key_type, 1);
  EXPECT_EQ(found->perm_auth_key_id, 11);
  EXPECT_EQ(found->temp_auth_key_id, 12);
  EXPECT_EQ(found->media_temp_auth_key_id, 13);
  EXPECT_EQ(found->expires_at, 5000);
  EXPECT_EQ(found->first_salt.valid_since, 100);
  EXPECT_EQ(found->first_salt.valid_until, 200);
  EXPECT_EQ(found->first_salt.salt, -231);
  EXPECT_TRUE(equal(found->auth_key.view(), record.auth_key.view()));
}

void expect_bindings(KeyStore& store) {
  KeyRecord temporary = record_of(2, 0xcc);
  temporary.auth_key_type = 1;
  temporary.perm_auth_key_id = 0;
  ASSERT_TRUE(insert(store, temporary));
  for (const int64_t perm : {11, 12, 11, 13}) {
    EXPECT_TRUE(store.bind(2, perm));
    EXPECT_EQ(store.find(2, 0)->perm_auth_key_id, perm) << "shown at once";
  }
}

TEST(KeyStore, BindingsShowAtOnceInMemory) {
  const auto store = make_memory_key_store();
  expect_bindings(*store);
  EXPECT_FALSE(store->bind(3, 11)) << "no such key";
}

TEST(KeyStore, BindingsShowAtOnceAndSurviveARestart) {
  const DataDir dir;
  {
    const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
    ASSERT_NE(opened.store, nullptr) << opened.failure;
    expect_bindings(*opened.store);
    EXPECT_TRUE(insert(*opened.store, record_of(5, 1))) << "and other writes go on";
    EXPECT_EQ(opened.store->find(2, 0)->perm_auth_key_id, 13);
    opened.store->stop();
    EXPECT_FALSE(opened.store->bind(2, 14));
  }
  const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
  ASSERT_NE(opened.store, nullptr) << opened.failure;
  EXPECT_EQ(opened.store->find(2, 0)->perm_auth_key_id, 13);
  EXPECT_EQ(opened.store->find(2, 0)->auth_key_type, 1);
}

TEST(KeyStore, TheFileIsForItsOwnerAlone) {
  const DataDir dir;
  const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
  ASSERT_NE(opened.store, nullptr) << opened.failure;
  struct stat status {};
  ASSERT_EQ(stat((dir.path() + "/keys.mdb").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(KeyStore, AnUnusableDirectoryIsNamed) {
  const DataDir dir;
  const OpenedKeyStore opened = open_lmdb_key_store("/dev/null/keys");
  EXPECT_EQ(opened.store, nullptr);
  EXPECT_NE(opened.failure.find("/dev/null/keys"), std::string::npos);
}

TEST(KeyStore, ManyWritersShareCommits) {
  const DataDir dir;
  const OpenedKeyStore opened = open_lmdb_key_store(dir.path());
  ASSERT_NE(opened.store, nullptr) << opened.failure;
  constexpr int64_t kEach = 500;
  std::atomic<int64_t> stored{0};
  std::vector<std::thread> writers;
  for (int64_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int64_t i = 0; i < kEach; ++i) {
        opened.store->insert(record_of(writer * kEach + i, 1),
                             [&](bool done) { stored += done ? 1 : 0; });
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  opened.store->stop();
  EXPECT_EQ(stored.load(), 4 * kEach) << "what waited when it stopped was committed";
  for (int64_t id = 0; id < 4 * kEach; ++id) ASSERT_TRUE(opened.store->find(id, 0).ok());
  EXPECT_FALSE(insert(*opened.store, record_of(9999, 1))) << "after the stop";
}

TEST(RecentIds, KeepsOrderAndForgetsTheOlderHalf) {
  RecentIds ids;
  EXPECT_EQ(ids.look(8), RecentIds::Seen::kNew);
  ids.add(8, false);
  ids.add(16, true);
  ids.add(12, false);
  EXPECT_EQ(ids.look(8), RecentIds::Seen::kMessage);
  EXPECT_EQ(ids.look(12), RecentIds::Seen::kMessage);
  EXPECT_EQ(ids.look(16), RecentIds::Seen::kContainer);
  EXPECT_EQ(ids.look(4), RecentIds::Seen::kNew);
  EXPECT_EQ(ids.look(20), RecentIds::Seen::kNew);
  EXPECT_EQ(ids.highest(), 16);
  for (int64_t i = 0; i < static_cast<int64_t>(kShardRecentIdsMax); ++i) ids.add(20 + 4 * i, false);
  EXPECT_EQ(ids.look(8), RecentIds::Seen::kForgotten);
  EXPECT_EQ(ids.look(4), RecentIds::Seen::kForgotten);
  EXPECT_EQ(ids.look(20 + 4 * (static_cast<int64_t>(kShardRecentIdsMax) - 1)),
            RecentIds::Seen::kMessage);
}

TEST(Salts, TheFirstOneHoldsWhileItIsValid) {
  Salts salts(Bytes(256, 1), {1000, 1000 + 1800, 42});
  EXPECT_EQ(salts.current(1000), 42);
  EXPECT_TRUE(salts.accepts(42, 1000 + 1800 + kSaltPeriodSeconds - 1));
  EXPECT_FALSE(salts.accepts(42, 1000 + 1800 + kSaltPeriodSeconds));
  EXPECT_NE(salts.current(2800), 42);
  EXPECT_EQ(salts.future(1000, 2)[0].salt, 42);
  EXPECT_EQ(salts.future(2800, 1)[0].salt, salts.current(2800));
  Salts same(Bytes(256, 1), {});
  EXPECT_EQ(same.current(2800), salts.current(2800)) << "known again after a restart";
  Salts other(Bytes(256, 2), {});
  EXPECT_NE(other.current(2800), salts.current(2800));
  EXPECT_FALSE(same.accepts(0, 2800)) << "no first salt: zero is not one";
}

TEST(SessionTable, MakesForgetsAndBoundsSessions) {
  const auto keys = make_memory_key_store();
  for (int64_t id = 1; id <= 2000; ++id) ASSERT_TRUE(insert(*keys, record_of(id, 1)));
  SessionTable table(*keys, kShardStripes);  // one session for each stripe
  const auto none = [](KeyState&, Session&) { return std::vector<int64_t>(); };
  EXPECT_EQ(table.visit(12345, 1, 0, none).error(), Error::kNotFound);
  for (int64_t id = 1; id <= 2000; ++id) ASSERT_TRUE(table.visit(id, 7, 0, none).ok());
  EXPECT_LE(table.session_count(), kShardStripes);
  EXPECT_TRUE(table.visit_known(2000, 7, [](KeyState&, Session&) {}));
  EXPECT_FALSE(table.visit_known(2000, 8, [](KeyState&, Session&) {}));
  ASSERT_TRUE(
      table.visit(2000, 7, 0, [](KeyState&, Session&) { return std::vector<int64_t>{7}; }).ok());
  EXPECT_FALSE(table.visit_known(2000, 7, [](KeyState&, Session&) {}));
}

TEST(SessionTable, OneKeyCannotHoldTooManySessions) {
  const auto keys = make_memory_key_store();
  ASSERT_TRUE(insert(*keys, record_of(1, 1)));
  SessionTable table(*keys);
  const auto none = [](KeyState&, Session&) { return std::vector<int64_t>(); };
  constexpr auto kCount = static_cast<int64_t>(2 * kSessionsPerKey);
  for (int64_t id = 0; id < kCount; ++id) ASSERT_TRUE(table.visit(1, id, 0, none).ok());
  EXPECT_EQ(table.session_count(), kSessionsPerKey);
  EXPECT_TRUE(table.visit_known(1, kCount - 1, [](KeyState&, Session&) {}));
  EXPECT_FALSE(table.visit_known(1, 0, [](KeyState&, Session&) {}));
}

TEST(SessionTable, AnExpiredKeyTakesItsSessionsAlong) {
  const auto keys = make_memory_key_store();
  KeyRecord temporary = record_of(5, 1);
  temporary.expires_at = 100;
  ASSERT_TRUE(insert(*keys, temporary));
  SessionTable table(*keys);
  const auto none = [](KeyState&, Session&) { return std::vector<int64_t>(); };
  ASSERT_TRUE(table.visit(5, 1, 99, none).ok());
  EXPECT_EQ(table.visit(5, 1, 100, none).error(), Error::kNotFound);
  EXPECT_EQ(table.session_count(), 0u);
}

}  // namespace
}  // namespace ringway::shard
