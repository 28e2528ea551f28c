#include "shard/link_wire.h"

#include <deque>

#include "base/log.h"
#include "shard/wire_reactor.h"

namespace ringway::shard {
namespace {

using link::v1::Item;
using link::v1::LinkDown;
using link::v1::LinkUp;
using link::v1::PushResult;

// What a push costs on the wire besides its payload.
constexpr size_t kPushOverheadBytes = 32;

class LinkReactor final : public WireReactor<LinkUp, LinkDown>, public PushSink {
 public:
  explicit LinkReactor(std::shared_ptr<ShardCore> core) : core_(std::move(core)) {}

  void begin(const std::shared_ptr<LinkReactor>& self) {
    route_.link = std::weak_ptr<PushSink>(self);
    route_.wire = Wire::kBatch;
    {
      const std::lock_guard lock(mutex_);
      queue(fresh()).mutable_welcome()->set_items_max(kBatchMessagesMax);
    }
    start(self);
    advance();
  }

  bool push(int64_t auth_key_id, int64_t session_id, ByteView payload) override {
    {
      const std::lock_guard lock(mutex_);
      if (!is_open()) return false;
      add_push(auth_key_id, session_id, payload);
    }
    advance();
    return true;
  }

 protected:
  void handle(LinkUp& up) override {
    const int64_t delay_ms = core_->faults().delay_ms;
    if (delay_ms == 0) {
      take(up);
    } else {
      run_after_ms(delay_ms, [this, &up] { take(up); });
    }
  }

  void closed() override {
    // Nobody will tell what became of these.
    std::deque<SentPush> sent;
    {
      const std::lock_guard lock(mutex_);
      sent.swap(sent_);
    }
    for (const SentPush& push : sent) {
      if (!push.answered) core_->push_failed(push.auth_key_id, push.session_id);
    }
  }

 private:
  struct SentPush {
    int64_t auth_key_id = 0;
    int64_t session_id = 0;
    bool answered = false;
  };

  void take(LinkUp& up) {
    if (const grpc::Status status = take_hello(up); !status.ok()) return end(status);
    for (const PushResult& result : up.push_results()) take_push_result(result);
    if (up.items_size() > 0) {
      if (up.first_sequence() != next_sequence_) {
        return end({grpc::StatusCode::FAILED_PRECONDITION, "items are out of sequence"});
      }
      const Now now = read_clocks();
      for (const Item& item : up.items()) take_item(item, now);
      acknowledge();
    }
    read_next();
  }

  grpc::Status take_hello(const LinkUp& up) {
    if (up.has_hello() == greeted_) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "a hello belongs in the first message, and only there"};
    }
    if (!greeted_) {
      greeted_ = true;
      route_.gateway = core_->gateway(up.hello().server_id());
      log_debug("shard", "link from {} worker {}", up.hello().server_id(), up.hello().worker());
    }
    return grpc::Status::OK;
  }

  void take_item(const Item& item, Now now) {
    const uint64_t sequence = next_sequence_++;
    if (item.has_close()) {
      core_->close(item.close(), Wire::kBatch);
    } else if (item.has_data()) {
      const auto& data = item.data();
      const Outcome outcome = core_->take(data, route_, now, outbox_);
      const std::lock_guard lock(mutex_);
      if (!is_open()) return;
      if (!outcome.ok()) {
        add_refusal(sequence, outcome);
        return;
      }
      for (size_t i = 0; i < outbox_.payload_count(); ++i) {
        add_push(data.auth_key_id(), data.session_id(), outbox_.payload(i));
      }
    }
    // An item of a kind that is not known yet is taken and ignored.
  }

  void take_push_result(const PushResult& result) {
    SentPush failed;
    {
      const std::lock_guard lock(mutex_);
      const uint64_t index = result.push_id() - first_sent_id_;
      if (result.push_id() < first_sent_id_ || index >= sent_.size()) return;
      SentPush& push = sent_[index];
      if (!push.answered && !result.delivered()) failed = push;
      push.answered = true;
      while (!sent_.empty() && sent_.front().answered) forget_oldest_push();
    }
    if (failed.auth_key_id != 0) core_->push_failed(failed.auth_key_id, failed.session_id);
  }

  void acknowledge() {
    if (core_->faults().never_ack) return;
    const std::lock_guard lock(mutex_);
    if (is_open()) room(0).set_acknowledged(next_sequence_ - 1);
  }

  // The helpers below run under the lock.

  // A message that can take `bytes` more.
  LinkDown& room(size_t bytes) {
    LinkDown* last = last_queued();
    const bool fits = last != nullptr &&
                      last->pushes_size() < static_cast<int>(kBatchMessagesMax) &&
                      (last->pushes_size() == 0 || last_queued_bytes() + bytes <= kBatchBytesMax);
    LinkDown& message = fits ? *last : queue(fresh());
    count_queued(bytes);
    return message;
  }

  void add_push(int64_t auth_key_id, int64_t session_id, ByteView payload) {
    auto* push = room(payload.size() + kPushOverheadBytes).add_pushes();
    push->set_push_id(first_sent_id_ + sent_.size());
    push->set_auth_key_id(auth_key_id);
    push->set_session_id(session_id);
    push->set_payload(payload.data(), payload.size());
    sent_.push_back({auth_key_id, session_id, false});
    if (sent_.size() > kShardPushesTrackedMax) forget_oldest_push();
  }

  void add_refusal(uint64_t sequence, const Outcome& outcome) {
    auto* refusal = room(kPushOverheadBytes).add_refusals();
    refusal->set_sequence(sequence);
    refusal->set_code(outcome.code);
    refusal->set_message(outcome.text);
  }

  void forget_oldest_push() {
    sent_.pop_front();
    ++first_sent_id_;
  }

  const std::shared_ptr<ShardCore> core_;
  // Touched by the reading side alone.
  PushRoute route_;
  Outbox outbox_;
  bool greeted_ = false;
  uint64_t next_sequence_ = 1;
  // Guarded by mutex_.
  std::deque<SentPush> sent_;
  uint64_t first_sent_id_ = 1;  // the push_id of sent_[0]
};

}  // namespace

grpc::ServerBidiReactor<LinkUp, LinkDown>* LinkService::Attach(
    grpc::CallbackServerContext* /*context*/) {
  auto reactor = std::make_shared<LinkReactor>(core_);
  reactor->begin(reactor);
  return reactor.get();
}

}  // namespace ringway::shard
