// client/account/user_updates: the updates of whoever is signed in.
//
// Keeps an engine at work (UpdatesRunner) for the account's user. When somebody else signs in,
// those who listen are told of a gap and the engine begins anew: nothing that is known of one
// user's order holds for another. What is stored says whose it is. One thread, the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "client/account/updates_runner.h"

namespace ringway::client {

struct UserUpdatesOptions {
  std::shared_ptr<const tl::dynamic::Layer> layer;  // UpdatesEngine::supports() it
  std::string name;                                 // of the session, for the log
  int64_t store_period_ns = 0;                      // the least time between two calls of the store
};

class UserUpdates {
 public:
  using Store = std::function<void(Bytes state)>;

  // All of them must live until stop(); calls that were begun may end later.
  UserUpdates(EventLoop& loop, Calls& calls, UpdateSink& sink, Store store,
              UserUpdatesOptions options);
  // After stop(), when no call of it is under way or will be told of any more.
  ~UserUpdates() = default;
  UserUpdates(const UserUpdates&) = delete;
  UserUpdates& operator=(const UserUpdates&) = delete;

  // Once, and before all else: who is signed in, and what was stored last, empty if nothing was.
  // Another user's state, or one that cannot be read, is passed over.
  void begin(int64_t user_id, bool is_bot, ByteView stored);
  // Somebody is signed in, perhaps the same; 0: nobody, until somebody is.
  void on_user(int64_t user_id);
  // As those of UpdatesRunner.
  void on_updates(ByteView tl, ByteView call) { runner_->on_updates(tl, call); }
  void on_gap() { runner_->on_gap(); }
  // Stores the state a last time. Nothing happens any more.
  void stop() { runner_->stop(); }

 private:
  [[nodiscard]] UpdatesState state_of(int64_t user_id, ByteView stored) const;
  void run(int64_t user_id, bool is_bot, UpdatesState state);

  EventLoop& loop_;
  Calls& calls_;
  UpdateSink& sink_;
  const Store store_;
  const UserUpdatesOptions options_;
  int64_t user_id_ = 0;
  std::unique_ptr<UpdatesRunner> runner_;
  std::vector<std::unique_ptr<UpdatesRunner>> retired_;  // that wait for calls of theirs
};

}  // namespace ringway::client
