#include "shard/outbox.h"

#include <algorithm>

#include "base/limits.h"
#include "mtproto/tl.h"

namespace ringway::shard {
namespace {

constexpr size_t kHeaderBytes = 16;  // msg_id, seq_no, bytes
constexpr size_t kLengthOffset = 12;

}  // namespace

void Outbox::begin(Session& session, Now now) {
  RW_ASSERT(!is_open_);
  session_ = &session;
  now_ = now;
  last_before_ = session.last_server_msg_id;
  messages_.clear();
  starts_.clear();
  again_.clear();
  payloads_.clear();
  payload_ends_.clear();
}

ByteAppender& Outbox::open(Reply reply, int64_t answered_msg_id) {
  RW_ASSERT(!is_open_);
  is_open_ = true;
  open_reply_ = reply;
  open_answered_ = answered_msg_id;
  const bool answer = reply == Reply::kPlain || reply == Reply::kContent;
  const bool content_related = reply != Reply::kPlain && reply != Reply::kNotice;
  starts_.push_back(messages_.size());
  appender_.i64(next_server_msg_id(*session_, now_, answer));
  appender_.i32(next_server_seq_no(*session_, content_related));
  appender_.u32(0);
  return appender_;
}

void Outbox::close() {
  RW_ASSERT(is_open_);
  is_open_ = false;
  uint8_t* message = messages_.data() + starts_.back();
  const size_t body_bytes = messages_.size() - starts_.back() - kHeaderBytes;
  RW_ASSERT(body_bytes % 4 == 0);
  store_le(message + kLengthOffset, static_cast<uint32_t>(body_bytes));
  if (open_reply_ != Reply::kContent && open_reply_ != Reply::kUpdate) return;
  const uint8_t* body = message + kHeaderBytes;
  keep_unacked(*session_, {load_le<int64_t>(message), open_answered_, load_le<int32_t>(message + 8),
                           Bytes(body, body + body_bytes)});
}

void Outbox::add_again(const UnackedMessage& kept) {
  RW_ASSERT(!is_open_);
  // What this turn wrote is not repeated in it.
  if (kept.msg_id > last_before_) return;
  if (std::find(again_.begin(), again_.end(), kept.msg_id) != again_.end()) return;
  again_.push_back(kept.msg_id);
  starts_.push_back(messages_.size());
  appender_.i64(kept.msg_id);
  appender_.i32(kept.seq_no);
  appender_.u32(static_cast<uint32_t>(kept.body.size()));
  appender_.bytes(kept.body);
}

void Outbox::seal(int64_t salt) {
  RW_ASSERT(!is_open_);
  size_t first = 0;
  while (first < starts_.size()) {
    size_t last = first + 1;
    while (last < starts_.size() && last - first < kShardContainerMessagesMax - 4) {
      const size_t end = last + 1 < starts_.size() ? starts_[last + 1] : messages_.size();
      if (end - starts_[first] > kShardAnswerBytesMax) break;
      ++last;
    }
    seal_range(first, last, salt);
    first = last;
  }
}

void Outbox::seal_range(size_t first, size_t last, int64_t salt) {
  const size_t end = last < starts_.size() ? starts_[last] : messages_.size();
  const ByteView messages = ByteView(messages_).subspan(starts_[first], end - starts_[first]);
  ByteAppender out(payloads_);
  out.i64(salt);
  out.i64(session_->session_id);
  if (last - first > 1) {
    out.i64(next_server_msg_id(*session_, now_, true));
    out.i32(next_server_seq_no(*session_, false));
    out.u32(static_cast<uint32_t>(8 + messages.size()));
    out.u32(mtproto::constructor::kMsgContainer);
    out.u32(static_cast<uint32_t>(last - first));
  }
  out.bytes(messages);
  payload_ends_.push_back(payloads_.size());
}

ByteView Outbox::payload(size_t index) const noexcept {
  const size_t start = index == 0 ? 0 : payload_ends_[index - 1];
  return ByteView(payloads_).subspan(start, payload_ends_[index] - start);
}

}  // namespace ringway::shard
