// Teamgram's unary calls, session_sendDataToSession and session_closeSession: what every shard
// knows.
//
// Calls run in parallel, so each key has one call on its way and the rest waits in its line: that
// keeps a client's messages in order. A call that fails for a while is made again, first in its
// line, after a pause that doubles. A shard that is away altogether breaks the wire, so that the
// better ones are tried again when it is back; with no call on its way the end of the connection
// tells. A call that is not answered within its time says that the connection hangs.
#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "base/limits.h"
#include "cluster/message_call.h"
#include "cluster/session_codec.h"
#include "cluster/wire.h"

namespace ringway::cluster {
namespace {

// How often an idle wire looks whether its connection is still there.
constexpr int64_t kLookNs = kNsPerSecond;

class UnaryWire final : public Wire {
 public:
  UnaryWire(LinkContext& link, Now) : Wire(link), disconnects_(link.channel->disconnects()) {
    UnaryWire::rewind();
  }

  ~UnaryWire() override {
    for (const auto& [id, sent] : calls_) link_.channel->cancel_call(id);
  }

  std::string_view name() const noexcept override { return "unary"; }
  bool established() const noexcept override { return established_; }

  void added(uint32_t entry) override {
    const int64_t key = link_.window.perm_auth_key_id(entry);
    Line& line = lines_[key];
    line.waiting.push_back(entry);
    if (line.waiting.size() == 1) ready_.push_back(key);
  }

  WireState on_event(LinkEvent& event, Now now) override {
    if (event.kind != LinkEvent::Kind::kReply) return WireState::kGoing;
    const auto call = calls_.find(event.id);
    if (call == calls_.end()) return WireState::kGoing;
    const Sent sent = call->second;
    const int64_t age_ns = now.mono_ns - sent.sent_ns;
    if (event.status == kStatusUnavailable) {
      leave_behind(event);
      link_.errors.note(Trouble::kBroken, event.status, event.text, now);
      return WireState::kBroken;
    }
    calls_.erase(call);
    // Half of the time is enough of a difference to a shard that answers with this status.
    if (event.status == kStatusDeadlineExceeded && 2 * age_ns >= link_.options.call_timeout_ns) {
      // A slow shard is no reason to give a message up: nobody is blamed.
      link_.pace.stalled(now.mono_ns);
      link_.errors.note(Trouble::kBroken, event.status, event.text, now);
      return WireState::kStuck;
    }
    link_.pace.answered(age_ns, now.mono_ns);
    return on_reply(sent.key, event, now);
  }

  WireState flush(Now now) override {
    look_ns_ = now.mono_ns + kLookNs;
    if (quiet() && link_.channel->disconnects() != disconnects_) {
      link_.errors.note(Trouble::kBroken, kStatusUnavailable, "the connection has ended", now);
      return WireState::kBroken;
    }
    while (!paused_.empty() && paused_.begin()->first <= now.mono_ns) {
      ready_.push_back(paused_.begin()->second);
      paused_.erase(paused_.begin());
    }
    while (has_work()) {
      const int64_t key = ready_.front();
      ready_.pop_front();
      start_call(key, now);
    }
    return WireState::kGoing;
  }

  bool quiet() const noexcept override { return calls_.empty(); }

  void rewind() override {
    lines_.clear();
    ready_.clear();
    paused_.clear();
    for (uint32_t entry = link_.window.first(); entry != kNoEntry;
         entry = link_.window.next(entry)) {
      UnaryWire::added(entry);
    }
  }

  bool withdraw(uint32_t entry) override {
    const int64_t key = link_.window.perm_auth_key_id(entry);
    Line& line = lines_.at(key);
    const bool called = std::any_of(calls_.begin(), calls_.end(),
                                    [key](const auto& call) { return call.second.key == key; });
    if (called && line.waiting.front() == entry) return false;
    std::erase(line.waiting, entry);
    if (line.waiting.empty()) {
      lines_.erase(key);
      std::erase(ready_, key);
      std::erase_if(paused_, [key](const auto& paused) { return paused.second == key; });
    }
    return true;
  }

  bool has_work() const noexcept override {
    if (link_.held || ready_.empty()) return false;
    if (calls_.size() >= std::min(kUnaryInFlightMax, link_.pace.limit())) return false;
    return calls_.empty() || (!alone_ && !travels_alone(front(ready_.front())));
  }

  int64_t deadline_ns() const noexcept override {
    // A transport with threads of its own wakes nobody when an idle connection ends.
    const int64_t look_ns = quiet() ? look_ns_ : INT64_MAX;
    return paused_.empty() ? look_ns : std::min(look_ns, paused_.begin()->first);
  }

 private:
  // The messages of one key. A line that exists has a call on its way, or stands in ready_ or
  // paused_.
  struct Line {
    std::deque<uint32_t> waiting;  // the front one is the call's
    int64_t pause_ns = 0;
  };

  struct Sent {
    int64_t key = 0;
    int64_t sent_ns = 0;
  };

  uint32_t front(int64_t key) const { return lines_.at(key).waiting.front(); }

  void start_call(int64_t key, Now now) {
    const uint32_t entry = front(key);
    const uint64_t id = link_.new_id();
    calls_.emplace(id, Sent{key, now.mono_ns});
    alone_ = travels_alone(entry);
    mark_sent(entry);
    link_.count_batch(1);
    MessageCall call = make_message_call(link_.window, entry);
    link_.channel->call(id, call.method, std::move(call.request), link_.options.call_timeout_ns,
                        false);
  }

  WireState on_reply(int64_t key, const LinkEvent& event, Now now) {
    const auto found = lines_.find(key);
    Line& line = found->second;
    const Verdict verdict = verdict_of(event.status, event.text);
    const bool retryable = verdict == Verdict::kRetry || verdict == Verdict::kRetryFew;
    if (retryable && is_indigestible(line.waiting.front(), event.status, now)) {
      give_up(event.status, event.text, now);
      link_.window.release(line.waiting.front());
    } else if (retryable) {
      link_.counters.add(Counter::kShardErrors);
      link_.errors.note(Trouble::kRefused, event.status, event.text, now);
      line.pause_ns = std::clamp(line.pause_ns * 2, kReconnectBackoffMinNs, kReconnectBackoffMaxNs);
      paused_.emplace(now.mono_ns + line.pause_ns, key);
      return WireState::kGoing;
    } else {
      established_ = true;
      settle_front(line, event, now);
    }
    line.waiting.pop_front();
    line.pause_ns = 0;
    if (line.waiting.empty()) {
      lines_.erase(found);
    } else {
      ready_.push_back(key);
    }
    return WireState::kGoing;
  }

  // The shard had its chances with this entry, whose call ended with `status` once more.
  bool is_indigestible(uint32_t entry, int32_t status, Now now) {
    EntryMarks& marks = link_.window.marks(entry);
    if (is_objection(status, link_.window.body_size(entry))) {
      return ++marks.objections >= kSuspectBreaksMax;
    }
    // The shard says so: that holds up this key alone.
    if (status == kStatusDeadlineExceeded) link_.health.link_failed(now);
    return false;
  }

  void leave_behind(const LinkEvent& event) {
    link_.last_break = {event.status, event.cut, {}};
    for (const auto& [id, sent] : calls_) link_.last_break.sent.push_back(front(sent.key));
  }

  void settle_front(const Line& line, const LinkEvent& event, Now now) {
    if (event.status != kStatusOk) {
      settle(line.waiting.front(), event.status, event.text, now);
      return;
    }
    const Result<bool> truth = decode_bool(event.bytes);
    const bool served = truth.ok() && *truth;
    settle(line.waiting.front(), served ? kStatusOk : kStatusUnknown,
           truth.ok() ? "answered false" : "the answer does not decode", now);
  }

  const uint64_t disconnects_;  // of the channel when this began
  int64_t look_ns_ = 0;
  bool established_ = false;
  bool alone_ = false;                        // the call that was started last travels alone
  std::unordered_map<int64_t, Line> lines_;   // by perm_auth_key_id
  std::deque<int64_t> ready_;                 // lines that may call
  std::multimap<int64_t, int64_t> paused_;    // when -> line
  std::unordered_map<uint64_t, Sent> calls_;  // on their way
};

}  // namespace

std::unique_ptr<Wire> make_unary_wire(LinkContext& link, Now now) {
  return std::make_unique<UnaryWire>(link, now);
}

}  // namespace ringway::cluster
