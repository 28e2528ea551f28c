#include "cluster/shard_link.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "cluster/hash_ring.h"
#include "cluster/session_codec.h"

namespace ringway::cluster {
namespace {

using MakeWire = std::unique_ptr<Wire> (*)(LinkContext&, Now);

// Best first.
constexpr std::array<MakeWire, 3> kWires = {make_batch_wire, make_stream_wire, make_unary_wire};

// The transport ends calls at their deadline; one that it forgets is given up this much later.
constexpr int64_t kKeyCallGraceNs = 500 * kNsPerMs;

}  // namespace

ShardLink::ShardLink(std::string address, const DispatcherOptions& options,
                     ShardTransport& transport, Waker& waker, CounterBlock& counters,
                     LinkOutput& output)
    : address_(std::move(address)),
      transport_(transport),
      errors_(address_),
      window_(options.server_id, options.window_messages_max, options.window_bytes_max),
      channel_(transport.open(address_, waker)),
      context_{options, window_, waker, counters, errors_, output, {}, channel_.get()},
      backoff_(kReconnectBackoffMinNs, kReconnectBackoffMaxNs,
               ring_hash(address_) + options.worker) {}

ShardLink::~ShardLink() = default;

bool ShardLink::send(const ClientMessage& message) {
  append_aside();
  const uint32_t entry = aside_.empty() ? window_.append(message) : kNoEntry;
  if (entry == kNoEntry) {
    full_seen_ = true;
    return false;
  }
  if (wire_ != nullptr) wire_->added(entry);
  return true;
}

bool ShardLink::close_session(const SessionClose& close) {
  append_aside();
  const uint32_t entry = aside_.empty() ? window_.append(close) : kNoEntry;
  if (entry != kNoEntry) {
    if (wire_ != nullptr) wire_->added(entry);
    return true;
  }
  if (aside_.size() >= kClosesAsideMax) return false;
  aside_.push_back({close, std::string(close.client_ip)});
  return true;
}

void ShardLink::append_aside() {
  while (!aside_.empty()) {
    OwnedClose& owned = aside_.front();
    owned.close.client_ip = owned.client_ip;
    const uint32_t entry = window_.append(owned.close);
    if (entry == kNoEntry) return;
    if (wire_ != nullptr) wire_->added(entry);
    aside_.pop_front();
  }
}

uint64_t ShardLink::new_key_call(KeyCall call, Now now) {
  const uint64_t id = context_.new_id();
  call.deadline_ns = now.mono_ns + context_.options.call_timeout_ns + kKeyCallGraceNs;
  key_calls_.emplace(id, call);
  key_calls_by_age_.push_back(id);
  return id;
}

void ShardLink::query_auth_key(int64_t auth_key_id, Now now) {
  const uint64_t id = new_key_call({.store = false, .auth_key_id = auth_key_id}, now);
  context_.counters.add(Counter::kKeyQueries);
  channel_->call(id, CallMethod::kQueryAuthKey, encode_query_auth_key(auth_key_id),
                 context_.options.call_timeout_ns, true);
}

void ShardLink::set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                             uint64_t cookie, Now now) {
  const uint64_t id =
      new_key_call({.store = true, .auth_key_id = record.auth_key_id, .cookie = cookie}, now);
  channel_->call(id, CallMethod::kSetAuthKey, encode_set_auth_key(record, salt, expires_in, now),
                 context_.options.call_timeout_ns, true);
}

void ShardLink::poll(Now now) {
  if (events_done_ == events_.size() && channel_->has_events()) {
    channel_->take(events_);
    events_done_ = 0;
  }
  // A bounded part of what came: the rest waits for the next turn, and the transport waits with it.
  // The list is shared by all links of the worker; each may add its own share to it.
  const size_t pushes_max = context_.output.pushes.size() + kPushesPerLinkMax;
  while (events_done_ < events_.size() && context_.output.pushes.size() < pushes_max) {
    LinkEvent& event = events_[events_done_++];
    if (event.kind == LinkEvent::Kind::kReply && on_key_reply(event, now)) continue;
    if (wire_ != nullptr) on_state(wire_->on_event(event, now), now);
  }
  fail_late_calls(now);
  append_aside();
  if (wire_ == nullptr && !retired_ && now.mono_ns >= retry_at_ns_) start_wire(now);
}

void ShardLink::flush(Now now) {
  if (wire_ != nullptr) on_state(wire_->flush(now), now);
}

void ShardLink::start_wire(Now now) {
  oldest_at_start_ = window_.first() == kNoEntry ? 0 : window_.serial(window_.first());
  wire_ = kWires[wire_choice_](context_, now);
}

void ShardLink::on_state(WireState state, Now now) {
  if (state == WireState::kGoing) {
    if (!wire_->established()) return;
    const bool nothing_waits = window_.first() == kNoEntry;
    if (nothing_waits || window_.serial(window_.first()) != oldest_at_start_) backoff_.reset();
    if (!up_) {
      up_ = true;
      log_info("cluster", "worker {}: shard {} is up, wire {}", context_.options.worker, address_,
               wire_->name());
    }
    return;
  }
  if (state == WireState::kUnsupported && wire_choice_ + 1 < kWires.size()) {
    wire_ = nullptr;
    ++wire_choice_;
    start_wire(now);
    return;
  }
  reconnect_later(state, now);
}

// A message that a shard cannot digest ends the stream at each attempt, and all others wait behind
// it. After such an end everything that was on its way goes again one by one, so that the next end
// names the message; when one is named kSuspectBreaksMax times in a row, it is given up.
void ShardLink::look_for_suspect(Now now) {
  const LinkContext::Break broken = std::exchange(context_.last_break, {});
  if (broken.oldest == kNoEntry || !is_objection(broken.status, SIZE_MAX)) return;
  context_.careful_until = std::max(context_.careful_until, broken.newest_serial);
  const uint64_t serial = window_.serial(broken.oldest);
  const bool alone = serial == broken.newest_serial;
  if (!alone || !is_objection(broken.status, window_.item_size(broken.oldest))) return;
  suspect_breaks_ = serial == suspect_ ? suspect_breaks_ + 1 : 1;
  suspect_ = serial;
  if (suspect_breaks_ < kSuspectBreaksMax) return;
  context_.counters.add(Counter::kMessagesLost);
  errors_.note(Trouble::kLost, broken.status, "the shard cannot digest a message", now);
  window_.release(broken.oldest);
}

void ShardLink::reconnect_later(WireState state, Now now) {
  if (up_) {
    ++context_.tally.breaks;
    context_.tally.replays += window_.messages();
    context_.counters.add(Counter::kShardReplays, window_.messages());
  }
  wire_ = nullptr;
  wire_choice_ = 0;
  up_ = false;
  look_for_suspect(now);
  retry_at_ns_ = now.mono_ns + backoff_.next();
  if (state != WireState::kStuck) return;
  // The connection may be dead without knowing it: only a new one finds out. What else was under
  // way on the old one is over.
  for (const auto& [id, call] : key_calls_) fail(call);
  key_calls_.clear();
  key_calls_by_age_.clear();
  events_.clear();
  events_done_ = 0;
  channel_ = transport_.open(address_, context_.waker);
  context_.channel = channel_.get();
}

bool ShardLink::on_key_reply(LinkEvent& event, Now now) {
  const auto found = key_calls_.find(event.id);
  if (found == key_calls_.end()) return false;
  const KeyCall call = found->second;
  key_calls_.erase(found);
  if (call.store) {
    answer_store(call, event, now);
  } else {
    answer_query(call, event, now);
  }
  return true;
}

void ShardLink::answer_query(const KeyCall& call, LinkEvent& event, Now now) {
  LinkOutput::Key key{.auth_key_id = call.auth_key_id};
  if (event.status == kStatusOk) {
    Result<AuthKeyRecord> record = decode_auth_key_info(event.bytes);
    cleanse(event.bytes.data(), event.bytes.size());
    if (record.ok() && record->auth_key_id == call.auth_key_id) {
      key.answer = KeyAnswer::kFound;
      key.record = *record;
    } else {
      errors_.note(Trouble::kKeyQuery, kStatusOk, "not a key record of this id", now);
    }
  } else if (is_key_unregistered(event.status, event.text)) {
    key.answer = KeyAnswer::kUnregistered;
    context_.counters.add(Counter::kKeyQueriesUnknown);
  } else {
    errors_.note(Trouble::kKeyQuery, event.status, event.text, now);
  }
  if (key.answer == KeyAnswer::kFailed) context_.counters.add(Counter::kKeyQueriesFailed);
  context_.output.keys.push_back(std::move(key));
}

void ShardLink::answer_store(const KeyCall& call, const LinkEvent& event, Now now) {
  const Result<bool> truth =
      event.status == kStatusOk ? decode_bool(event.bytes) : Result<bool>(Error::kUnavailable);
  const bool stored = truth.ok() && *truth;
  if (!stored) {
    context_.counters.add(Counter::kShardErrors);
    errors_.note(Trouble::kKeyStore, event.status, event.text, now);
  }
  context_.output.stores.push_back(
      {call.cookie, stored ? StoreAnswer::kStored : StoreAnswer::kRefused});
}

void ShardLink::fail(const KeyCall& call) {
  if (call.store) {
    context_.counters.add(Counter::kShardErrors);
    context_.output.stores.push_back({call.cookie, StoreAnswer::kRefused});
  } else {
    context_.counters.add(Counter::kKeyQueriesFailed);
    context_.output.keys.push_back({.auth_key_id = call.auth_key_id});
  }
}

void ShardLink::fail_late_calls(Now now) {
  while (!key_calls_by_age_.empty()) {
    const auto found = key_calls_.find(key_calls_by_age_.front());
    if (found != key_calls_.end()) {
      if (found->second.deadline_ns > now.mono_ns) return;
      fail(found->second);
      key_calls_.erase(found);
    }
    key_calls_by_age_.pop_front();
  }
}

bool ShardLink::has_work() const noexcept {
  return events_done_ < events_.size() || channel_->has_events() ||
         (wire_ != nullptr && wire_->has_work());
}

int64_t ShardLink::deadline_ns() const noexcept {
  int64_t deadline = retired_ ? INT64_MAX : retry_at_ns_;
  if (wire_ != nullptr) deadline = wire_->deadline_ns();
  if (!key_calls_by_age_.empty()) {
    const auto oldest = key_calls_.find(key_calls_by_age_.front());
    if (oldest != key_calls_.end()) deadline = std::min(deadline, oldest->second.deadline_ns);
  }
  return deadline;
}

bool ShardLink::window_opened() {
  if (!full_seen_ || !aside_.empty() || !window_.has_ample_room()) return false;
  full_seen_ = false;
  return true;
}

bool ShardLink::finished() const noexcept {
  return retired_ && unacknowledged() == 0 && key_calls_.empty();
}

void ShardLink::hand_over(const std::function<ShardLink&(int64_t)>& owner_of, Now now) {
  RW_ASSERT(retired_);
  wire_ = nullptr;  // first, because wires count on entries leaving the window by their own doing
  wire_choice_ = 0;
  up_ = false;
  retry_at_ns_ = 0;  // at once, should the shard come back
  if (unacknowledged() > 0) {
    log_info("cluster", "worker {}: shard {} has left; {} unacknowledged messages go to others",
             context_.options.worker, address_, unacknowledged());
  }
  uint32_t entry = window_.first();
  while (entry != kNoEntry) {
    owner_of(window_.perm_auth_key_id(entry)).take_over(window_, entry, now);
    window_.release(entry);
    entry = window_.first();
  }
  for (OwnedClose& owned : aside_) {
    owned.close.client_ip = owned.client_ip;
    if (!owner_of(owned.close.perm_auth_key_id).close_session(owned.close)) {
      context_.counters.add(Counter::kSessionClosesLost);
    }
  }
  aside_.clear();
  full_seen_ = false;  // who waited for room here is told that the node set has changed
}

void ShardLink::take_over(const SendWindow& from, uint32_t entry, Now now) {
  const uint32_t taken = window_.append_copy(from, entry);
  if (taken == kNoEntry) {
    context_.counters.add(Counter::kMessagesLost);
    errors_.note(Trouble::kLost, kStatusResourceExhausted, "no room for what others left", now);
    return;
  }
  context_.counters.add(Counter::kMessagesHandedOver);
  if (wire_ != nullptr) wire_->added(taken);
}

void ShardLink::status(ShardStatus& out) const {
  out.address = address_;
  out.wire = up_ ? wire_->name() : "connecting";
  out.up = up_;
  // Only an answer of the shard leads beyond the first wire; the others say nothing before there is
  // a message for them.
  out.reached = up_ || (wire_ != nullptr && wire_choice_ > 0);
  out.window_messages = window_.messages();
  out.window_bytes = window_.chunk_bytes();
  out.tally = context_.tally;
}

}  // namespace ringway::cluster
