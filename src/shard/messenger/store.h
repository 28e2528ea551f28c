// shard/messenger/store: the messenger's file, or none.
//
// What is committed is on the disk when commit() returns, all of it or nothing. One caller at a
// time: the messenger's lock guards it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"

namespace ringway::shard::messenger {

struct Change {
  Bytes key;
  Bytes value;  // empty: the entry goes
};

class Store {
 public:
  virtual ~Store() = default;
  // False when it could not be written; then nothing was.
  [[nodiscard]] virtual bool commit(std::span<const Change> changes) = 0;
  // Calls `visit` with every entry, in the order of the keys; an empty string, or what is wrong,
  // which may be what `visit` returned.
  [[nodiscard]] virtual std::string load(
      const std::function<std::string(ByteView key, ByteView value)>& visit) = 0;
};

// Nothing is kept.
[[nodiscard]] std::unique_ptr<Store> make_memory_store();

struct OpenedStore {
  std::unique_ptr<Store> store;  // null on failure
  std::string failure;           // what went wrong, with the path
};
// Opens or makes `data_dir`/messenger.mdb, readable by the owner alone.
[[nodiscard]] OpenedStore open_lmdb_store(const std::string& data_dir);

}  // namespace ringway::shard::messenger
