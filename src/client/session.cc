// The outgoing half and the bookkeeping; what arrives is handled in session_receive.cc.
#include "client/session.h"

#include <algorithm>

#include "base/limits.h"
#include "client/objects.h"
#include "crypto/random.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

constexpr size_t kContainerHeaderBytes = 8;
constexpr size_t kContainerPartBytes = 16;
constexpr size_t kBodyOffset = kMessageHeaderBytes + kMessagePrefixBytes;
constexpr size_t kSpareMax = 256;

int64_t random_id() noexcept {
  int64_t id = 0;
  while (id == 0) {
    uint8_t raw[8];
    crypto::random_bytes(raw);
    id = load_le<int64_t>(raw);
  }
  return id;
}

}  // namespace

Session::Session(const SessionKey& key, const SessionOptions& options)
    : key_(key),
      options_(options),
      session_id_(options.session_id != 0 ? options.session_id : random_id()) {}

Result<RequestId> Session::send(ByteView object, const RequestOptions& request, Now now) {
  if (object.empty() || object.size() % 4 != 0) return Error::kInvalidArgument;
  if (pending() >= kClientPendingMax) return Error::kFull;
  return queue(object, request, now).request;
}

Result<RequestId> Session::send_bind(const SessionKey& permanent, int32_t expires_at, Now now) {
  if (pending() >= kClientPendingMax) return Error::kFull;
  Pending& entry = queue({}, {}, now);
  entry.bind = std::make_unique<const Bind>(Bind{permanent.key, permanent.auth_key_id, expires_at});
  return entry.request;
}

Session::Pending& Session::queue(ByteView object, const RequestOptions& request, Now now) {
  Pending entry;
  if (!spare_.empty()) {
    entry.object = std::move(spare_.back());
    spare_.pop_back();
  }
  entry.object.assign(object.begin(), object.end());
  entry.request = next_request_++;
  entry.options = request;
  entry.started_ns = now.mono_ns;
  entry.deadline_ns =
      now.mono_ns + (request.timeout_ns != 0 ? request.timeout_ns : options_.request_timeout_ns);
  expiry_ns_ = std::min(expiry_ns_, entry.deadline_ns);
  waiting_.push_back(std::move(entry));
  return waiting_.back();
}

Bytes Session::make_bind(const Bind& bind, int64_t msg_id) const {
  return make_bind_temp_auth_key(bind.permanent,
                                 {.nonce = random_id(),
                                  .temp_auth_key_id = key_.auth_key_id,
                                  .perm_auth_key_id = bind.perm_auth_key_id,
                                  .temp_session_id = session_id_,
                                  .expires_at = bind.expires_at},
                                 msg_id);
}

void Session::prepare(Now now) {
  std::vector<Pending> together;
  while (!waiting_.empty()) {
    if (goes_alone(waiting_.front()) || !options_.containers) {
      Pending entry = std::move(waiting_.front());
      waiting_.pop_front();
      send_alone(std::move(entry), now);
      continue;
    }
    size_t bytes = 0;
    while (!waiting_.empty() && !goes_alone(waiting_.front()) &&
           together.size() < kClientContainerMessagesMax - 1) {
      bytes += kContainerPartBytes + waiting_.front().object.size();
      if (bytes > kClientContainerBytesMax && !together.empty()) break;
      together.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (together.size() == 1 && acks_.empty()) {
      send_alone(std::move(together.front()), now);
    } else {
      send_together(together, take_acks(), now);
    }
    together.clear();
  }
  if (acks_due(now)) send_acks_alone(now);
}

void Session::send_alone(Pending entry, Now now) {
  entry.msg_id = next_msg_id(now.unix_ns);
  entry.container_msg_id = 0;
  if (entry.bind != nullptr) entry.object = make_bind(*entry.bind, entry.msg_id);
  const int32_t seq_no = next_seq_no(entry.options.content_related);
  OutgoingFrame& frame = new_frame(entry.object.size(), entry.msg_id, seq_no);
  frame.quick_ack = entry.options.quick_ack;
  std::copy(entry.object.begin(), entry.object.end(),
            frame.bytes.begin() + static_cast<ptrdiff_t>(kBodyOffset));
  ++counts_.messages_sent;
  keep_or_drop(std::move(entry));
}

void Session::send_together(std::vector<Pending>& entries, Bytes acks, Now now) {
  const size_t count = entries.size() + (acks.empty() ? 0 : 1);
  size_t body_bytes = kContainerHeaderBytes + count * kContainerPartBytes + acks.size();
  for (const Pending& entry : entries) body_bytes += entry.object.size();

  // Inner msg_ids are lower than the container's, so they are drawn first.
  const int64_t ack_msg_id = acks.empty() ? 0 : next_msg_id(now.unix_ns);
  for (Pending& entry : entries) entry.msg_id = next_msg_id(now.unix_ns);
  const int64_t container_msg_id = next_msg_id(now.unix_ns);
  const int32_t ack_seq_no = next_seq_no(false);
  std::vector<int32_t> seq_nos;
  seq_nos.reserve(entries.size());
  for (const Pending& entry : entries) {
    seq_nos.push_back(next_seq_no(entry.options.content_related));
  }

  OutgoingFrame& frame = new_frame(body_bytes, container_msg_id, next_seq_no(false));
  ByteWriter out(ByteSpan(frame.bytes).subspan(kBodyOffset, body_bytes));
  out.u32(mtproto::constructor::kMsgContainer);
  out.u32(static_cast<uint32_t>(count));
  const auto write_part = [&out](int64_t msg_id, int32_t seq_no, ByteView object) {
    out.i64(msg_id);
    out.i32(seq_no);
    out.u32(static_cast<uint32_t>(object.size()));
    out.bytes(object);
  };
  if (!acks.empty()) write_part(ack_msg_id, ack_seq_no, acks);
  for (size_t i = 0; i < entries.size(); ++i) {
    write_part(entries[i].msg_id, seq_nos[i], entries[i].object);
    entries[i].container_msg_id = container_msg_id;
    keep_or_drop(std::move(entries[i]));
  }
  counts_.messages_sent += count;
}

void Session::send_acks_alone(Now now) {
  const Bytes acks = take_acks();
  OutgoingFrame& frame = new_frame(acks.size(), next_msg_id(now.unix_ns), next_seq_no(false));
  std::copy(acks.begin(), acks.end(), frame.bytes.begin() + static_cast<ptrdiff_t>(kBodyOffset));
  ++counts_.messages_sent;
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

int64_t Session::next_msg_id(int64_t unix_ns) noexcept {
  return msg_ids_.next(unix_ns + key_.time_offset_ns);
}

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

void Session::recycle(Pending& entry) {
  if (spare_.size() < kSpareMax && entry.object.capacity() <= kClientContainerBytesMax) {
    spare_.push_back(std::move(entry.object));
  }
}

// A new session id, and numbering from the start: the way out when the server has lost count of us.
void Session::restart() noexcept {
  previous_session_id_ = session_id_;
  session_id_ = random_id();
  content_count_ = 0;
  msg_ids_.restart();
  acks_.clear();
  received_ids_.clear();
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

void Session::expire(Now now, std::vector<SessionEvent>& events) {
  if (now.mono_ns < expiry_ns_) return;
  expiry_ns_ = INT64_MAX;
  const auto is_late = [&](const Pending& entry) {
    if (entry.deadline_ns <= now.mono_ns) return true;
    expiry_ns_ = std::min(expiry_ns_, entry.deadline_ns);
    return false;
  };
  const auto give_up = [&](Pending entry) {
    SessionEvent event;
    event.kind = SessionEvent::Kind::kFailed;
    event.request = entry.request;
    event.started_ns = entry.started_ns;
    event.error = Error::kTimeout;
    events.push_back(std::move(event));
    recycle(entry);
  };
  extract(sent_, is_late, give_up);
  extract(waiting_, is_late, give_up);
}

void Session::on_reconnected() {
  while (!sent_.empty()) {
    sent_.back().quick_ack_token = 0;
    waiting_.push_front(std::move(sent_.back()));
    sent_.pop_back();
  }
}

bool Session::wants_to_send(Now now) const noexcept { return !waiting_.empty() || acks_due(now); }

std::optional<int64_t> Session::next_deadline_ns() const noexcept {
  int64_t deadline_ns = expiry_ns_;
  if (!acks_.empty()) deadline_ns = std::min(deadline_ns, ack_deadline_ns_);
  if (deadline_ns == INT64_MAX) return std::nullopt;
  return deadline_ns;
}

}  // namespace ringway::client
