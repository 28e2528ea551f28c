// Keys in an LMDB file; see key_store.h.
//
// The key of an entry is the auth_key_id, eight bytes; the value is encode()'s. One thread, the
// writer, opens write transactions; readers need no lock.
#include <lmdb.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "shard/key_store.h"
#include "shard/lmdb/lmdb_file.h"

namespace ringway::shard {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kValueBytes = 1 + 4 + 8 * 4 + 8 * 3 + 256;

void encode(const KeyRecord& record, Secret<kValueBytes>& value) {
  ByteWriter out(value.span());
  out.u8(kFormat);
  out.i32(record.auth_key_type);
  out.i64(record.perm_auth_key_id);
  out.i64(record.temp_auth_key_id);
  out.i64(record.media_temp_auth_key_id);
  out.i64(record.expires_at);
  out.i64(record.first_salt.valid_since);
  out.i64(record.first_salt.valid_until);
  out.i64(record.first_salt.salt);
  out.bytes(record.auth_key.view());
}

Result<KeyRecord> decode(int64_t auth_key_id, ByteView value) {
  ByteReader in(value);
  KeyRecord record;
  record.auth_key_id = auth_key_id;
  RW_TRY_ASSIGN(const uint8_t format, in.u8());
  if (format != kFormat) return Error::kMalformed;
  RW_TRY_ASSIGN(record.auth_key_type, in.i32());
  RW_TRY_ASSIGN(record.perm_auth_key_id, in.i64());
  RW_TRY_ASSIGN(record.temp_auth_key_id, in.i64());
  RW_TRY_ASSIGN(record.media_temp_auth_key_id, in.i64());
  RW_TRY_ASSIGN(record.expires_at, in.i64());
  RW_TRY_ASSIGN(record.first_salt.valid_since, in.i64());
  RW_TRY_ASSIGN(record.first_salt.valid_until, in.i64());
  RW_TRY_ASSIGN(record.first_salt.salt, in.i64());
  RW_TRY(in.copy_to(record.auth_key.span()));
  return record;
}

ByteView view(const MDB_val& value) noexcept {
  return {static_cast<const uint8_t*>(value.mv_data), value.mv_size};
}

class LmdbKeyStore final : public KeyStore {
 public:
  LmdbKeyStore() = default;
  LmdbKeyStore(const LmdbKeyStore&) = delete;
  LmdbKeyStore& operator=(const LmdbKeyStore&) = delete;
  ~LmdbKeyStore() override { stop(); }

  // Empty when the store is ready; else what went wrong.
  std::string open(const std::string& data_dir);

  Result<KeyRecord> find(int64_t auth_key_id, int64_t unix_seconds) override;
  void insert(const KeyRecord& record, Done done) override;
  bool bind(int64_t temp_auth_key_id, int64_t perm_auth_key_id) override;
  void stop() override;

 private:
  struct Waiting {
    KeyRecord record;
    Done done;
    bool stored = false;
  };

  using Bindings = std::unordered_map<int64_t, int64_t>;  // temporary key -> permanent key

  [[nodiscard]] int64_t unwritten_binding(int64_t auth_key_id);  // 0: none
  void write_loop();
  void commit(std::vector<Waiting>& batch, const Bindings& bindings);
  // Writes one binding into the record of its key; an LMDB status.
  int put_binding(MDB_txn* txn, int64_t temp_auth_key_id, int64_t perm_auth_key_id) const;
  void forget_written(const Bindings& bindings);
  // Puts one record; false when the id is another key's. `status` is set when the store failed.
  bool put(MDB_txn* txn, const KeyRecord& record, int& status) const;

  LmdbFile file_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Waiting> waiting_;     // guarded by mutex_
  Bindings bindings_;                // not written yet; guarded by mutex_
  bool unwritten_bindings_ = false;  // of those; guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
  std::thread writer_;
};

void LmdbKeyStore::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (writer_.joinable()) writer_.join();
}

std::string LmdbKeyStore::open(const std::string& data_dir) {
  std::string failure = file_.open(data_dir, "keys.mdb", kShardKeyMapBytes);
  if (failure.empty()) writer_ = std::thread([this] { write_loop(); });
  return failure;
}

Result<KeyRecord> LmdbKeyStore::find(int64_t auth_key_id, int64_t unix_seconds) {
  // Before the file is read: a binding that is not there any more has been written.
  const int64_t bound = unwritten_binding(auth_key_id);
  MDB_txn* txn = nullptr;
  if (file_.begin(MDB_RDONLY, txn) != 0) return Error::kIo;
  MDB_val key{sizeof auth_key_id, &auth_key_id};
  MDB_val value{};
  const int status = mdb_get(txn, file_.table(), &key, &value);
  Result<KeyRecord> record = status == 0              ? decode(auth_key_id, view(value))
                             : status == MDB_NOTFOUND ? Result<KeyRecord>(Error::kNotFound)
                                                      : Result<KeyRecord>(Error::kIo);
  mdb_txn_abort(txn);
  if (record.ok() && record->expires_at != 0 && record->expires_at <= unix_seconds) {
    return Error::kNotFound;
  }
  if (record.ok() && record->auth_key_type != 0 && bound != 0) record->perm_auth_key_id = bound;
  return record;
}

int64_t LmdbKeyStore::unwritten_binding(int64_t auth_key_id) {
  const std::lock_guard lock(mutex_);
  const auto found = bindings_.find(auth_key_id);
  return found == bindings_.end() ? 0 : found->second;
}

bool LmdbKeyStore::bind(int64_t temp_auth_key_id, int64_t perm_auth_key_id) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || bindings_.size() >= kShardKeyQueueMax) return false;
    bindings_[temp_auth_key_id] = perm_auth_key_id;
    unwritten_bindings_ = true;
  }
  work_.notify_one();
  return true;
}

void LmdbKeyStore::insert(const KeyRecord& record, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && waiting_.size() < kShardKeyQueueMax) {
      waiting_.push_back({record, std::move(done)});
      done = nullptr;
    }
  }
  if (done != nullptr) {
    done(false);
  } else {
    work_.notify_one();
  }
}

void LmdbKeyStore::write_loop() {
  std::vector<Waiting> batch;
  Bindings bindings;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return stopping_ || !waiting_.empty() || unwritten_bindings_; });
      if (waiting_.empty() && !unwritten_bindings_) return;
      batch.swap(waiting_);
      if (unwritten_bindings_) bindings = bindings_;
      unwritten_bindings_ = false;
    }
    commit(batch, bindings);
    forget_written(bindings);
    for (Waiting& entry : batch) entry.done(entry.stored);
    batch.clear();
    bindings.clear();
  }
}

void LmdbKeyStore::commit(std::vector<Waiting>& batch, const Bindings& bindings) {
  MDB_txn* txn = nullptr;
  int status = file_.begin(0, txn);
  if (status == 0) {
    for (Waiting& entry : batch) {
      entry.stored = put(txn, entry.record, status);
      if (status != 0) break;
    }
    for (auto binding = bindings.begin(); status == 0 && binding != bindings.end(); ++binding) {
      status = put_binding(txn, binding->first, binding->second);
    }
    if (status == 0) {
      status = mdb_txn_commit(txn);
    } else {
      mdb_txn_abort(txn);
    }
  }
  if (status == 0) return;
  log_error("shard", "cannot store {} keys and {} bindings: {}", batch.size(), bindings.size(),
            mdb_strerror(status));
  for (Waiting& entry : batch) entry.stored = false;
}

int LmdbKeyStore::put_binding(MDB_txn* txn, int64_t temp_auth_key_id,
                              int64_t perm_auth_key_id) const {
  MDB_val key{sizeof temp_auth_key_id, &temp_auth_key_id};
  MDB_val value{};
  if (const int status = mdb_get(txn, file_.table(), &key, &value); status != 0) {
    return status == MDB_NOTFOUND ? 0 : status;
  }
  auto record = decode(temp_auth_key_id, view(value));
  if (!record.ok()) return MDB_CORRUPTED;
  record->perm_auth_key_id = perm_auth_key_id;
  Secret<kValueBytes> encoded;
  encode(*record, encoded);
  MDB_val changed{encoded.size(), encoded.data()};
  return mdb_put(txn, file_.table(), &key, &changed, 0);
}

// What has been written is read from the file; a newer binding of the same key stays. One that
// could not be written is lost, and its client binds anew.
void LmdbKeyStore::forget_written(const Bindings& bindings) {
  const std::lock_guard lock(mutex_);
  for (const auto& [temp, perm] : bindings) {
    const auto found = bindings_.find(temp);
    if (found != bindings_.end() && found->second == perm) bindings_.erase(found);
  }
}

bool LmdbKeyStore::put(MDB_txn* txn, const KeyRecord& record, int& status) const {
  int64_t id = record.auth_key_id;
  MDB_val key{sizeof id, &id};
  Secret<kValueBytes> encoded;
  encode(record, encoded);
  MDB_val value{encoded.size(), encoded.data()};
  status = mdb_put(txn, file_.table(), &key, &value, MDB_NOOVERWRITE);
  if (status != MDB_KEYEXIST) return status == 0;
  // LMDB has pointed `value` at what is there. The same key again is no conflict.
  status = 0;
  const auto present = decode(id, view(value));
  return present.ok() && equal_constant_time(present->auth_key.view(), record.auth_key.view());
}

}  // namespace

OpenedKeyStore open_lmdb_key_store(const std::string& data_dir) {
  auto store = std::make_unique<LmdbKeyStore>();
  if (std::string failure = store->open(data_dir); !failure.empty()) {
    return {nullptr, std::move(failure)};
  }
  return {std::move(store), ""};
}

}  // namespace ringway::shard
