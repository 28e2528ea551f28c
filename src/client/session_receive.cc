// A session's incoming half: what is accepted, results and pushes, quick acks. What the server says
// about our messages is in session_service.cc.
#include <algorithm>

#include "client/objects.h"
#include "client/session.h"
#include "client/session_limits.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

namespace ctor = mtproto::constructor;

constexpr int64_t kServerMsgIdParity = 1;  // odd: 1 mod 4 for answers, 3 mod 4 otherwise
constexpr size_t kMsgKeyOffset = 8;        // in a frame

// The bytes behind msg_id, seq_no and length of an opened message.
constexpr size_t kPayloadHeaderBytes = 16;
constexpr size_t kDeflateRatioMax = 1032;  // bytes that one byte of deflate may become

// The server could not wait for the request that this one was to come after, so it ran neither.
bool says_wait_failed(ByteView result) {
  const auto error = read_rpc_error(result);
  return error && error->message.starts_with("MSG_WAIT_");
}

}  // namespace

mtproto::OpenJob Session::open_job(ByteSpan frame) const noexcept {
  mtproto::OpenJob job;
  job.key = &key_.key;
  job.frame = frame;
  job.sender = mtproto::Sender::kServer;
  return job;
}

Result<void> Session::receive(ByteSpan frame, Now now, std::vector<SessionEvent>& events) {
  mtproto::OpenJob job = open_job(frame);
  mtproto::open_many({&job, 1});
  return on_opened(job, now, events);
}

Result<void> Session::on_opened(const mtproto::OpenJob& job, Now now,
                                std::vector<SessionEvent>& events) {
  if (job.error != Error::kNone) return job.error;
  if (options_.check_time) clock_.tick(now);
  if (!is_acceptable(job, now)) return {};
  held_ = 0;
  const InboundPart whole{job.header.msg_id, job.header.seq_no,
                          ByteView(job.payload).subspan(kPayloadHeaderBytes)};
  parts_.clear();
  inflate_left_ = kSessionFrameInflateBytesMax;
  RW_TRY(split_message(whole, parts_));
  const auto frame_mark = load_le<uint64_t>(job.frame.data() + kMsgKeyOffset);
  const int64_t session_id = session_id_;
  // By index: a part that is unpacked adds its own. When one begins a new session, those behind it
  // are of the old one.
  for (size_t i = 0; i < parts_.size() && session_id == session_id_; ++i) {
    on_part(InboundPart(parts_[i]), frame_mark, now, events);
  }
  if (options_.tell_changes) tell_changes(events);
  return {};
}

bool Session::is_acceptable(const mtproto::OpenJob& job, Now now) {
  if (job.header.session_id != session_id_) {
    ++counts_.dropped_foreign;
    return false;
  }
  if ((job.header.msg_id & 1) != kServerMsgIdParity) {
    ++counts_.dropped_even;
    return false;
  }
  if (!options_.check_time) return true;
  if (!clock_.is_plausible(job.header.msg_id, now)) {
    if (corrects_clock(job)) return true;
    ++counts_.dropped_time;
    return false;
  }
  if (clock_.hear(job.header.msg_id, now)) note_clock();
  return true;
}

// Whether it tells that our clock is wrong, and names a message of ours that nobody else can know:
// by our clock it must look wrong.
bool Session::corrects_clock(const mtproto::OpenJob& job) const {
  const ByteView body = ByteView(job.payload).subspan(kPayloadHeaderBytes);
  const auto notice = read_bad_msg(body);
  if (!notice || constructor_of(body) != ctor::kBadMsgNotification) return false;
  if (notice->code != kMsgIdTooLow && notice->code != kMsgIdTooHigh) return false;
  return std::any_of(sent_.begin(), sent_.end(),
                     [&](const Pending& entry) { return is_named(entry, notice->msg_id); });
}

void Session::on_part(const InboundPart& part, uint64_t frame_mark, Now now,
                      std::vector<SessionEvent>& events) {
  if ((part.msg_id & 1) != kServerMsgIdParity) {
    ++counts_.dropped_even;
    return;
  }
  switch (received_.note(part.msg_id, frame_mark)) {
    case ReceivedIds::Verdict::kReplayed:
    case ReceivedIds::Verdict::kTooOld:
      ++counts_.dropped_replays;
      return;
    case ReceivedIds::Verdict::kRepeated:
      // Our acknowledgement was lost: without another one it would be sent for ever.
      ++counts_.repeats_ignored;
      if ((part.seq_no & 1) != 0) owe_ack(part.msg_id, now);
      return;
    case ReceivedIds::Verdict::kNew:
      break;
  }
  ++counts_.messages_received;
  if ((part.seq_no & 1) != 0) owe_ack(part.msg_id, now);
  if (constructor_of(part.body) == ctor::kGzipPacked) {
    on_packed(part, frame_mark, now, events);
    return;
  }
  if (!handle(part, now, events).ok()) ++counts_.unreadable;
}

// A message that was packed as a whole; there may be a container inside.
void Session::on_packed(const InboundPart& part, uint64_t frame_mark, Now now,
                        std::vector<SessionEvent>& events) {
  const auto plain = unpack(part.body);
  if (!plain.ok()) {
    ++counts_.unreadable;
    return;
  }
  const size_t events_before = events.size();
  if (constructor_of(*plain) == ctor::kMsgContainer) {
    std::vector<InboundPart> inner;
    if (!split_message({part.msg_id, part.seq_no, *plain}, inner).ok()) ++counts_.unreadable;
    for (const InboundPart& one : inner) {
      // What is packed in there again is an object of the API, or nothing that a server sends.
      if (constructor_of(one.body) == ctor::kGzipPacked) {
        ++counts_.unreadable;
        continue;
      }
      on_part(one, frame_mark, now, events);
    }
  } else if (!handle({part.msg_id, part.seq_no, *plain}, now, events).ok()) {
    ++counts_.unreadable;
  }
  for (size_t i = events_before; i < events.size(); ++i) {
    SessionEvent& event = events[i];
    if (event.body.empty() || !event.storage.empty()) continue;
    event.storage.assign(event.body.begin(), event.body.end());
    event.body = event.storage;
  }
}

// What gzip_packed holds, unpacked as often as it was packed.
Result<Bytes> Session::unpack(ByteView object) {
  Bytes plain;
  for (size_t depth = 0; constructor_of(object) == ctor::kGzipPacked; ++depth) {
    if (depth == kSessionGzipDepthMax) return Error::kTooLarge;
    const size_t bytes_max = std::min(kClientInflateBytesMax, inflate_left_);
    auto inner = unpack_gzip(object, bytes_max);
    // What fails has cost what could have come out of it.
    inflate_left_ -=
        inner.ok() ? inner->size() : std::min(bytes_max, object.size() * kDeflateRatioMax);
    if (!inner.ok()) return inner.error();
    plain = *std::move(inner);
    object = plain;
  }
  return plain;
}

void Session::owe_ack(int64_t msg_id, Now now) {
  if (acks_.empty()) ack_deadline_ns_ = now.mono_ns + options_.ack_delay_ns;
  // A server that floods us past this does without: it will send the message again.
  if (acks_.size() < kClientAcksMax) acks_.push_back(msg_id);
}

Result<void> Session::handle(const InboundPart& part, Now now, std::vector<SessionEvent>& events) {
  switch (constructor_of(part.body)) {
    case ctor::kRpcResult:
      return on_rpc_result(part, events);
    case ctor::kPong:
      return on_pong(part, events);
    case ctor::kNewSessionCreated:
      return on_new_session(part, events);
    case ctor::kBadServerSalt:
      return on_bad_server_salt(part, events);
    case ctor::kBadMsgNotification:
      return on_bad_msg(part, now, events);
    case ctor::kMsgsAck:
    case ctor::kMsgsAllInfo:
      return {};  // requests are kept until their reply, whatever the server says of them unasked
    case ctor::kFutureSalts:
    case ctor::kMsgsStateInfo:
      return on_service_answer(part, now, events);
    case ctor::kMsgDetailedInfo:
    case ctor::kMsgNewDetailedInfo:
      return on_detailed_info(part, now);
    case ctor::kMsgsStateReq:
      return on_state_request(part, now);
    case ctor::kMsgResendReq:
      return on_resend_request(part, now);
    default:
      break;
  }
  SessionEvent event;
  event.kind = SessionEvent::Kind::kPush;
  event.body = part.body;
  events.push_back(std::move(event));
  return {};
}

Result<void> Session::on_rpc_result(const InboundPart& part, std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t request_msg_id, reader.i64());
  SessionEvent event;
  event.kind = SessionEvent::Kind::kReply;
  event.body = reader.rest();
  auto entry = take_sent(request_msg_id);
  const auto dropped = std::find_if(
      dropped_.begin(), dropped_.end(),
      [request_msg_id](const DroppedCall& call) { return call.msg_id == request_msg_id; });
  if (dropped != dropped_.end() || (entry && entry->purpose != Purpose::kCall)) {
    if (dropped != dropped_.end()) settle(dropped->request, events);
    if (entry && entry->purpose == Purpose::kDrop) settle(entry->dropped, events);
    if (entry && entry->purpose == Purpose::kSalts) salts_asked_ = false;
    if (entry) recycle(*entry);
    return {};
  }
  // What nobody waits for is not worth its unpacking.
  if (entry && constructor_of(event.body) == ctor::kGzipPacked) {
    auto plain = unpack(event.body);
    if (!plain.ok()) {
      fail(*entry, plain.error(), 0, events);
      return plain.error();
    }
    event.storage = std::move(*plain);
    event.body = event.storage;
  }
  if (entry) {
    if (entry->after_msg_id != 0 && says_wait_failed(event.body)) {
      std::vector<Pending> again;
      again.push_back(std::move(*entry));
      send_again(std::move(again), 0, true, events);
      return {};
    }
    event.request = entry->request;
    event.started_ns = entry->started_ns;
    recycle(*entry);
  }
  events.push_back(std::move(event));
  return {};
}

Result<void> Session::on_pong(const InboundPart& part, std::vector<SessionEvent>& events) {
  RW_TRY_ASSIGN(const Pong pong, read_pong(part.body));
  SessionEvent event;
  event.kind = SessionEvent::Kind::kPong;
  event.body = part.body;
  if (auto entry = take_sent(pong.msg_id)) {
    event.request = entry->request;
    event.started_ns = entry->started_ns;
    recycle(*entry);
  }
  events.push_back(std::move(event));
  return {};
}

Result<void> Session::on_service_answer(const InboundPart& part, Now now,
                                        std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t request_msg_id, reader.i64());
  SessionEvent event;
  event.kind = SessionEvent::Kind::kService;
  event.body = part.body;
  if (auto entry = take_sent(request_msg_id)) {
    if (entry->purpose == Purpose::kSalts) {
      recycle(*entry);
      return on_future_salts(part, now);
    }
    if (entry->purpose == Purpose::kState) {
      auto result = on_state_info(*entry, part, events);
      recycle(*entry);
      return result;
    }
    event.request = entry->request;
    event.started_ns = entry->started_ns;
    recycle(*entry);
  }
  events.push_back(std::move(event));
  return {};
}

std::optional<Session::Pending> Session::take_sent(int64_t msg_id) {
  const auto found =
      std::lower_bound(sent_.begin(), sent_.end(), msg_id,
                       [](const Pending& entry, int64_t wanted) { return entry.msg_id < wanted; });
  if (found == sent_.end() || found->msg_id != msg_id) return std::nullopt;
  Pending entry = std::move(*found);
  sent_.erase(found);
  return entry;
}

bool Session::on_quick_ack(uint32_t token, std::vector<SessionEvent>& events) {
  const auto found = std::find_if(sent_.begin(), sent_.end(), [token](const Pending& entry) {
    return entry.quick_ack_token == token;
  });
  if (token == 0 || found == sent_.end()) return false;
  found->quick_ack_token = 0;
  SessionEvent event;
  event.kind = SessionEvent::Kind::kQuickAck;
  event.request = found->request;
  event.started_ns = found->started_ns;
  event.msg_id = found->msg_id;
  events.push_back(std::move(event));
  if (!found->options.expect_reply) {
    recycle(*found);
    sent_.erase(found);
  }
  return true;
}

}  // namespace ringway::client
