#include "client/account/stored_account.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "base/log.h"
#include "client/account/updates_limits.h"

namespace ringway::client {
namespace {

using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

constexpr std::string_view kRoom = "account";
constexpr int32_t kUnauthorized = 401;

bool has_login_token(const tl::dynamic::Layer& layer, ByteView updates) {
  const auto read = layer.read_object(updates);
  if (!read.ok()) return false;
  const auto is_token = [](const Object* update) {
    return update != nullptr && update->name == "updateLoginToken";
  };
  if (is_token(read->object("update"))) return true;
  const List* list = read->list("updates");
  return list != nullptr && std::any_of(list->begin(), list->end(), [&](const Value& value) {
           return is_token(std::get_if<Object>(&value.data));
         });
}

}  // namespace

StoredAccount::StoredAccount(LoopThread& thread, AccountOptions options,
                             std::unique_ptr<CredentialsStore> store, Credentials credentials)
    : thread_(thread),
      layer_(options.layer),
      store_(std::move(store)),
      updates_period_ns_(store_->seals() ? kUpdatesSealedStoreNs : kUpdatesStoreNs),
      credentials_(std::move(credentials)),
      account_(nullptr) {
  AccountListener& listener = *this;
  thread.run([&] {
    account_ = std::make_unique<Account>(thread.loop(), std::move(options), credentials_.account,
                                         listener);
  });
  calls_ = std::make_unique<BlockingCalls>(thread.loop(), *account_);
}

StoredAccount::~StoredAccount() {
  std::promise<void> saved;
  thread_.run([&] {
    save();
    account_.reset();
    background_.run([&] { saved.set_value(); });
  });
  saved.get_future().get();
}

std::string StoredAccount::wait_connected(int64_t timeout_ns) {
  std::unique_lock lock(mutex_);
  const bool connected = changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                                           [this] { return condition_ != Condition::kConnecting; });
  lock.unlock();
  if (connected) return "";
  std::string problem;
  thread_.run([&] { problem = account_->problem(); });
  return problem.empty() ? "no connection in time" : problem;
}

std::optional<SignedIn> StoredAccount::who(std::string& problem) {
  problem.clear();
  const auto answer =
      calls_->call(*layer_, {"users.getUsers", {{"id", List{Object{"inputUserSelf", {}}}}}});
  if (const auto* error = std::get_if<ApiError>(&answer)) {
    bool ended = error->code == kUnauthorized && credentials_.user_unsaid;
    thread_.run([&] { ended = ended || account_->condition() == Condition::kSignedOut; });
    if (ended) {
      problem = fmt::format(
          "the server has ended this sign-in ({} {}): move the file away to sign in anew",
          error->code, error->text);
    } else if (error->code != kUnauthorized) {
      problem = error->text;
    }
    return std::nullopt;
  }
  const auto* users = std::get_if<List>(&std::get<Value>(answer).data);
  const auto* user =
      users == nullptr || users->empty() ? nullptr : std::get_if<Object>(&users->front().data);
  if (user == nullptr) {
    problem = "the server does not say who is signed in";
    return std::nullopt;
  }
  SignedIn found = signed_in_user(*user);
  // Files of other programs do not know it.
  thread_.run([&] { account_->set_user(found.user_id); });
  return found;
}

std::variant<SignedIn, std::string> StoredAccount::sign_in(const SignInOptions& options,
                                                           const SignInPrompts& prompts) {
  return client::sign_in(
      *layer_, options, [this](const Object& call) { return calls_->call(*layer_, call); },
      prompts);
}

void StoredAccount::wait_login_token(int64_t seconds) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(seconds), [this] { return token_scanned_; });
  token_scanned_ = false;
}

void StoredAccount::watch(Watcher watcher) {
  thread_.run([&] { watcher_ = std::move(watcher); });
}

void StoredAccount::store_updates(Bytes state) {
  if (credentials_.updates == state) return;
  credentials_.updates = std::move(state);
  save();
}

void StoredAccount::on_updates(ByteView tl, ByteView call) {
  // Only before a sign-in is there anything to look for.
  if (credentials_.account.user_id() == 0 && has_login_token(*layer_, tl)) {
    const std::lock_guard lock(mutex_);
    token_scanned_ = true;
    changed_.notify_all();
  }
  if (watcher_.on_updates) watcher_.on_updates(tl, call);
}

void StoredAccount::on_affected(ByteView result, ByteView call) {
  if (watcher_.on_affected) watcher_.on_affected(result, call);
}

void StoredAccount::on_gap() {
  if (watcher_.on_gap) watcher_.on_gap();
}

void StoredAccount::on_condition(Condition condition) {
  const std::lock_guard lock(mutex_);
  condition_ = condition;
  changed_.notify_all();
}

void StoredAccount::on_user(int64_t user_id) {
  if (watcher_.on_user) watcher_.on_user(user_id);
}

void StoredAccount::on_state_changed() { save(); }

// However slow the disk is: one copy waits, the newest.
void StoredAccount::save() {
  // Null while it is being made: nothing has changed then.
  if (account_ == nullptr) return;
  credentials_.account = account_->state();
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    waits = to_store_.has_value();
    to_store_ = credentials_;
  }
  if (!waits) background_.run([this] { store_newest(); });
}

void StoredAccount::store_newest() {
  std::optional<Credentials> newest;
  {
    const std::lock_guard lock(mutex_);
    newest = std::exchange(to_store_, std::nullopt);
  }
  std::string problem;
  if (!store_->save(*newest, problem).ok()) log_error(kRoom, "{}", problem);
}

}  // namespace ringway::client
