// Teamgram's unary calls, session_sendDataToSession and session_closeSession: what every shard
// knows.
//
// Calls run in parallel, so each key has one call on its way and the rest waits in its line: that
// keeps a client's messages in order. A call that fails for a while is made again, first in its
// line, after a pause that doubles. A shard that is away altogether breaks the wire, so that the
// better ones are tried again when it is back.
#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "base/limits.h"
#include "cluster/session_codec.h"
#include "cluster/wire.h"

namespace ringway::cluster {
namespace {

constexpr uint32_t kRequestBody = 3;  // `data` of a send, `client` of a close

class UnaryWire final : public Wire {
 public:
  UnaryWire(LinkContext& link, Now) : Wire(link) {
    for (uint32_t entry = link.window.first(); entry != kNoEntry; entry = link.window.next(entry)) {
      added(entry);
    }
  }

  ~UnaryWire() override {
    for (const auto& [id, key] : calls_) link_.channel->cancel_call(id);
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
    const int64_t key = call->second;
    calls_.erase(call);
    return on_reply(key, event, now);
  }

  WireState flush(Now now) override {
    while (!paused_.empty() && paused_.begin()->first <= now.mono_ns) {
      ready_.push_back(paused_.begin()->second);
      paused_.erase(paused_.begin());
    }
    while (has_work()) {
      const int64_t key = ready_.front();
      ready_.pop_front();
      start_call(key);
    }
    return WireState::kGoing;
  }

  bool has_work() const noexcept override {
    return !ready_.empty() && calls_.size() < kUnaryInFlightMax;
  }

  int64_t deadline_ns() const noexcept override {
    return paused_.empty() ? INT64_MAX : paused_.begin()->first;
  }

 private:
  // The messages of one key. A line that exists has a call on its way, or stands in ready_ or
  // paused_.
  struct Line {
    std::deque<uint32_t> waiting;  // the front one is the call's
    int64_t pause_ns = 0;
    int objections = 0;  // to the front one
  };

  void start_call(int64_t key) {
    const uint32_t entry = lines_.at(key).waiting.front();
    const size_t body = link_.window.body_size(entry);
    Bytes head(message_field_size(kRequestBody, body) - body);
    ProtoWriter out(head);
    out.message_header(kRequestBody, body);
    WireMessage request = make_wire_message(head);
    request.push_back(link_.window.body(entry));
    const bool data = link_.window.kind(entry) == ItemKind::kData;
    const uint64_t id = link_.new_id();
    calls_.emplace(id, key);
    link_.count_batch(1);
    link_.channel->call(id, data ? CallMethod::kSendData : CallMethod::kCloseSession,
                        std::move(request), link_.options.call_timeout_ns, false);
  }

  WireState on_reply(int64_t key, const LinkEvent& event, Now now) {
    if (event.status == kStatusUnavailable) {
      link_.errors.note(Trouble::kBroken, event.status, event.text, now);
      return WireState::kBroken;
    }
    const auto found = lines_.find(key);
    Line& line = found->second;
    const bool retryable =
        is_retryable(event.status) && !is_key_unregistered(event.status, event.text);
    const bool indigestible =
        retryable && is_objection(event.status, link_.window.body_size(line.waiting.front())) &&
        ++line.objections >= kSuspectBreaksMax;
    if (indigestible) {
      link_.counters.add(Counter::kMessagesLost);
      link_.errors.note(Trouble::kLost, event.status, event.text, now);
    } else if (retryable) {
      link_.counters.add(Counter::kShardErrors);
      link_.errors.note(Trouble::kRefused, event.status, event.text, now);
      line.pause_ns = std::clamp(line.pause_ns * 2, kReconnectBackoffMinNs, kReconnectBackoffMaxNs);
      paused_.emplace(now.mono_ns + line.pause_ns, key);
      return WireState::kGoing;
    }
    established_ = true;
    settle_front(line, event, now);
    line.waiting.pop_front();
    line.pause_ns = 0;
    line.objections = 0;
    if (line.waiting.empty()) {
      lines_.erase(found);
    } else {
      ready_.push_back(key);
    }
    return WireState::kGoing;
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

  bool established_ = false;
  std::unordered_map<int64_t, Line> lines_;      // by perm_auth_key_id
  std::deque<int64_t> ready_;                    // lines that may call
  std::multimap<int64_t, int64_t> paused_;       // when -> line
  std::unordered_map<uint64_t, int64_t> calls_;  // on their way -> line
};

}  // namespace

std::unique_ptr<Wire> make_unary_wire(LinkContext& link, Now now) {
  return std::make_unique<UnaryWire>(link, now);
}

}  // namespace ringway::cluster
