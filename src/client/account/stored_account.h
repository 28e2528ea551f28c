// client/account/stored_account: an account together with its files, for a program's main thread.
//
// The account lives on the loop's thread and is stored on a thread of its own whenever it changed:
// neither the disk nor the cost of a passphrase holds up a call. What is not marked otherwise here
// blocks, and is for any thread but the loop's.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client/account/account.h"
#include "client/account/background.h"
#include "client/account/blocking_calls.h"
#include "client/account/credentials.h"
#include "client/account/loop_thread.h"
#include "client/account/sign_in.h"

namespace ringway::client {

class StoredAccount final : private AccountListener {
 public:
  // What else wants to know; on the loop's thread.
  struct Watcher {
    std::function<void(ByteView updates, ByteView call)> on_updates;
    std::function<void(ByteView result, ByteView call)> on_affected;
    std::function<void()> on_gap;
    std::function<void(int64_t user_id)> on_user;
  };

  // Connects on its own. `thread` must outlive it.
  StoredAccount(LoopThread& thread, AccountOptions options, std::unique_ptr<CredentialsStore> store,
                Credentials credentials);
  // Stores what there is to store. No call may be under way any more.
  ~StoredAccount();
  StoredAccount(const StoredAccount&) = delete;
  StoredAccount& operator=(const StoredAccount&) = delete;

  // Waits for the connection. Empty, or what is wrong with it.
  [[nodiscard]] std::string wait_connected(int64_t timeout_ns = kConnectTimeoutNs);
  // Asks the server whether somebody is signed in. Nothing, with `problem`, when it does not say.
  [[nodiscard]] std::optional<SignedIn> who(std::string& problem);
  [[nodiscard]] std::variant<SignedIn, std::string> sign_in(const SignInOptions& options,
                                                            const SignInPrompts& prompts);
  // For SignInPrompts::qr: waits until an update says that a QR code was scanned, or for so long.
  void wait_login_token(int64_t seconds);

  [[nodiscard]] BlockingCalls& calls() noexcept { return *calls_; }
  // For the loop's thread.
  [[nodiscard]] Account& account() noexcept { return *account_; }
  [[nodiscard]] const Credentials& first_credentials() const noexcept { return credentials_; }
  [[nodiscard]] const tl::dynamic::Layer& layer() const noexcept { return *layer_; }
  void watch(Watcher watcher);
  // How often the state of updates may be stored.
  [[nodiscard]] int64_t updates_period_ns() const noexcept { return updates_period_ns_; }
  // The state of updates, to be stored with the rest. Loop's thread.
  void store_updates(Bytes state);

  static constexpr int64_t kConnectTimeoutNs = 30 * kNsPerSecond;

 private:
  void on_updates(ByteView tl, ByteView call) override;
  void on_affected(ByteView result, ByteView call) override;
  void on_gap() override;
  void on_condition(Condition condition) override;
  void on_user(int64_t user_id) override;
  void on_state_changed() override;
  void save();
  // On the background's thread: what is newest.
  void store_newest();

  LoopThread& thread_;
  std::shared_ptr<const tl::dynamic::Layer> layer_;
  std::unique_ptr<CredentialsStore> store_;  // of the background's thread
  const int64_t updates_period_ns_;
  Credentials credentials_;  // loop's thread, once the account is there
  Watcher watcher_;          // loop's thread
  std::mutex mutex_;
  std::condition_variable changed_;
  Condition condition_ = Condition::kConnecting;  // guarded by mutex_
  bool token_scanned_ = false;                    // likewise
  // What is to be stored next; nothing when nothing waits. Guarded by mutex_.
  std::optional<Credentials> to_store_;
  Background background_;
  std::unique_ptr<Account> account_;  // loop's thread
  std::unique_ptr<BlockingCalls> calls_;
};

}  // namespace ringway::client
