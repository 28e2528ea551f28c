#include "cluster/http2_channel.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"

namespace ringway::cluster {

Http2Channel::Http2Channel(std::string address, LinkPipes& pipes, const TurnClock& clock,
                           Http2Channels& all)
    : address_(std::move(address)), pipes_(pipes), clock_(clock), all_(all) {
  all_.add(*this);
}

Http2Channel::~Http2Channel() { all_.remove(*this); }

// --- what the worker asks for

void Http2Channel::start_stream(uint64_t id, StreamMethod method) {
  auto made = std::make_unique<Rpc>(id, false);
  Rpc& rpc = *made;
  rpc.path = method_path(method);
  rpcs_.emplace(id, std::move(made));
  attach(rpc);
}

void Http2Channel::write(uint64_t id, std::span<WireMessage> messages) {
  const auto found = rpcs_.find(id);
  if (found == rpcs_.end() || messages.empty()) {
    for (WireMessage& message : messages) message.clear();
    return;
  }
  Rpc& rpc = *found->second;
  for (WireMessage& message : messages) {
    if (wire_size(message) > kGrpcMessageBytesMax) {
      for (WireMessage& left : messages) left.clear();
      cancel_on_session(rpc);
      finish(rpc, kStatusResourceExhausted, "the message is too large");
      return;
    }
    rpc.stream->out.add(message);
  }
  rpc.stream->session->resume(*rpc.stream);
}

void Http2Channel::cancel_stream(uint64_t id) {
  const auto found = rpcs_.find(id);
  if (found == rpcs_.end()) return;
  Rpc& rpc = *found->second;
  cancel_on_session(rpc);
  finish(rpc, kStatusCancelled, "cancelled");
}

void Http2Channel::call(uint64_t id, CallMethod method, WireMessage request, int64_t timeout_ns,
                        bool wait_for_shard) {
  auto made = std::make_unique<Rpc>(id, true);
  Rpc& rpc = *made;
  rpc.path = method_path(method);
  rpc.request = std::move(request);
  rpc.deadline_ns = clock_.now_ns + timeout_ns;
  rpc.waits_for_shard = wait_for_shard;
  rpcs_.emplace(id, std::move(made));
  deadlines_.emplace(rpc.deadline_ns, id);
  settle_gathering();
  if (wire_size(rpc.request) > kGrpcMessageBytesMax) {
    finish(rpc, kStatusResourceExhausted, "the request is too large");
    return;
  }
  attach(rpc);
}

void Http2Channel::cancel_call(uint64_t id) {
  const std::unique_ptr<Rpc> rpc = remove(id);
  if (rpc != nullptr) cancel_on_session(*rpc);
}

void Http2Channel::gather_answers(size_t bytes) {
  gather_bytes_ = bytes;
  settle_gathering();
}

// Somebody waits for the answer to a call: while there are any, nothing gathers.
void Http2Channel::settle_gathering() {
  const size_t low = deadlines_.empty() ? gather_bytes_ : 0;
  if (low == receive_low_) return;
  receive_low_ = low;
  if (session_ != nullptr) session_->set_receive_low(low);
  for (const auto& session : draining_) session->set_receive_low(low);
}

void Http2Channel::cancel_on_session(Rpc& rpc) {
  if (rpc.stream && rpc.stream->session != nullptr) rpc.stream->session->cancel(*rpc.stream);
}

size_t Http2Channel::streams_max() const noexcept {
  size_t least = session_ == nullptr ? SIZE_MAX : session_->streams_max();
  for (const auto& session : draining_) least = std::min(least, session->streams_max());
  return least;
}

void Http2Channel::take(std::vector<LinkEvent>& out) {
  for (LinkEvent& event : out) {
    if (event.kind == LinkEvent::Kind::kMessage) give_spare_bytes(std::move(event.bytes));
  }
  out.clear();
  out.swap(events_);
  event_messages_ = 0;
  event_bytes_ = 0;
  for (const uint64_t id : paused_) {
    const auto found = rpcs_.find(id);
    if (found == rpcs_.end()) continue;
    Http2Stream& stream = *found->second->stream;
    if (stream.session != nullptr) stream.session->give_window(stream);
  }
  paused_.clear();
}

// --- connections

// The one for new streams, made when there is none; null while none may be made.
Http2Session* Http2Channel::connection() {
  if (session_ == nullptr && clock_.now_ns >= retry_at_ns_) {
    Http2Session::Events& events = *this;
    session_ = std::make_unique<Http2Session>(address_, pipes_, events, clock_);
  }
  return session_.get();
}

void Http2Channel::attach(Rpc& rpc) {
  // Twice at most: a connection may find only now that it takes no more streams.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Http2Session* session = connection();
    if (session == nullptr) break;
    Http2Stream& stream = rpc.stream.emplace(rpc.id, rpc.is_call);
    int64_t timeout_ns = 0;
    if (rpc.is_call) {
      timeout_ns = std::max<int64_t>(rpc.deadline_ns - clock_.now_ns, 1);
      // The request stays here as well, for another connection should this one fail.
      WireMessage request = rpc.request;
      stream.out.add(request);
    }
    if (session->start(stream, rpc.path, timeout_ns)) return;
  }
  if (rpc.waits_for_shard) {
    wait(rpc);
  } else {
    finish(rpc, kStatusUnavailable, "no connection: " + last_failure_);
  }
}

void Http2Channel::wait(Rpc& rpc) {
  if (rpc.waiting) return;
  rpc.waiting = true;
  waiting_.push_back(rpc.id);
}

void Http2Channel::look_around() {
  drop_dead_sessions();
  if (draining_.size() > kLinkDrainingMax) draining_.front()->give_up("the shard went away before");
  if (session_ != nullptr) session_->check_alive();
  for (size_t i = 0; i < draining_.size(); ++i) {
    if (!draining_[i]->dead()) draining_[i]->check_alive();
  }
  expire_calls();
  if (waiting_.empty() || connection() == nullptr) return;
  std::vector<uint64_t> waiting;
  waiting.swap(waiting_);
  for (const uint64_t id : waiting) {
    const auto found = rpcs_.find(id);
    if (found == rpcs_.end()) continue;
    found->second->waiting = false;
    attach(*found->second);
  }
}

void Http2Channel::pump() {
  // pump() may move a session from the one place to the other.
  if (Http2Session* session = session_.get()) session->pump();
  for (size_t i = 0; i < draining_.size(); ++i) draining_[i]->pump();
}

int64_t Http2Channel::deadline_ns() const noexcept {
  int64_t deadline = INT64_MAX;
  if (session_ != nullptr) deadline = session_->deadline_ns();
  for (const auto& session : draining_) {
    deadline = session->dead() ? 0 : std::min(deadline, session->deadline_ns());
  }
  if (!deadlines_.empty()) deadline = std::min(deadline, deadlines_.begin()->first);
  if (!waiting_.empty()) deadline = std::min(deadline, retry_at_ns_);
  return deadline;
}

void Http2Channel::drop_dead_sessions() {
  std::erase_if(draining_, [](const auto& session) { return session->dead(); });
}

void Http2Channel::expire_calls() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= clock_.now_ns) {
    Rpc& rpc = *rpcs_.at(deadlines_.begin()->second);
    cancel_on_session(rpc);
    finish(rpc, kStatusDeadlineExceeded, "no answer in time");
  }
}

// --- what the sessions tell

bool Http2Channel::on_message(Http2Stream& stream, Bytes message) {
  if (stream.is_call) {
    Rpc& rpc = *rpcs_.at(stream.id);
    if (rpc.has_reply) {
      cleanse(message.data(), message.size());
      stream.session->cancel(stream);
      finish(rpc, kStatusInternal, "more than one answer");
      return true;
    }
    rpc.has_reply = true;
    rpc.reply = std::move(message);
    return true;
  }
  ++event_messages_;
  event_bytes_ += message.size();
  LinkEvent& event = events_.emplace_back();
  event.kind = LinkEvent::Kind::kMessage;
  event.id = stream.id;
  event.bytes = std::move(message);
  if (event_messages_ < kLinkEventsMax && event_bytes_ < kLinkEventBytesMax) return true;
  if (paused_.empty() || paused_.back() != stream.id) paused_.push_back(stream.id);
  return false;
}

void Http2Channel::on_written(Http2Stream& stream) {
  if (!stream.is_call) put(LinkEvent::Kind::kWritten, stream.id, kStatusOk, {});
}

void Http2Channel::on_end(Http2Stream& stream, Http2End end) {
  Rpc& rpc = *rpcs_.at(stream.id);
  const bool again = end.untouched && !(end.refused && std::exchange(rpc.was_refused, true));
  if (rpc.waits_for_shard && again) {
    rpc.has_reply = false;
    wait(rpc);
    return;
  }
  if (stream.is_call && end.status == kStatusOk && !rpc.has_reply) {
    end = {.status = kStatusInternal, .text = "no answer in the reply"};
  }
  finish(rpc, end.status, std::move(end.text));
  events_.back().cut = end.cut;
}

void Http2Channel::on_going_away(Http2Session& session) {
  if (session_.get() != &session) return;
  ++disconnects_;
  draining_.push_back(std::move(session_));
}

void Http2Channel::on_dead(Http2Session& session, bool reached, std::string_view why) {
  last_failure_ = why;
  if (session_.get() == &session) {
    ++disconnects_;
    draining_.push_back(std::move(session_));
  }
  if (reached) {
    pause_ns_ = 0;
    retry_at_ns_ = clock_.now_ns;
  } else {
    pause_ns_ = std::clamp(2 * pause_ns_, kLinkConnectPauseMinNs, kLinkConnectPauseMaxNs);
    retry_at_ns_ = clock_.now_ns + pause_ns_;
  }
}

// --- ends

std::unique_ptr<Http2Channel::Rpc> Http2Channel::remove(uint64_t id) {
  const auto found = rpcs_.find(id);
  if (found == rpcs_.end()) return nullptr;
  std::unique_ptr<Rpc> rpc = std::move(found->second);
  rpcs_.erase(found);
  if (rpc->is_call) {
    deadlines_.erase({rpc->deadline_ns, id});
    settle_gathering();
  }
  return rpc;
}

void Http2Channel::finish(Rpc& rpc, int32_t status, std::string text) {
  const uint64_t id = rpc.id;
  const bool is_call = rpc.is_call;
  put(is_call ? LinkEvent::Kind::kReply : LinkEvent::Kind::kEnded, id, status, std::move(text));
  if (status == kStatusOk && is_call) {
    events_.back().bytes = std::move(rpc.reply);
  } else {
    cleanse(rpc.reply.data(), rpc.reply.size());
  }
  (void)remove(id);
}

void Http2Channel::put(LinkEvent::Kind kind, uint64_t id, int32_t status, std::string text) {
  LinkEvent& event = events_.emplace_back();
  event.kind = kind;
  event.id = id;
  event.status = status;
  event.text = std::move(text);
}

}  // namespace ringway::cluster
