// A session's outgoing half: what goes together into which frame, numbered and wrapped.
#include <algorithm>

#include "client/objects.h"
#include "client/session.h"
#include "crypto/random.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

constexpr size_t kContainerHeaderBytes = 8;
constexpr size_t kContainerPartBytes = 16;
constexpr size_t kInvokeAfterBytes = 12;
constexpr size_t kBodyOffset = kMessageHeaderBytes + kMessagePrefixBytes;

}  // namespace

void Session::prepare(Now now) {
  if (options_.check_time) clock_.tick(now);
  if (salts_.advance(clock_.unix_ns(now))) use_salt(salts_.current());
  if (ask_due_) ask_states(now);
  if (options_.fetch_salts) ask_salts(now);
  send_owed(now);

  std::vector<Pending> together;
  std::vector<Pending> held;
  while (!waiting_.empty()) {
    if (!must_wait(waiting_.front(), held) &&
        (goes_alone(waiting_.front()) || !options_.containers)) {
      Pending entry = std::move(waiting_.front());
      waiting_.pop_front();
      send_alone(std::move(entry), now);
      continue;
    }
    gather(together, held);
    if (together.empty()) continue;
    if (together.size() == 1 && acks_.empty()) {
      send_alone(std::move(together.front()), now);
    } else {
      send_together(together, take_acks(), now);
    }
    together.clear();
  }
  held_ = held.size();
  waiting_.insert(waiting_.end(), std::make_move_iterator(held.begin()),
                  std::make_move_iterator(held.end()));
  if (acks_due(now)) send_acks_alone(now);
}

// As many as may share a frame, in order; those that may not go yet go to `held`.
void Session::gather(std::vector<Pending>& together, std::vector<Pending>& held) {
  size_t bytes = 0;
  while (!waiting_.empty() && together.size() < kSessionContainerMessagesMax - 1) {
    Pending& next = waiting_.front();
    if (must_wait(next, held)) {
      held.push_back(std::move(next));
      waiting_.pop_front();
      continue;
    }
    if (goes_alone(next) || !options_.containers) return;
    bytes += kContainerPartBytes + kInvokeAfterBytes + next.object.size();
    if (bytes > kClientContainerBytesMax && !together.empty()) return;
    together.push_back(std::move(next));
    waiting_.pop_front();
  }
}

// One that has to come after another waits until that one is known to be at the server, or goes out
// before it.
bool Session::must_wait(const Pending& entry, std::span<const Pending> held) const noexcept {
  if (entry.options.after_request == 0) return false;
  const auto is_it = [&](const Pending& other) {
    return other.request == entry.options.after_request;
  };
  if (std::any_of(held.begin(), held.end(), is_it)) return true;
  const auto sent = std::find_if(sent_.begin(), sent_.end(), is_it);
  return sent != sent_.end() && sent->arrived != Arrived::kTakenForGranted;
}

// The msg_id of the unanswered request that this one comes after; 0 when there is none.
int64_t Session::predecessor_of(const Pending& entry,
                                std::span<const Pending> together) const noexcept {
  if (entry.options.after_request == 0) return 0;
  const auto is_it = [&](const Pending& other) {
    return other.request == entry.options.after_request;
  };
  const auto beside = std::find_if(together.begin(), together.end(), is_it);
  if (beside != together.end()) return beside->msg_id;
  const auto sent = std::find_if(sent_.begin(), sent_.end(), is_it);
  return sent == sent_.end() ? 0 : sent->msg_id;
}

size_t Session::bytes_of(const Pending& entry) noexcept {
  return entry.object.size() + (entry.after_msg_id == 0 ? 0 : kInvokeAfterBytes);
}

void Session::write_object(const Pending& entry, ByteWriter& out) {
  if (entry.after_msg_id != 0) {
    out.u32(mtproto::constructor::kInvokeAfterMsg);
    out.i64(entry.after_msg_id);
  }
  out.bytes(entry.object);
}

Bytes Session::make_bind(const Bind& bind, int64_t msg_id) const {
  uint8_t nonce[8];
  crypto::random_bytes(nonce);
  return make_bind_temp_auth_key(bind.permanent,
                                 {.nonce = load_le<int64_t>(nonce),
                                  .temp_auth_key_id = key_.auth_key_id,
                                  .perm_auth_key_id = bind.perm_auth_key_id,
                                  .temp_session_id = session_id_,
                                  .expires_at = bind.expires_at},
                                 msg_id);
}

void Session::send_alone(Pending entry, Now now) {
  entry.msg_id = next_msg_id(now);
  entry.container_msg_id = 0;
  entry.after_msg_id = predecessor_of(entry, {});
  if (entry.bind != nullptr) entry.object = make_bind(*entry.bind, entry.msg_id);
  entry.seq_no = next_seq_no(entry.options.content_related);
  const size_t bytes = bytes_of(entry);
  OutgoingFrame& frame = new_frame(bytes, entry.msg_id, entry.seq_no);
  frame.quick_ack = entry.options.quick_ack;
  ByteWriter out(ByteSpan(frame.bytes).subspan(kBodyOffset, bytes));
  write_object(entry, out);
  ++counts_.messages_sent;
  keep_or_drop(std::move(entry));
}

void Session::send_together(std::vector<Pending>& entries, Bytes acks, Now now) {
  // Inner msg_ids are lower than the container's, so they are drawn first.
  const int64_t ack_msg_id = acks.empty() ? 0 : next_msg_id(now);
  const int32_t ack_seq_no = next_seq_no(false);
  for (Pending& entry : entries) {
    entry.msg_id = next_msg_id(now);
    entry.seq_no = next_seq_no(entry.options.content_related);
  }
  const int64_t container_msg_id = next_msg_id(now);

  const size_t count = entries.size() + (acks.empty() ? 0 : 1);
  size_t body_bytes = kContainerHeaderBytes + count * kContainerPartBytes + acks.size();
  for (Pending& entry : entries) {
    entry.container_msg_id = container_msg_id;
    entry.after_msg_id = predecessor_of(entry, entries);
    body_bytes += bytes_of(entry);
  }

  OutgoingFrame& frame = new_frame(body_bytes, container_msg_id, next_seq_no(false));
  ByteWriter out(ByteSpan(frame.bytes).subspan(kBodyOffset, body_bytes));
  out.u32(mtproto::constructor::kMsgContainer);
  out.u32(static_cast<uint32_t>(count));
  const auto write_header = [&out](int64_t msg_id, int32_t seq_no, size_t bytes) {
    out.i64(msg_id);
    out.i32(seq_no);
    out.u32(static_cast<uint32_t>(bytes));
  };
  if (!acks.empty()) {
    write_header(ack_msg_id, ack_seq_no, acks.size());
    out.bytes(acks);
  }
  for (Pending& entry : entries) {
    write_header(entry.msg_id, entry.seq_no, bytes_of(entry));
    write_object(entry, out);
    keep_or_drop(std::move(entry));
  }
  counts_.messages_sent += count;
}

void Session::send_acks_alone(Now now) {
  const Bytes acks = take_acks();
  OutgoingFrame& frame = new_frame(acks.size(), next_msg_id(now), next_seq_no(false));
  std::copy(acks.begin(), acks.end(), frame.bytes.begin() + static_cast<ptrdiff_t>(kBodyOffset));
  ++counts_.messages_sent;
}

// What the server asked for with msg_resend_req: the same messages under the same msg_ids, which
// only a container may hold.
void Session::send_owed(Now now) {
  if (!answers_wanted_.empty()) {
    queue_own(Purpose::kStatement, make_msg_resend_req(answers_wanted_), kSessionServiceWaitNs,
              now);
    answers_wanted_.clear();
  }
  if (resends_owed_.empty()) return;
  std::vector<Pending*> entries;
  size_t body_bytes = kContainerHeaderBytes;
  for (Pending& entry : sent_) {
    if (std::find(resends_owed_.begin(), resends_owed_.end(), entry.msg_id) ==
        resends_owed_.end()) {
      continue;
    }
    if (body_bytes > kClientContainerBytesMax) break;  // the server asks again for the rest
    entries.push_back(&entry);
    body_bytes += kContainerPartBytes + bytes_of(entry);
  }
  resends_owed_.clear();
  if (entries.empty()) return;
  const int64_t container_msg_id = next_msg_id(now);
  OutgoingFrame& frame = new_frame(body_bytes, container_msg_id, next_seq_no(false));
  ByteWriter out(ByteSpan(frame.bytes).subspan(kBodyOffset, body_bytes));
  out.u32(mtproto::constructor::kMsgContainer);
  out.u32(static_cast<uint32_t>(entries.size()));
  for (Pending* entry : entries) {
    out.i64(entry->msg_id);
    out.i32(entry->seq_no);
    out.u32(static_cast<uint32_t>(bytes_of(*entry)));
    write_object(*entry, out);
    entry->container_msg_id = container_msg_id;
  }
  counts_.messages_sent += entries.size();
}

OutgoingFrame& Session::new_frame(size_t body_bytes, int64_t msg_id, int32_t seq_no) {
  if (outgoing_count_ == outgoing_.size()) outgoing_.emplace_back();
  OutgoingFrame& frame = outgoing_[outgoing_count_++];
  frame.plaintext_bytes = kMessagePrefixBytes + body_bytes;
  frame.quick_ack = false;
  frame.msg_id = msg_id;
  frame.bytes.resize(mtproto::sealed_bytes(frame.plaintext_bytes));
  ByteWriter out(ByteSpan(frame.bytes).subspan(kMessageHeaderBytes, kMessagePrefixBytes));
  out.i64(key_.salt);
  out.i64(session_id_);
  out.i64(msg_id);
  out.i32(seq_no);
  out.u32(static_cast<uint32_t>(body_bytes));
  ++counts_.frames_sent;
  return frame;
}

void Session::seal_jobs(std::vector<mtproto::SealJob>& jobs) {
  for (size_t i = 0; i < outgoing_count_; ++i) {
    mtproto::SealJob job;
    job.key = &key_.key;
    job.auth_key_id = key_.auth_key_id;
    job.out = outgoing_[i].bytes;
    job.plaintext_bytes = outgoing_[i].plaintext_bytes;
    job.sender = mtproto::Sender::kClient;
    jobs.push_back(job);
  }
}

void Session::on_sealed(std::span<const mtproto::SealJob> jobs) {
  RW_ASSERT(jobs.size() == outgoing_count_);
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!outgoing_[i].quick_ack) continue;
    const auto found = std::lower_bound(
        sent_.begin(), sent_.end(), outgoing_[i].msg_id,
        [](const Pending& entry, int64_t msg_id) { return entry.msg_id < msg_id; });
    RW_ASSERT(found != sent_.end());
    found->quick_ack_token = jobs[i].quick_ack_token;
  }
}

std::span<const OutgoingFrame> Session::seal(Now now) {
  prepare(now);
  std::vector<mtproto::SealJob> jobs;
  seal_jobs(jobs);
  mtproto::seal_many(jobs);
  on_sealed(jobs);
  return outgoing();
}

int64_t Session::next_msg_id(Now now) noexcept { return msg_ids_.next(clock_.unix_ns(now)); }

int32_t Session::next_seq_no(bool content_related) noexcept {
  return content_related ? 2 * content_count_++ + 1 : 2 * content_count_;
}

void Session::keep_or_drop(Pending entry) {
  if (entry.options.expect_reply || entry.options.quick_ack) {
    sent_.push_back(std::move(entry));
  } else {
    recycle(entry);
  }
}

bool Session::acks_due(Now now) const noexcept {
  return !acks_.empty() &&
         (acks_.size() >= options_.ack_count_max || now.mono_ns >= ack_deadline_ns_);
}

Bytes Session::take_acks() {
  if (acks_.empty()) return {};
  Bytes object = make_msgs_ack(acks_);
  acks_.clear();
  return object;
}

}  // namespace ringway::client
