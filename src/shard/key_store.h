// shard/key_store: authorization keys, in a file that survives restarts or in memory.
//
// Any thread may call it. find() reads at once. insert() is asynchronous: one writer thread takes
// everything that waits and commits it together, so that thousands of keys a second need few
// flushes of the disk; `done` runs on that thread after the commit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "shard/salts.h"

namespace ringway::shard {

struct KeyRecord {
  int64_t auth_key_id = 0;
  int32_t auth_key_type = 0;  // 0 permanent, 1 temporary, 2 media temporary
  int64_t perm_auth_key_id = 0;
  int64_t temp_auth_key_id = 0;
  int64_t media_temp_auth_key_id = 0;
  int64_t expires_at = 0;  // unix seconds; 0 = never
  Salt first_salt;
  AuthKeyBytes auth_key;
};

class KeyStore {
 public:
  // False when the id is taken by another key, the queue is full or the write failed.
  using Done = std::function<void(bool stored)>;

  virtual ~KeyStore() = default;
  // kNotFound for unknown and expired keys, kIo when the store cannot be read.
  virtual Result<KeyRecord> find(int64_t auth_key_id, int64_t unix_seconds) = 0;
  virtual void insert(const KeyRecord& record, Done done) = 0;
  // Binds a temporary key, which the caller has found, to a permanent one. find() shows it at once;
  // it is written with the next commit. False when too many wait for that.
  [[nodiscard]] virtual bool bind(int64_t temp_auth_key_id, int64_t perm_auth_key_id) = 0;
  // Commits what waits and ends the writer; later inserts fail. Not from a `done`.
  virtual void stop() = 0;
};

[[nodiscard]] std::unique_ptr<KeyStore> make_memory_key_store();

struct OpenedKeyStore {
  std::unique_ptr<KeyStore> store;  // null on failure
  std::string failure;              // what went wrong, with the path
};
// Opens or makes `data_dir`/keys.mdb, readable by the owner alone.
[[nodiscard]] OpenedKeyStore open_lmdb_key_store(const std::string& data_dir);

}  // namespace ringway::shard
