#include "shard/messenger/store.h"

#include <lmdb.h>

#include "base/limits.h"
#include "base/log.h"
#include "shard/lmdb/lmdb_file.h"

namespace ringway::shard::messenger {
namespace {

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
  // Empty, or what went wrong.
  std::string open(const std::string& data_dir) {
    return file_.open(data_dir, "messenger.mdb", kMessengerMapBytes);
  }
  bool commit(std::span<const Change> changes) override;
  std::string load(const std::function<std::string(ByteView key, ByteView value)>& visit) override;

 private:
  int put_all(MDB_txn* txn, std::span<const Change> changes) const;

  LmdbFile file_;
};

int LmdbStore::put_all(MDB_txn* txn, std::span<const Change> changes) const {
  for (const Change& change : changes) {
    MDB_val key = view_of(change.key);
    MDB_val value = view_of(change.value);
    const int status = change.value.empty() ? mdb_del(txn, file_.table(), &key, nullptr)
                                            : mdb_put(txn, file_.table(), &key, &value, 0);
    if (status != 0 && status != MDB_NOTFOUND) return status;
  }
  return 0;
}

bool LmdbStore::commit(std::span<const Change> changes) {
  MDB_txn* txn = nullptr;
  int status = file_.begin(0, txn);
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
  if (const int status = file_.begin(MDB_RDONLY, txn); status != 0) {
    return mdb_strerror(status);
  }
  int status = mdb_cursor_open(txn, file_.table(), &cursor);
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
  auto store = std::make_unique<LmdbStore>();
  if (std::string failure = store->open(data_dir); !failure.empty()) {
    return {nullptr, std::move(failure)};
  }
  return {std::move(store), ""};
}

}  // namespace ringway::shard::messenger
