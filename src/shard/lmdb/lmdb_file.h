// shard/lmdb/lmdb_file: one LMDB file with one table, readable by its owner alone.
//
// Transactions are LMDB's own: any thread may begin one, and writers wait for each other.
#pragma once

#include <lmdb.h>

#include <string>

namespace ringway::shard {

class LmdbFile {
 public:
  LmdbFile() = default;
  // No transaction may be open any more.
  ~LmdbFile();
  LmdbFile(const LmdbFile&) = delete;
  LmdbFile& operator=(const LmdbFile&) = delete;

  // Opens or makes `directory`/`name`, and the directory, too. `map_bytes`: address space, and so
  // the most that it can hold. Empty; or what went wrong, with the path. Once.
  [[nodiscard]] std::string open(const std::string& directory, const std::string& name,
                                 size_t map_bytes);

  // An LMDB status.
  [[nodiscard]] int begin(unsigned flags, MDB_txn*& txn) const {
    return mdb_txn_begin(env_, nullptr, flags, &txn);
  }
  [[nodiscard]] MDB_dbi table() const noexcept { return table_; }

 private:
  int open_table(const std::string& path, size_t map_bytes);

  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace ringway::shard
