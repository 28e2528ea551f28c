#include "shard/messenger/store.h"

#include <fmt/format.h>
#include <lmdb.h>

#include <filesystem>
#include <system_error>

#include "base/limits.h"
#include "base/log.h"

namespace ringway::shard::messenger {
namespace {

constexpr mode_t kFileMode = 0600;

class MemoryStore final : public Store {
 public:
  bool commit(std::span<const Change> /*changes*/) override { return true; }
  std::string load(
      const std::function<std::string(ByteView key, ByteView value)>& /*visit*/) override {
    return "";
  }
};

// LMDB takes pointers to what it only reads.
MDB_val view_of(const Bytes& bytes) noexcept {
  return {bytes.size(), const_cast<uint8_t*>(bytes.data())};
}

ByteView bytes_of(const MDB_val& value) noexcept {
  return {static_cast<const uint8_t*>(value.mv_data), value.mv_size};
}

class LmdbStore final : public Store {
 public:
  LmdbStore() = default;
  LmdbStore(const LmdbStore&) = delete;
  LmdbStore& operator=(const LmdbStore&) = delete;
  ~LmdbStore() override {
    if (env_ != nullptr) mdb_env_close(env_);
  }

  // An LMDB status; 0 when the store is ready.
  int open(const std::string& path);
  bool commit(std::span<const Change> changes) override;
  std::string load(const std::function<std::string(ByteView key, ByteView value)>& visit) override;

 private:
  int put_all(MDB_txn* txn, std::span<const Change> changes) const;

  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

int LmdbStore::open(const std::string& path) {
  if (const int status = mdb_env_create(&env_); status != 0) return status;
  mdb_env_set_mapsize(env_, kMessengerMapBytes);
  // Each commit may come from another thread.
  if (const int status = mdb_env_open(env_, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS, kFileMode);
      status != 0) {
    return status;
  }
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(env_, nullptr, 0, &txn); status != 0) return status;
  if (const int status = mdb_dbi_open(txn, nullptr, 0, &dbi_); status != 0) {
    mdb_txn_abort(txn);
    return status;
  }
  return mdb_txn_commit(txn);
}

int LmdbStore::put_all(MDB_txn* txn, std::span<const Change> changes) const {
  for (const Change& change : changes) {
    MDB_val key = view_of(change.key);
    MDB_val value = view_of(change.value);
    const int status = change.value.empty() ? mdb_del(txn, dbi_, &key, nullptr)
                                            : mdb_put(txn, dbi_, &key, &value, 0);
    if (status != 0 && status != MDB_NOTFOUND) return status;
  }
  return 0;
}

bool LmdbStore::commit(std::span<const Change> changes) {
  MDB_txn* txn = nullptr;
  int status = mdb_txn_begin(env_, nullptr, 0, &txn);
  if (status == 0) {
    status = put_all(txn, changes);
    if (status == 0) {
      status = mdb_txn_commit(txn);
    } else {
      mdb_txn_abort(txn);
    }
  }
  if (status != 0) log_error("messenger", "cannot store: {}", mdb_strerror(status));
  return status == 0;
}

std::string LmdbStore::load(const std::function<std::string(ByteView key, ByteView value)>& visit) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  if (const int status = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn); status != 0) {
    return mdb_strerror(status);
  }
  int status = mdb_cursor_open(txn, dbi_, &cursor);
  std::string wrong;
  if (status == 0) {
    MDB_val key{};
    MDB_val value{};
    while (wrong.empty() && (status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
      wrong = visit(bytes_of(key), bytes_of(value));
    }
    mdb_cursor_close(cursor);
  }
  mdb_txn_abort(txn);
  if (wrong.empty() && status != 0 && status != MDB_NOTFOUND) wrong = mdb_strerror(status);
  return wrong;
}

}  // namespace

std::unique_ptr<Store> make_memory_store() { return std::make_unique<MemoryStore>(); }

OpenedStore open_lmdb_store(const std::string& data_dir) {
  std::error_code failure;
  std::filesystem::create_directories(data_dir, failure);
  if (failure) return {nullptr, fmt::format("cannot make {}: {}", data_dir, failure.message())};
  const std::string path = data_dir + "/messenger.mdb";
  auto store = std::make_unique<LmdbStore>();
  if (const int status = store->open(path); status != 0) {
    return {nullptr, fmt::format("cannot open {}: {}", path, mdb_strerror(status))};
  }
  return {std::move(store), ""};
}

}  // namespace ringway::shard::messenger
