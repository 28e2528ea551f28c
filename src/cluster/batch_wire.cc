// Our batched stream, /ringway.link.v1.ShardLink/Attach.
//
//     greeting --Welcome--> open          greeting, open --end, error--> broken
//     greeting --UNIMPLEMENTED--> unsupported
//
// Items carry the sequence 1, 2, 3... of this stream, in window order: while the wire lives,
// entries leave the window from the front only, so the front entry is always sequence acknowledged_
// + 1.
#include <algorithm>
#include <bit>
#include <map>

#include "base/clock.h"
#include "base/limits.h"
#include "base/spare_bytes.h"
#include "cluster/link_codec.h"
#include "cluster/push_answers.h"
#include "cluster/send_pace.h"
#include "cluster/wire.h"

namespace ringway::cluster {
namespace {

constexpr size_t kHeadsBytes = 16 * 1024;
// How long an answer to a push may wait for messages to travel with.
constexpr int64_t kPushAnswerWaitNs = kNsPerMs;

class BatchWire final : public Wire {
 public:
  BatchWire(LinkContext& link, Now now)
      : Wire(link),
        stream_(link.new_id()),
        items_max_(link.options.batch_messages_max),
        progress_ns_(now.mono_ns),
        ages_(link.options.call_timeout_ns),
        keys_(std::bit_ceil(link.window.messages_max())),
        answers_(std::make_shared<PushAnswers>(link.waker)) {
    unsent_ = link.window.first();
    link.channel->start_stream(stream_, StreamMethod::kAttach);
    WireMessage hello =
        make_wire_message(encode_hello(link.options.server_id, link.options.worker));
    link.channel->write(stream_, {&hello, 1});
    writing_ = true;
  }

  ~BatchWire() override {
    answers_->close();
    if (!ended_) link_.channel->cancel_stream(stream_);
  }

  std::string_view name() const noexcept override { return "batch"; }
  bool established() const noexcept override { return open_; }

  void added(uint32_t entry) override {
    if (unsent_ == kNoEntry) unsent_ = entry;
  }

  WireState on_event(LinkEvent& event, Now now) override {
    if (event.id != stream_) return WireState::kGoing;
    switch (event.kind) {
      case LinkEvent::Kind::kMessage:
        return on_message(event.bytes, now);
      case LinkEvent::Kind::kWritten:
        writing_ = false;
        return WireState::kGoing;
      case LinkEvent::Kind::kEnded:
        return on_ended(event, now);
      case LinkEvent::Kind::kReply:
        break;
    }
    return WireState::kGoing;
  }

  WireState flush(Now now) override {
    if (now.mono_ns >= stall_ns()) {
      link_.errors.note(Trouble::kBroken, kStatusDeadlineExceeded,
                        open_ ? "no acknowledgement" : "no greeting", now);
      link_.pace.stalled(now.mono_ns);
      // A shard that is late with everything, but still at it, says nothing against the messages.
      const bool slow = open_ && now.mono_ns < progress_ns_ + link_.options.call_timeout_ns;
      if (!slow) leave_behind(kStatusDeadlineExceeded);
      return WireState::kStuck;
    }
    if (!open_ || writing_ || !(may_send() || answers_are_due(now))) return WireState::kGoing;
    answers_due_ns_ = INT64_MAX;
    if (acknowledged_ == sent_) progress_ns_ = now.mono_ns;  // the wait begins with this write
    size_t count = 0;
    do {
      if (batches_.size() == count) batches_.emplace_back();
      next_batch(batches_[count++], now);
    } while (may_send() && count < link_.options.batches_per_write_max);
    link_.channel->write(stream_, std::span(batches_).first(count));
    writing_ = true;
    return WireState::kGoing;
  }

  bool quiet() const noexcept override { return acknowledged_ == sent_; }
  void rewind() override { unsent_ = link_.window.first(); }

  bool withdraw(uint32_t entry) override {
    const SendWindow& window = link_.window;
    if (unsent_ == kNoEntry || window.serial(entry) < window.serial(unsent_)) return false;
    if (entry == unsent_) unsent_ = window.next(entry);
    return true;
  }

  bool has_work() const noexcept override {
    const bool new_answers = answers_due_ns_ == INT64_MAX && answers_->has_answers();
    return open_ && !writing_ && (may_send() || new_answers);
  }

  int64_t deadline_ns() const noexcept override {
    return std::min(stall_ns(), writing_ ? INT64_MAX : answers_due_ns_);
  }

 private:
  bool may_send() const noexcept {
    if (unsent_ == kNoEntry || link_.held) return false;
    if (acknowledged_ == sent_) return true;
    return !alone_ && !travels_alone(unsent_) &&
           sent_ - acknowledged_ < std::min(keys_.size(), link_.pace.limit());
  }

  int64_t stall_ns() const noexcept {
    if (!open_) return progress_ns_ + kWelcomeTimeoutNs;
    if (acknowledged_ != sent_) return ages_.oldest_ns() + link_.options.call_timeout_ns;
    // A write that does not end is a stall as well: nothing can be sent behind it.
    return writing_ ? progress_ns_ + kLinkWriteStallNs : INT64_MAX;
  }

  // Answers alone are no reason for a batch: they wait a moment for messages to travel with.
  bool answers_are_due(Now now) noexcept {
    if (!answers_->has_answers()) return false;
    if (answers_due_ns_ == INT64_MAX) answers_due_ns_ = now.mono_ns + kPushAnswerWaitNs;
    return now.mono_ns >= answers_due_ns_;
  }

  // One LinkUp: waiting answers, and items up to the caps. Items that lie next to each other in a
  // chunk travel as one slice. `message` is empty.
  void next_batch(WireMessage& message, Now now) {
    if (answers_->has_answers()) {
      answers_->take(answers_taken_);
    } else {
      answers_taken_.clear();
    }
    append_head(message);
    size_t count = 0;
    size_t bytes = 0;
    while (may_send() && count < items_max_) {
      const size_t size = link_.window.item_size(unsent_);
      if (count > 0 && bytes + size > link_.options.batch_bytes_max) break;
      append_item(message, link_.window.item(unsent_));
      bytes += size;
      ++count;
      ++sent_;
      keys_[sent_ & (keys_.size() - 1)] = link_.window.auth_key_id(unsent_);
      alone_ = travels_alone(unsent_);
      mark_sent(unsent_);
      unsent_ = link_.window.next(unsent_);
    }
    if (count == 0) return;
    ages_.sent(sent_, now.mono_ns);
    link_.count_batch(count);
  }

  // Heads lie one behind the other in a chunk, which is begun anew once the transport has let go
  // of all of them.
  void append_head(WireMessage& message) {
    const uint64_t first_sequence = may_send() ? sent_ + 1 : 0;
    const size_t size = link_up_head_size(first_sequence, answers_taken_);
    if (heads_ && heads_->sole()) heads_used_ = 0;
    if (!heads_ || heads_used_ + size > heads_->capacity()) {
      heads_ = ChunkRef::make(std::max(size, kHeadsBytes));
      heads_used_ = 0;
    }
    const ByteSpan head(heads_->data() + heads_used_, size);
    write_link_up_head(head, first_sequence, answers_taken_);
    heads_used_ += size;
    message.push_back({heads_, head.data(), size});
  }

  static void append_item(WireMessage& message, WireSlice item) {
    WireSlice& last = message.back();
    if (last.chunk == item.chunk && last.data + last.size == item.data) {
      last.size += item.size;
    } else {
      message.push_back(std::move(item));
    }
  }

  WireState on_message(ByteView bytes, Now now) {
    if (!decode_link_down(bytes, down_)) return malformed("LinkDown does not decode", now);
    if (!open_ && !down_.welcome) return malformed("no Welcome", now);
    if (down_.welcome) {
      open_ = true;
      if (down_.items_max != 0) items_max_ = std::min<size_t>(items_max_, down_.items_max);
    }
    if (down_.acknowledged > sent_) return malformed("acknowledges what was not sent", now);
    for (const LinkDown::Refusal& refusal : down_.refusals) on_refusal(refusal, now);
    if (down_.acknowledged > acknowledged_) {
      progress_ns_ = now.mono_ns;
      link_.pace.answered(now.mono_ns - ages_.acknowledged(down_.acknowledged), now.mono_ns);
      link_.health.served();
    }
    while (acknowledged_ < down_.acknowledged) acknowledge_oldest();
    for (const LinkDown::Push& push : down_.pushes) {
      Bytes payload = take_spare_bytes(push.payload.size());  // the flow gives it back
      payload.assign(push.payload.begin(), push.payload.end());
      link_.output.pushes.push_back({push.auth_key_id, push.session_id, std::move(payload),
                                     std::make_unique<LinkPushReply>(answers_, push.push_id)});
    }
    return WireState::kGoing;
  }

  void acknowledge_oldest() {
    ++acknowledged_;
    const auto aside = asides_.find(acknowledged_);
    if (aside == asides_.end()) {
      link_.window.release(link_.window.first());
      return;
    }
    link_.set_aside(link_.window.first(), aside->second.code, aside->second.text);
    asides_.erase(aside);
  }

  // A refusal may come after the acknowledgement that covered its item, so the keys of recent items
  // are remembered by sequence.
  void on_refusal(const LinkDown::Refusal& refusal, Now now) {
    const bool known = refusal.sequence != 0 && refusal.sequence <= sent_ &&
                       sent_ - refusal.sequence < keys_.size();
    if (!known) {
      link_.counters.add(Counter::kShardErrors);
      link_.errors.note(Trouble::kMalformed, refusal.code, "refuses an unknown item", now);
      return;
    }
    const Verdict verdict = verdict_of(refusal.code, refusal.message);
    const bool final = verdict == Verdict::kRefused || verdict == Verdict::kUnregistered;
    // What is not over goes on when the acknowledgement takes it out of the window; after that it
    // is too late for it.
    if (!final && verdict != Verdict::kServed && refusal.sequence > acknowledged_) {
      asides_[refusal.sequence] = {refusal.code, std::string(refusal.message)};
      return;
    }
    refused(keys_[refusal.sequence & (keys_.size() - 1)], refusal.code, refusal.message, now);
  }

  WireState on_ended(const LinkEvent& event, Now now) {
    ended_ = true;
    if (event.status == kStatusUnimplemented && !open_) return WireState::kUnsupported;
    leave_behind(event.status);
    link_.errors.note(Trouble::kBroken, event.status, event.text, now);
    return WireState::kBroken;
  }

  void leave_behind(int32_t status) {
    link_.last_break = {status, open_, {}};
    uint32_t entry = link_.window.first();
    for (uint64_t i = acknowledged_; i < sent_; ++i, entry = link_.window.next(entry)) {
      link_.last_break.sent.push_back(entry);
    }
  }

  WireState malformed(std::string_view what, Now now) {
    link_.counters.add(Counter::kShardErrors);
    link_.errors.note(Trouble::kMalformed, kStatusOk, what, now);
    return WireState::kBroken;
  }

  const uint64_t stream_;
  bool open_ = false;
  bool writing_ = false;  // true exactly while the transport has a write of ours
  bool ended_ = false;
  size_t items_max_;
  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  bool alone_ = false;   // the item sent last travels alone
  int64_t progress_ns_;  // the greeting, then the last acknowledgement or the first write after it
  SendAges ages_;        // of what is not acknowledged
  uint32_t unsent_ = kNoEntry;
  std::vector<int64_t> keys_;
  std::vector<WireMessage> batches_;  // empty ones between writes
  ChunkRef heads_;
  size_t heads_used_ = 0;
  struct Aside {
    int32_t code = 0;
    std::string text;
  };
  // Refused for now and not acknowledged, by sequence: no more than are on their way.
  std::map<uint64_t, Aside> asides_;
  std::shared_ptr<PushAnswers> answers_;
  std::vector<PushAnswer> answers_taken_;
  int64_t answers_due_ns_ = INT64_MAX;  // when they go without messages
  LinkDown down_;
};

}  // namespace

std::unique_ptr<Wire> make_batch_wire(LinkContext& link, Now now) {
  return std::make_unique<BatchWire>(link, now);
}

}  // namespace ringway::cluster
