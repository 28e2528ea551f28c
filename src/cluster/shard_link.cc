#include "cluster/shard_link.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/hash_ring.h"
#include "cluster/session_codec.h"

namespace ringway::cluster {
namespace {

using MakeWire = std::unique_ptr<Wire> (*)(LinkContext&, Now);

// Best first.
constexpr std::array<MakeWire, 3> kWires = {make_batch_wire, make_stream_wire, make_unary_wire};

// First and last of kWires that a choice allows.
struct WireRange {
  size_t first = 0;
  size_t last = 0;
};
constexpr WireRange wire_range(WireChoice choice) noexcept {
  switch (choice) {
    case WireChoice::kBatch:
      return {0, 0};
    case WireChoice::kStream:
      return {1, 1};
    case WireChoice::kUnary:
      return {2, 2};
    case WireChoice::kAuto:
      break;
  }
  return {0, kWires.size() - 1};
}

}  // namespace

ShardLink::ShardLink(uint32_t number, std::string address, const DispatcherOptions& options,
                     ShardTransport& transport, Waker& waker, CounterBlock& counters,
                     LinkOutput& output)
    : address_(std::move(address)),
      transport_(transport),
      errors_(address_),
      window_(options.server_id, options.window_messages_max, options.window_bytes_max),
      channel_(transport.open(address_, waker)),
      context_{options, window_, waker, counters, errors_,
               output,  health_, {},    number,   channel_.get()},
      wire_choice_(wire_range(options.wire).first),
      backoff_(kReconnectBackoffMinNs, kReconnectBackoffMaxNs,
               ring_hash(address_) + options.worker) {}

ShardLink::~ShardLink() = default;

bool ShardLink::send(const ClientMessage& message, bool may_enter) {
  append_aside();
  const uint32_t entry = may_enter && aside_.empty() ? window_.append(message) : kNoEntry;
  if (entry == kNoEntry) {
    full_seen_ = true;
    return false;
  }
  if (wire_ != nullptr) wire_->added(entry);
  return true;
}

void ShardLink::close_session(const SessionClose& close) {
  append_aside();
  const uint32_t entry = aside_.empty() ? window_.append(close) : kNoEntry;
  if (entry == kNoEntry) {
    context_.counters.add(Counter::kSessionClosesDelayed);
    aside_.emplace_back(close);
  } else if (wire_ != nullptr) {
    wire_->added(entry);
  }
}

void ShardLink::append_aside() {
  while (!aside_.empty()) {
    const uint32_t entry = window_.append(aside_.front().view());
    if (entry == kNoEntry) return;
    if (wire_ != nullptr) wire_->added(entry);
    aside_.pop_front();
  }
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
    if (event.kind == LinkEvent::Kind::kReply && on_reply(event, now)) continue;
    if (wire_ != nullptr) on_state(wire_->on_event(event, now), now);
  }
  fail_late_calls(now);
  append_aside();
  look_at_health(now);
  if (wire_ == nullptr && !probing_ && now.mono_ns >= retry_at_ns_) start_wire(now);
}

void ShardLink::flush(Now now) {
  if (wire_ != nullptr) on_state(wire_->flush(now), now);
  if (wire_ == nullptr || reached_ || now.mono_ns < silent_ns_) return;
  // Nothing was heard for as long as a call may take; the attempt itself has more time.
  health_.link_failed(now);
  silent_ns_ = now.mono_ns + context_.options.call_timeout_ns;
}

// A shard that was taken out has to say something after that; then, and when its pause is over, it
// comes back.
void ShardLink::look_at_health(Now now) {
  if (health_.out() && !out_seen_) {
    out_seen_ = true;
    context_.counters.add(Counter::kShardsTakenOut);
    log_warning("cluster", "worker {}: shard {} is out of the ring: {} failures in a row",
                context_.options.worker, address_, kShardFailuresMax);
    hand_back_calls();
    if (wire_ != nullptr) reconnect_later(WireState::kBroken, now);
  }
  if (!out_seen_ || !reached_ || now.mono_ns < health_.readmit_ns()) return;
  out_seen_ = false;
  health_.readmit();
  context_.counters.add(Counter::kShardsReadmitted);
  log_info("cluster", "worker {}: shard {} answers again", context_.options.worker, address_);
}

void ShardLink::start_wire(Now now) {
  if (wire_choice_ != 0 && !reached_) {
    start_probe(now);
    return;
  }
  silent_ns_ = now.mono_ns + context_.options.call_timeout_ns;
  oldest_at_start_ = window_.first() == kNoEntry ? 0 : window_.serial(window_.first());
  wire_ = kWires[wire_choice_](context_, now);
}

void ShardLink::on_state(WireState state, Now now) {
  if (state == WireState::kGoing) {
    if (!wire_->established()) return;
    reached_ = true;
    const bool nothing_waits = window_.first() == kNoEntry;
    if (nothing_waits || window_.serial(window_.first()) != oldest_at_start_) backoff_.reset();
    if (!up_) {
      up_ = true;
      log_info("cluster", "worker {}: shard {} is up, wire {}", context_.options.worker, address_,
               wire_->name());
    }
    return;
  }
  if (state == WireState::kUnsupported) reached_ = true;
  if (state == WireState::kUnsupported && wire_choice_ < wire_range(context_.options.wire).last) {
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
  const bool objection = is_objection(broken.status, SIZE_MAX);
  if (!objection && !broken.touched) return;
  bool given_up = false;
  for (const uint32_t entry : broken.sent) {
    EntryMarks& marks = window_.marks(entry);
    if (objection) {
      marks.careful = true;
    } else {
      given_up = blame_crash(marks);
    }
  }
  if (broken.sent.size() != 1) return;
  const uint32_t entry = broken.sent.front();
  if (objection && is_objection(broken.status, window_.item_size(entry))) {
    given_up = ++window_.marks(entry).objections >= kSuspectBreaksMax;
  }
  if (!given_up) return;
  if (broken.status == kStatusDeadlineExceeded) {
    // Silence names nobody: the message goes on in a line, where it holds up its own key alone.
    context_.set_aside(entry, broken.status, "the shard hangs");
    return;
  }
  context_.counters.add(Counter::kMessagesLost);
  errors_.note(Trouble::kLost, broken.status, "the shard cannot digest a message", now);
  window_.release(entry);
}

void ShardLink::reconnect_later(WireState state, Now now) {
  health_.link_failed(now);
  if (up_) ++context_.tally.breaks;
  wire_ = nullptr;
  wire_choice_ = wire_range(context_.options.wire).first;
  up_ = false;
  reached_ = false;
  look_for_suspect(now);
  retry_at_ns_ = now.mono_ns + backoff_.next();
  if (state == WireState::kStuck) open_channel();
}

// The connection may be dead without knowing it: only a new one finds out. What else was under way
// on the old one is over.
void ShardLink::open_channel() {
  hand_back_calls();
  fail_calls();
  probing_ = false;
  events_.clear();
  events_done_ = 0;
  channel_ = transport_.open(address_, context_.waker);
  context_.channel = channel_.get();
}

bool ShardLink::has_work() const noexcept {
  return events_done_ < events_.size() || channel_->has_events() || health_.out() != out_seen_ ||
         (wire_ != nullptr && wire_->has_work());
}

int64_t ShardLink::deadline_ns() const noexcept {
  int64_t deadline = INT64_MAX;
  if (wire_ != nullptr) {
    deadline = wire_->deadline_ns();
    if (!reached_) deadline = std::min(deadline, silent_ns_);
  } else if (!probing_) {
    deadline = retry_at_ns_;
  }
  if (health_.out() && reached_) deadline = std::min(deadline, health_.readmit_ns());
  if (!call_deadlines_.empty()) deadline = std::min(deadline, call_deadlines_.begin()->first);
  return deadline;
}

bool ShardLink::window_opened() {
  if (!full_seen_ || !aside_.empty() || !window_.has_ample_room()) return false;
  full_seen_ = false;
  return true;
}

// --- changes of the ring

void ShardLink::serve(bool serving) noexcept {
  serving_ = serving;
  context_.held = holding_ || !serving_;
}

void ShardLink::hold(bool holding) noexcept {
  holding_ = holding;
  context_.held = holding_ || !serving_;
}

bool ShardLink::wants_handover(const Leaves& leaves) const {
  if (quiet() || health_.out()) return false;
  for (uint32_t e = window_.first(); e != kNoEntry; e = window_.next(e)) {
    if (leaves(window_.perm_auth_key_id(e))) return true;
  }
  return false;
}

void ShardLink::depart(const Leaves& leaves, Departing& out, Now now) {
  std::vector<uint32_t> leaving;
  for (uint32_t e = window_.first(); e != kNoEntry; e = window_.next(e)) {
    if (leaves(window_.perm_auth_key_id(e))) leaving.push_back(e);
  }
  for (const OwnedClose& owned : aside_) {
    if (leaves(owned.close.perm_auth_key_id)) out.closes.push_back(owned);
  }
  std::erase_if(aside_, [&](const OwnedClose& o) { return leaves(o.close.perm_auth_key_id); });
  if (leaving.empty()) return;
  const bool begin_again = !quiet();
  if (begin_again) {
    wire_ = nullptr;
    up_ = false;
  }
  for (const uint32_t entry : leaving) out.items.push_back(window_.take(entry));
  if (begin_again) {
    start_wire(now);
  } else if (wire_ != nullptr) {
    wire_->rewind();
  }
}

void ShardLink::adopt(WindowItem item) {
  const uint32_t entry = window_.adopt(std::move(item));
  if (wire_ != nullptr) wire_->added(entry);
}

std::vector<ShardLink::Withdrawn> ShardLink::withdraw(int64_t perm_auth_key_id,
                                                      std::vector<OwnedClose>& closes) {
  std::vector<Withdrawn> all;
  for (uint32_t entry = window_.first(); entry != kNoEntry;) {
    const uint32_t next = window_.next(entry);
    if (window_.perm_auth_key_id(entry) == perm_auth_key_id) {
      Withdrawn one{.entry = entry, .serial = window_.serial(entry)};
      one.on_its_way = wire_ != nullptr && !wire_->withdraw(entry);
      if (!one.on_its_way) one.item = window_.take(entry);
      all.push_back(std::move(one));
    }
    entry = next;
  }
  const auto is_of_key = [perm_auth_key_id](const OwnedClose& owned) {
    return owned.close.perm_auth_key_id == perm_auth_key_id;
  };
  std::copy_if(aside_.begin(), aside_.end(), std::back_inserter(closes), is_of_key);
  std::erase_if(aside_, is_of_key);
  return all;
}

void ShardLink::status(ShardStatus& out) const {
  out.address = address_;
  out.wire = up_ ? wire_->name() : "connecting";
  out.up = up_;
  out.reached = reached_;
  out.in_ring = serving_;
  out.window_messages = window_.messages();
  out.window_bytes = window_.chunk_bytes();
  out.tally = context_.tally;
}

}  // namespace ringway::cluster
