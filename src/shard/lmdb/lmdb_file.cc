#include "shard/lmdb/lmdb_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace ringway::shard {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr unsigned kReadersMax = 1024;

}  // namespace

LmdbFile::~LmdbFile() {
  if (env_ != nullptr) mdb_env_close(env_);
}

std::string LmdbFile::open(const std::string& directory, const std::string& name,
                           size_t map_bytes) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) return fmt::format("cannot make {}: {}", directory, failure.message());
  const std::string path = directory + "/" + name;
  const int status = open_table(path, map_bytes);
  return status == 0 ? "" : fmt::format("cannot open {}: {}", path, mdb_strerror(status));
}

int LmdbFile::open_table(const std::string& path, size_t map_bytes) {
  if (const int status = mdb_env_create(&env_); status != 0) return status;
  mdb_env_set_mapsize(env_, map_bytes);
  mdb_env_set_maxreaders(env_, kReadersMax);
  // Transactions come from gRPC's threads, which are many: readers' slots must not stick to them.
  if (const int status = mdb_env_open(env_, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS, kFileMode);
      status != 0) {
    return status;
  }
  MDB_txn* txn = nullptr;
  if (const int status = begin(0, txn); status != 0) return status;
  if (const int status = mdb_dbi_open(txn, nullptr, 0, &table_); status != 0) {
    mdb_txn_abort(txn);
    return status;
  }
  return mdb_txn_commit(txn);
}

}  // namespace ringway::shard
