#include "client/account/user_updates.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace ringway::client {
namespace {

constexpr std::string_view kRoom = "updates";

// What stands before a stored state.
std::string user_line(int64_t user_id) { return fmt::format("user {}\n", user_id); }

}  // namespace

UserUpdates::UserUpdates(EventLoop& loop, Calls& calls, UpdateSink& sink, Store store,
                         UserUpdatesOptions options)
    : loop_(loop),
      calls_(calls),
      sink_(sink),
      store_(std::move(store)),
      options_(std::move(options)) {}

void UserUpdates::begin(int64_t user_id, bool is_bot, ByteView stored) {
  run(user_id, is_bot, state_of(user_id, stored));
  runner_->on_gap();
}

UpdatesState UserUpdates::state_of(int64_t user_id, ByteView stored) const {
  if (stored.empty()) return {};
  std::string_view text = as_text(stored);
  const std::string head = user_line(user_id);
  if (!text.starts_with(head)) {
    log_info(kRoom, "{}: the stored state of updates is another user's", options_.name);
    return {};
  }
  auto state = read_updates_state(text.substr(head.size()));
  if (state.ok()) return *std::move(state);
  log_warning(kRoom, "{}: the stored state of updates is {}: updates begin now", options_.name,
              to_string(state.error()));
  return {};
}

void UserUpdates::run(int64_t user_id, bool is_bot, UpdatesState state) {
  UpdatesOptions options;
  options.layer = options_.layer;
  options.self_id = user_id;
  options.is_bot = is_bot;
  user_id_ = user_id;
  runner_ = std::make_unique<UpdatesRunner>(
      loop_, calls_, std::move(options), std::move(state), sink_,
      [this, head = user_line(user_id)](const std::string& text) {
        const std::string owned = head + text;
        const ByteView bytes = as_bytes(owned);
        store_(Bytes(bytes.begin(), bytes.end()));
      },
      options_.store_period_ns);
}

void UserUpdates::on_user(int64_t user_id) {
  if (user_id == 0 || user_id == user_id_) return;
  log_info(kRoom, "{}: another user is signed in: updates begin anew", options_.name);
  runner_->stop();
  std::erase_if(retired_, [](const auto& runner) { return runner->is_idle(); });
  // It may still be told of calls that it began.
  retired_.push_back(std::move(runner_));
  UpdateEvent gap;
  gap.kind = UpdateEvent::Kind::kGap;
  sink_.on_update_event(std::move(gap));
  // Whether it is a bot is not known: then it only asks for less at a time.
  run(user_id, false, {});
  runner_->on_gap();
}

}  // namespace ringway::client
