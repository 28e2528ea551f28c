// shard/messenger/messenger: a small messenger behind the reference shard, for tests and
// demonstrations.
//
// Users sign in by code and, if they have one, by password; they find each other, send each other
// texts, and all of their sessions hear of it at once or when they come back. What it cannot do is
// refused by name. State is in memory and, with a directory, in messenger.mdb, which every change
// reaches before it is answered.
//
// Any thread may call it; one lock guards all of it, and a change waits for the disk under that
// lock. It calls nobody but in deliver(), which holds no lock that others wait for.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "shard/messenger/methods.h"

namespace ringway::shard::messenger {

struct MessengerOptions {
  std::string data_dir;    // where messenger.mdb lives; empty: in memory alone
  std::string users_path;  // a file of users to have (users_file.h); empty: none
  std::string fixed_code;  // every sign-in code, for tests; empty: random ones, which are logged
};

class Messenger {
 public:
  struct Opened {
    std::unique_ptr<Messenger> messenger;  // null on failure
    std::string failure;                   // what went wrong
  };
  [[nodiscard]] static Opened open(const MessengerOptions& options);

  // The answer is one TL object, or a vector; the error's text is as Telegram has it.
  using Reply = std::variant<Bytes, RpcError>;
  // Serves a query, without its wrappers. Nothing: no method of the messenger's.
  [[nodiscard]] std::optional<Reply> serve(const Caller& caller, uint32_t constructor,
                                           ByteView arguments);
  // A session begins: updates of its user go to it from now on, if its key is signed in.
  void session_started(const Caller& caller);
  // Calls `push` with every update that waits, in the order of their events, and returns when they
  // are on their way. `push` answers false for a session that is not known any more. Never from
  // within a `push`, nor under a lock that `push` takes.
  void deliver(const std::function<bool(const Push&)>& push);
  // How often limits struck so far.
  [[nodiscard]] Counts counts() const;

 private:
  explicit Messenger(const MessengerOptions& options, std::unique_ptr<Store> store)
      : room_(std::move(store), options.fixed_code) {}
  // These hold the lock.
  [[nodiscard]] Reply answer(const MethodRow& row, Call& call);
  void note_layer(const Caller& caller, const Authorization& authorization);

  std::mutex delivery_;  // taken first; keeps the order of what deliver() pushes
  mutable std::mutex mutex_;
  Room room_;  // guarded by mutex_
};

}  // namespace ringway::shard::messenger
