// The incoming half of a session: opened messages, service messages and quick acks.
#include <algorithm>
#include <memory>

#include "base/limits.h"
#include "client/objects.h"
#include "client/session.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

// Codes of bad_msg_notification, https://core.telegram.org/mtproto/service_messages_about_messages.
constexpr int32_t kMsgIdTooLow = 16;
constexpr int32_t kMsgIdTooHigh = 17;
constexpr int32_t kMsgTooOld = 20;
constexpr int32_t kSeqNoTooLow = 32;
constexpr int32_t kSeqNoTooHigh = 33;
constexpr int32_t kBadServerSaltCode = 48;

constexpr int64_t kServerMsgIdParity = 1;  // odd: 1 mod 4 for answers, 3 mod 4 otherwise

// The bytes behind msg_id, seq_no and length of an opened message.
constexpr size_t kPayloadHeaderBytes = 16;

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
  if (job.header.session_id != session_id_) {
    if (job.header.session_id == previous_session_id_) return {};
    return Error::kMalformed;
  }
  if ((job.header.msg_id & 1) != kServerMsgIdParity) return Error::kMalformed;
  parts_.clear();
  RW_TRY(split_message(
      {job.header.msg_id, job.header.seq_no, ByteView(job.payload).subspan(kPayloadHeaderBytes)},
      parts_));
  // By index: handling a part may not invalidate the list, but it may begin a new session.
  for (size_t i = 0; i < parts_.size(); ++i) {
    const InboundPart part = parts_[i];
    if ((part.msg_id & 1) != kServerMsgIdParity) return Error::kMalformed;
    ++counts_.messages_received;
    note_content(part, now);
    if (!note_received(part.msg_id)) {
      ++counts_.repeats_ignored;
      continue;
    }
    RW_TRY(handle(part, now, events));
  }
  return {};
}

// A message with an odd seq_no wants an acknowledgement, a repeated one all the more.
void Session::note_content(const InboundPart& part, Now now) {
  if ((part.seq_no & 1) == 0) return;
  if (acks_.empty()) ack_deadline_ns_ = now.mono_ns + options_.ack_delay_ns;
  // A server that floods us past this does without: it will send the message again.
  if (acks_.size() < kClientAcksMax) acks_.push_back(part.msg_id);
}

bool Session::note_received(int64_t msg_id) {
  const auto at = std::lower_bound(received_ids_.begin(), received_ids_.end(), msg_id);
  if (at != received_ids_.end() && *at == msg_id) return false;
  if (received_ids_.size() >= kClientReceivedIdsMax) {
    if (at == received_ids_.begin()) return false;  // older than all we remember
    received_ids_.insert(at, msg_id);
    received_ids_.pop_front();
    return true;
  }
  received_ids_.insert(at, msg_id);
  return true;
}

Result<void> Session::handle(const InboundPart& part, Now now, std::vector<SessionEvent>& events) {
  switch (constructor_of(part.body)) {
    case mtproto::constructor::kRpcResult:
      return on_rpc_result(part, events);
    case mtproto::constructor::kPong:
      return on_pong(part, events);
    case mtproto::constructor::kNewSessionCreated:
      return on_new_session(part, events);
    case mtproto::constructor::kBadServerSalt:
      return on_bad_server_salt(part, events);
    case mtproto::constructor::kBadMsgNotification:
      return on_bad_msg(part, now, events);
    case mtproto::constructor::kMsgsAck:
      return {};  // requests are kept until their reply, whatever the server acknowledges
    case constructor::kFutureSalts:
    case constructor::kMsgsStateInfo:
      return on_service_answer(part, events);
    case constructor::kMsgDetailedInfo:
    case constructor::kMsgNewDetailedInfo:
      return on_detailed_info(part, now);
    default:
      break;
  }
  SessionEvent event;
  event.kind = SessionEvent::Kind::kPush;
  event.body = part.body;
  if (constructor_of(part.body) == mtproto::constructor::kGzipPacked) {
    RW_TRY_ASSIGN(event.storage, unpack_gzip(part.body, kClientInflateBytesMax));
    event.body = event.storage;
  }
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
  if (constructor_of(event.body) == mtproto::constructor::kGzipPacked) {
    RW_TRY_ASSIGN(event.storage, unpack_gzip(event.body, kClientInflateBytesMax));
    event.body = event.storage;
  }
  if (auto entry = take_sent(request_msg_id)) {
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

Result<void> Session::on_service_answer(const InboundPart& part,
                                        std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t request_msg_id, reader.i64());
  SessionEvent event;
  event.kind = SessionEvent::Kind::kService;
  event.body = part.body;
  if (auto entry = take_sent(request_msg_id)) {
    event.request = entry->request;
    event.started_ns = entry->started_ns;
    recycle(*entry);
  }
  events.push_back(std::move(event));
  return {};
}

Result<void> Session::on_new_session(const InboundPart& part, std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t first_msg_id, reader.i64());
  RW_TRY(reader.i64());  // unique_id
  RW_TRY_ASSIGN(const int64_t server_salt, reader.i64());
  key_.salt = server_salt;
  SessionEvent event;
  event.kind = SessionEvent::Kind::kNewSession;
  events.push_back(std::move(event));
  // The server has forgotten what came before.
  send_again(
      [first_msg_id](const Pending& entry) {
        return std::max(entry.msg_id, entry.container_msg_id) < first_msg_id;
      },
      0, events);
  return {};
}

Result<void> Session::on_bad_server_salt(const InboundPart& part,
                                         std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t bad_msg_id, reader.i64());
  RW_TRY(reader.skip(8));  // seq_no, error_code
  RW_TRY_ASSIGN(const int64_t new_salt, reader.i64());
  key_.salt = new_salt;
  ++counts_.salt_changes;
  send_again(
      [bad_msg_id](const Pending& entry) {
        return entry.msg_id == bad_msg_id || entry.container_msg_id == bad_msg_id;
      },
      kBadServerSaltCode, events);
  return {};
}

Result<void> Session::on_bad_msg(const InboundPart& part, Now now,
                                 std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t bad_msg_id, reader.i64());
  RW_TRY(reader.skip(4));  // seq_no
  RW_TRY_ASSIGN(const int32_t code, reader.i32());
  const auto is_named = [bad_msg_id](const Pending& entry) {
    return entry.msg_id == bad_msg_id || entry.container_msg_id == bad_msg_id;
  };
  const auto is_any = [](const Pending&) { return true; };
  switch (code) {
    case kMsgIdTooLow:
    case kMsgIdTooHigh: {
      // The notification's own msg_id is the server's clock.
      key_.time_offset_ns = (part.msg_id >> 32) * kNsPerSecond - now.unix_ns;
      ++counts_.clock_changes;
      if (code == kMsgIdTooLow) {
        send_again(is_named, code, events);
      } else {
        // Our numbers may not fall within a session, so a lower clock needs a new one.
        restart();
        send_again(is_any, code, events);
      }
      return {};
    }
    case kMsgTooOld:
      send_again(is_named, code, events);
      return {};
    case kSeqNoTooLow:
    case kSeqNoTooHigh:
      restart();
      send_again(is_any, code, events);
      return {};
    default:
      give_up(is_named, code, events);
      return {};
  }
}

// The server tells of an answer it has made; when we still wait for it, we ask for it.
Result<void> Session::on_detailed_info(const InboundPart& part, Now now) {
  ByteReader reader(part.body);
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id == constructor::kMsgDetailedInfo) RW_TRY(reader.i64());  // msg_id of the request
  RW_TRY_ASSIGN(const int64_t answer_msg_id, reader.i64());
  if (std::binary_search(received_ids_.begin(), received_ids_.end(), answer_msg_id)) {
    if (acks_.empty()) ack_deadline_ns_ = now.mono_ns + options_.ack_delay_ns;
    if (acks_.size() < kClientAcksMax) acks_.push_back(answer_msg_id);
    return {};
  }
  RequestOptions options;
  options.content_related = false;
  options.expect_reply = false;
  const auto queued = send(make_msg_resend_req({&answer_msg_id, 1}), options, now);
  // With a full queue the server's own repetition has to do.
  static_cast<void>(queued.ok());
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

template <typename Match>
void Session::send_again(Match match, int32_t code, std::vector<SessionEvent>& events) {
  std::vector<Pending> again;
  extract(sent_, match, [&](Pending entry) {
    SessionEvent event;
    event.request = entry.request;
    event.started_ns = entry.started_ns;
    event.bad_msg_code = code;
    if (++entry.resends > kClientResendsMax) {
      event.kind = SessionEvent::Kind::kFailed;
      event.error = Error::kNotAllowed;
      recycle(entry);
    } else {
      event.kind = SessionEvent::Kind::kResent;
      ++counts_.resends;
      entry.quick_ack_token = 0;
      again.push_back(std::move(entry));
    }
    events.push_back(std::move(event));
  });
  waiting_.insert(waiting_.begin(), std::make_move_iterator(again.begin()),
                  std::make_move_iterator(again.end()));
}

template <typename Match>
void Session::give_up(Match match, int32_t code, std::vector<SessionEvent>& events) {
  extract(sent_, match, [&](Pending entry) {
    SessionEvent event;
    event.kind = SessionEvent::Kind::kFailed;
    event.request = entry.request;
    event.started_ns = entry.started_ns;
    event.error = Error::kNotAllowed;
    event.bad_msg_code = code;
    events.push_back(std::move(event));
    recycle(entry);
  });
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
