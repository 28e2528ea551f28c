// The sign-in as a whole: its condition, what of it is to be stored, and how it ends.
#include "client/account/account.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "client/account/account_impl.h"
#include "client/account/limits.h"
#include "client/objects.h"

namespace ringway::client {

Account::Impl::Impl(EventLoop& event_loop, AccountOptions account_options,
                    AccountState account_state, AccountListener& account_listener)
    : loop(event_loop),
      options(std::move(account_options)),
      state(std::move(account_state)),
      listener(account_listener),
      objects(options),
      waits(options.wait_max_ns),
      lookups(loop, options.resolve) {
  told_salts_ns = now_ns();
  dc(state.main_dc).line->link.start();
  arm();
}

Account::Impl::~Impl() {
  if (timer != 0) loop.cancel(timer);
}

void Account::Impl::update_condition() {
  const Line* main = dcs.at(state.main_dc).line.get();
  Condition next = Condition::kConnecting;
  if (signed_out) {
    next = Condition::kSignedOut;
  } else if (main->link.is_up() && main->link.heard()) {
    next = state.user_id() != 0 ? Condition::kSignedIn : Condition::kNotSignedIn;
  }
  problem = signed_out ? sign_out_outcome.text : main->link.problem();
  if (next == condition) return;
  condition = next;
  listener.on_condition(next);
}

void Account::Impl::state_changed() {
  told_salts_ns = now_ns();
  salts_untold = false;
  listener.on_state_changed();
}

// A temporary key's salt dies with it: only those of permanent keys are worth storing.
void Account::Impl::salts_may_have_changed() {
  for (auto& [number, place] : dcs) {
    Session* session = place.line->link.session();
    if (session == nullptr || place.line->link.on_temporary_key()) continue;
    const auto stored = state.keys.find(number);
    if (stored == state.keys.end() || stored->second.salt == session->salt()) continue;
    stored->second.salt = session->salt();
    salts_untold = true;
  }
  if (!salts_untold) return;
  if (now_ns() - told_salts_ns >= kStateSaltPeriodNs) {
    state_changed();
  } else {
    watch_deadline(told_salts_ns + kStateSaltPeriodNs);
  }
}

void Account::Impl::count(Line& line) {
  const LinkCounts& now = line.link.counts();
  counts.connects += now.connects - line.counted.connects;
  counts.connection_failures += now.failures - line.counted.failures;
  counts.keys_made += now.keys_made - line.counted.keys_made;
  line.counted = now;
}

void BadMessageCounts::add(int32_t code) noexcept {
  const auto found = std::find(kCodes.begin(), kCodes.end(), code);
  ++(found == kCodes.end() ? other : by_code[static_cast<size_t>(found - kCodes.begin())]);
}

void Account::Impl::count_refusal(int32_t code) {
  ++counts.bad_messages;
  if (code == kBadServerSaltCode) {
    ++counts.bad_server_salts;
  } else {
    counts.refusals.add(code);
  }
}

void Account::Impl::note_clock(Line& line) {
  // What came before it in the same frame may have ended the session.
  Session* const session = line.link.session();
  if (session == nullptr || line.dc.line.get() != &line) return;
  counts.time_offsets_ns[line.dc.number] = session->key().time_offset_ns;
}

void Account::Impl::set_user(int64_t user_id) {
  const auto main = state.keys.find(state.main_dc);
  if (main == state.keys.end() || main->second.user_id == user_id) return;
  // Other DCs knew the one who is gone.
  for (auto& [number, key] : state.keys) key.user_id = 0;
  for (auto& [number, place] : dcs) place.import = Dc::Import::kNone;
  main->second.user_id = user_id;
  state_changed();
  update_condition();
  listener.on_user(user_id);
}

void Account::Impl::sign_out(int32_t code, const std::string& text) {
  if (signed_out) return;
  log_at(LogLevel::kWarning, "client", "the server has ended the sign-in: {} {}", code, text);
  signed_out = true;
  sign_out_outcome.end = CallOutcome::End::kSignedOut;
  sign_out_outcome.code = code;
  sign_out_outcome.text = text;
  std::vector<CallId> pending;
  pending.reserve(calls.size());
  for (const auto& [id, call] : calls) pending.push_back(id);
  std::sort(pending.begin(), pending.end());
  for (const CallId id : pending) {
    const auto call = calls.find(id);
    if (call == calls.end()) continue;
    CallOutcome outcome = sign_out_outcome;
    outcome.sent = withdraw(id, call->second).sent;
    finish(id, std::move(outcome));
  }
  for (const auto& [id, given_up] : settling) settle(id);
  for (auto& [number, place] : dcs) {
    place.line->link.stop();
    if (place.next != nullptr) bury(std::move(place.next));
    for (auto& line : place.retired) bury(std::move(line));
    place.retired.clear();
  }
  update_condition();
}

Account::Account(EventLoop& loop, AccountOptions options, AccountState state,
                 AccountListener& listener)
    : impl_(std::make_unique<Impl>(loop, std::move(options), std::move(state), listener)) {}
Account::~Account() = default;

CallId Account::start(Bytes tl, const CallOptions& options, CallSink& sink) {
  Impl::Call call;
  call.tl = std::move(tl);
  call.sink = &sink;
  call.order = options.order;
  call.tell_settled = options.tell_settled;
  call.deadline_ns = options.deadline_ns != 0 ? options.deadline_ns
                                              : impl_->now_ns() + impl_->options.call_timeout_ns;
  return impl_->add(std::move(call));
}

void Account::cancel(CallId call) { impl_->cancel(call); }

void Account::forget(CallId call) { impl_->forget(call); }

void Account::set_user(int64_t user_id) { impl_->set_user(user_id); }

Condition Account::condition() const noexcept { return impl_->condition; }
const AccountState& Account::state() const noexcept { return impl_->state; }
const AccountCounts& Account::counts() const noexcept { return impl_->counts; }
size_t Account::pending() const noexcept { return impl_->calls.size() - impl_->internal_calls; }
const std::string& Account::problem() const noexcept { return impl_->problem; }

}  // namespace ringway::client
