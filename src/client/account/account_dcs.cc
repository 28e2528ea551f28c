// Links to DCs, and what a DC has to be told before it can be called.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "client/account/account_impl.h"
#include "client/account/limits.h"

namespace ringway::client {

using End = CallOutcome::End;

Account::Impl::Line::Line(Impl& owner, Dc& place, LinkOptions link_options)
    : account(owner),
      dc(place),
      link(owner.loop, owner.background, owner.lookups, *this, std::move(link_options)) {}

Account::Impl::Dc& Account::Impl::dc(int32_t number) {
  const auto found = dcs.find(number);
  if (found != dcs.end()) return found->second;
  Dc& place = dcs[number];
  place.number = number;
  place.busy_ns = now_ns();
  place.line = make_line(place);
  return place;
}

std::unique_ptr<Account::Impl::Line> Account::Impl::make_line(Dc& place) {
  LinkOptions link;
  link.dc = place.number;
  link.transport = options.transport;
  link.server_keys = options.server_keys;
  link.temporary_keys = options.temporary_keys;
  link.temporary_key_seconds = options.temporary_key_seconds;
  link.ack_delay_ns = options.ack_delay_ns;
  if (const auto known = state.keys.find(place.number); known != state.keys.end()) {
    SessionKey key;
    key.key = known->second.key;
    key.auth_key_id = known->second.auth_key_id;
    key.salt = known->second.salt;
    link.key = key;
  }
  auto line = std::make_unique<Line>(*this, place, std::move(link));
  line->link.set_addresses(addresses_of(place));
  return line;
}

// Best first, each once.
std::vector<LinkAddress> Account::Impl::addresses_of(const Dc& place) const {
  std::vector<LinkAddress> addresses;
  const auto add = [&addresses](LinkAddress address) {
    if (addresses.size() < kDcAddressesMax &&
        std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(std::move(address));
    }
  };
  const bool has_own = std::any_of(
      options.addresses.begin(), options.addresses.end(),
      [&place](const DcAddress& address) { return address.dc == place.number || address.dc == 0; });
  const bool is_home = place.number == state.main_dc && !state.host.empty();
  if (is_home && (options.follow_config || !has_own)) add({state.host, state.port});
  for (const DcAddress& address : options.addresses) {
    if (address.dc == place.number || address.dc == 0) {
      add({address.host, address.port, address.obfuscated_only});
    }
  }
  for (const LinkAddress& address : place.learned) add(address);
  return addresses;
}

bool Account::Impl::is_main(const Line& line) const { return line.dc.number == state.main_dc; }

void Account::Impl::bury(std::unique_ptr<Line> line) {
  line->link.stop();
  settle_all(*line);
  count(*line);
  buried.push_back(std::move(line));
  loop.at_turn_end([this, here = std::weak_ptr(alive)] {
    if (!here.expired()) buried.clear();
  });
}

void Account::Impl::flush_queue(Dc& place) {
  if (!place.line->link.is_up()) return;
  if (needs_import(place)) {
    import_sign_in(place);
    return;
  }
  std::deque<CallId> queue = std::move(place.queue);
  place.queue.clear();
  for (const CallId id : queue) send(id, calls.at(id), *place.line);
}

void Account::Impl::enqueue(CallId id, Call& call, Dc& place) {
  call.state = Call::State::kQueued;
  call.queued_at = &place;
  place.queue.push_back(id);
}

// Calls that are for home, wherever that is.
void Account::Impl::move_queue(Dc& before, Dc& home) {
  const std::deque<CallId> queue = std::move(before.queue);
  before.queue.clear();
  for (const CallId id : queue) {
    Call& call = calls.at(id);
    enqueue(id, call, call.dc == 0 ? home : before);
  }
}

// --- The sign-in at DCs that are not home

bool Account::Impl::needs_import(const Dc& place) const {
  const int64_t user = state.user_id();
  if (user == 0 || place.number == state.main_dc || place.import == Dc::Import::kDone) return false;
  const auto key = state.keys.find(place.number);
  return key == state.keys.end() || key->second.user_id != user;
}

void Account::Impl::import_sign_in(Dc& place) {
  if (place.import == Dc::Import::kUnderWay) return;
  place.import = Dc::Import::kUnderWay;
  start_internal(objects.export_authorization(place.number), 0, false,
                 [this, number = place.number](CallOutcome outcome) {
                   on_exported(number, std::move(outcome));
                 });
}

void Account::Impl::on_exported(int32_t number, CallOutcome outcome) {
  Dc& place = dc(number);
  Bytes import;
  if (outcome.end == End::kResult) import = objects.import_authorization(outcome.result);
  if (import.empty()) {
    fail_queue(place, outcome, "the sign-in cannot be taken to DC " + std::to_string(number));
    return;
  }
  start_internal(std::move(import), number, true, [this, number](CallOutcome imported) {
    on_imported(number, std::move(imported));
  });
}

void Account::Impl::on_imported(int32_t number, CallOutcome outcome) {
  Dc& place = dc(number);
  if (outcome.end == End::kUnavailable) {
    place.import = Dc::Import::kNone;  // with the next connection
    return;
  }
  if (outcome.end != End::kResult) {
    fail_queue(place, outcome, "DC " + std::to_string(number) + " does not take the sign-in");
    return;
  }
  place.import = Dc::Import::kDone;
  if (const auto key = state.keys.find(number); key != state.keys.end()) {
    key->second.user_id = state.user_id();
  }
  if (moving_to == number) make_home(place);
  state_changed();
  update_condition();
  flush_queue(place);
}

// What waited for the sign-in there cannot be done; with the server's reason, if it gave one.
void Account::Impl::fail_queue(Dc& place, const CallOutcome& reason, const std::string& why) {
  place.import = Dc::Import::kNone;
  if (moving_to == place.number) moving_to = 0;
  const std::deque<CallId> queue = std::move(place.queue);
  place.queue.clear();
  for (const CallId id : queue) {
    CallOutcome outcome = reason;
    if (reason.end == End::kResult || reason.end == End::kDeadline) {
      outcome.end = End::kUnavailable;
      outcome.result.clear();
    }
    outcome.sent = calls.at(id).may_have_run;
    outcome.text = reason.text.empty() ? why : reason.text;
    finish(id, std::move(outcome));
  }
}

// The sign-in has been taken there.
void Account::Impl::make_home(Dc& place) {
  moving_to = 0;
  move_queue(dc(state.main_dc), place);
  state.main_dc = place.number;
  state.host = place.line->link.address().host;
  state.port = place.line->link.address().port;
  ask_config();
  // What it told before it was home, nobody listened to.
  if (place.line->link.heard()) listener.on_gap();
}

void Account::Impl::move_home(int32_t number) {
  if (number == state.main_dc || number == moving_to) return;
  Dc& place = dc(number);
  if (state.user_id() != 0 && place.import == Dc::Import::kDone) {
    make_home(place);
    place.line->link.start();  // it may have been idle for long
    state_changed();
    update_condition();
    flush_queue(place);
    return;
  }
  if (state.user_id() != 0) {
    // What an earlier run took there may have been forgotten: only other DCs may do that.
    if (const auto key = state.keys.find(number); key != state.keys.end()) key->second.user_id = 0;
    moving_to = number;
    return;
  }
  log_at(LogLevel::kInfo, "client", "DC {} is home now", number);
  Dc& before = dc(state.main_dc);
  state.main_dc = number;
  state.host.clear();  // that of the other one
  Dc& home = dc(number);
  move_queue(before, home);
  home.line->link.set_addresses(addresses_of(home));
  home.line->link.start();
  state_changed();
  update_condition();
  if (home.line->link.is_up()) flush_queue(home);
}

// --- Addresses

void Account::Impl::ask_config() {
  Bytes call = objects.get_config();
  if (call.empty()) return;
  start_internal(std::move(call), state.main_dc, true, [this](CallOutcome outcome) {
    if (outcome.end != End::kResult) return;
    learn_home(objects.this_dc_of(outcome.result));
    if (options.follow_config) on_config(outcome.result);
  });
}

// Home was only an address so far.
void Account::Impl::learn_home(int32_t number) {
  // One that calls were sent to meanwhile has a link and a key of its own: the next run learns it.
  if (number == 0 || state.main_dc != 0 || dcs.contains(number)) return;
  log_at(LogLevel::kInfo, "client", "{}: this is DC {}", state.host, number);
  auto home = dcs.extract(0);
  home.key() = number;
  Dc& place = home.mapped();
  dcs.insert(std::move(home));
  place.number = number;
  place.line->link.set_dc(number);
  if (place.next != nullptr) place.next->link.set_dc(number);
  state.main_dc = number;
  if (auto key = state.keys.extract(0)) {
    state.keys.erase(number);
    key.key() = number;
    state.keys.insert(std::move(key));
  }
  if (auto offset = counts.time_offsets_ns.extract(0)) {
    offset.key() = number;
    counts.time_offsets_ns.insert(std::move(offset));
  }
  place.line->link.set_addresses(addresses_of(place));
  state_changed();
}

void Account::Impl::on_config(ByteView config) {
  std::map<int32_t, std::vector<LinkAddress>> learned;
  for (DcAddress& address : objects.addresses_of(config)) {
    if (learned.size() >= kDcsMax && !learned.contains(address.dc)) continue;
    learned[address.dc].push_back({std::move(address.host), address.port, address.obfuscated_only});
  }
  for (auto& [number, addresses] : learned) {
    if (dcs.size() >= kDcsMax && !dcs.contains(number)) continue;
    Dc& place = dc(number);
    place.learned = std::move(addresses);
    place.line->link.set_addresses(addresses_of(place));
  }
}

void Account::Impl::close_idle() {
  for (auto& [number, place] : dcs) {
    end_retired(place);
    if (number == state.main_dc || number == moving_to || place.line->link.is_idle()) continue;
    if (!place.queue.empty() || !place.line->calls.empty()) place.busy_ns = now_ns();
    if (now_ns() - place.busy_ns >= kDcIdleNs) place.line->link.stop();
  }
}

void Account::Impl::end_retired(Dc& place) {
  std::vector<std::unique_ptr<Line>> lines = std::move(place.retired);
  place.retired.clear();
  for (auto& line : lines) {
    const bool wanted = !line->calls.empty() || !line->settling.empty();
    if (wanted && now_ns() - line->retired_ns < kRetiredLinkNs) {
      place.retired.push_back(std::move(line));
      continue;
    }
    const auto left = std::move(line->calls);
    line->calls.clear();
    bury(std::move(line));
    for (const auto& [request, id] : left) {
      calls.at(id).state = Call::State::kQueued;
      finish(id, {.end = End::kUnavailable,
                  .sent = true,
                  .text = "its temporary key was replaced before the answer came"});
    }
  }
}

// --- What links tell

void Account::Impl::on_key(Line& line) {
  const SessionKey& made = *line.link.key();
  DcKey& key = state.keys[line.dc.number];
  key.key = made.key;
  key.auth_key_id = made.auth_key_id;
  key.salt = made.salt;
  key.user_id = 0;
  line.dc.import = Dc::Import::kNone;
  line.dc.made_key = true;
  state_changed();
}

void Account::Impl::on_ready(Line& line, bool fresh) {
  count(line);
  Dc& place = line.dc;
  if (fresh) line.initialized = false;
  if (place.next.get() == &line) {
    // Its predecessor stays for the calls that it has.
    place.line->retired_ns = now_ns();
    place.retired.push_back(std::move(place.line));
    place.line = std::move(place.next);
    watch_deadline(now_ns());
  }
  if (place.line.get() != &line) return;
  note_clock(line);
  // The first call of a session; its answer tells that it is known who calls.
  if (fresh && is_main(line)) ask_config();
  flush_queue(place);
}

void Account::Impl::on_heard(Line& line) {
  if (!is_main(line) || line.dc.line.get() != &line) return;
  const LinkAddress& address = line.link.address();
  if (state.host != address.host || state.port != address.port) {
    state.host = address.host;
    state.port = address.port;
    state_changed();
  }
  update_condition();
  if (state.user_id() != 0) listener.on_gap();
}

void Account::Impl::on_down(Line& line) {
  count(line);
  log_at(LogLevel::kInfo, "client", "DC {}: {}", line.dc.number, line.link.problem());
  if (is_main(line)) update_condition();
}

// Its calls go out in another session, but for those that the server may have worked on.
void Account::Impl::on_session_lost(Line& line) {
  std::vector<std::pair<RequestId, CallId>> lost(line.calls.begin(), line.calls.end());
  std::sort(lost.begin(), lost.end());
  line.calls.clear();
  line.initialized = false;
  settle_all(line);
  if (line.dc.line.get() == &line) counts.time_offsets_ns.erase(line.dc.number);
  for (const auto& [request, id] : lost) {
    Call& call = calls.at(id);
    const bool may_have_run = line.link.may_have_run(call.mark);
    call.state = Call::State::kQueued;
    call.line = nullptr;
    if (may_have_run || call.first) {
      finish(id, {.end = End::kUnavailable,
                  .sent = may_have_run,
                  .text = "the connection's key was lost before the answer came"});
    } else {
      enqueue(id, call, line.dc);
    }
  }
  if (line.dc.line.get() != &line) flush_queue(line.dc);
}

void Account::Impl::on_key_refused(Line& line) {
  count(line);
  log_at(LogLevel::kWarning, "client", "DC {} does not know the key", line.dc.number);
  // Of a stored key it is not always known that somebody is signed in with it. One that another
  // server, or one in trouble, refuses is never overwritten.
  if (is_main(line) && (state.user_id() != 0 || !line.dc.made_key)) {
    sign_out(401, "AUTH_KEY_UNREGISTERED");
    return;
  }
  line.link.forget_key();
  state.keys.erase(line.dc.number);
  line.dc.import = Dc::Import::kNone;
  state_changed();
  line.link.start();
}

void Account::Impl::on_key_old(Line& line) {
  Dc& place = line.dc;
  if (place.line.get() != &line || place.next != nullptr) return;
  place.next = make_line(place);
  place.next->link.start();
}

}  // namespace ringway::client
