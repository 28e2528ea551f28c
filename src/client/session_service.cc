// What the server says about a session and its messages, and what is asked about them:
// https://core.telegram.org/mtproto/service_messages and service_messages_about_messages.
#include <algorithm>

#include "client/objects.h"
#include "client/session.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

constexpr uint8_t kStateMask = 7;
constexpr uint8_t kStateForgotten = 1;
constexpr uint8_t kStateNotReceivedLater = 3;
constexpr uint8_t kStateReceived = 4;

}  // namespace

// --- The session.

Result<void> Session::on_new_session(const InboundPart& part, std::vector<SessionEvent>& events) {
  ByteReader reader(part.body);
  RW_TRY(reader.skip(4));
  RW_TRY_ASSIGN(const int64_t first_msg_id, reader.i64());
  RW_TRY_ASSIGN(const int64_t unique_id, reader.i64());
  RW_TRY_ASSIGN(const int64_t server_salt, reader.i64());
  salts_.set(server_salt);
  use_salt(server_salt);
  if (unique_id_ != unique_id) {
    unique_id_ = unique_id;
    SessionEvent event;
    event.kind = SessionEvent::Kind::kNewSession;
    event.msg_id = first_msg_id;
    event.unique_id = unique_id;
    events.push_back(std::move(event));
  }
  // The server has forgotten what came before.
  send_again(take_sent_if([first_msg_id](const Pending& entry) {
               return std::max(entry.msg_id, entry.container_msg_id) < first_msg_id;
             }),
             0, false, events);
  return {};
}

// --- Refusals.

void Session::note_refusal(int32_t code, std::vector<SessionEvent>& events) {
  ++counts_.bad_messages;
  if (!options_.tell_changes) return;
  SessionEvent event;
  event.kind = SessionEvent::Kind::kRefused;
  event.bad_msg_code = code;
  events.push_back(std::move(event));
}

Result<void> Session::on_bad_server_salt(const InboundPart& part,
                                         std::vector<SessionEvent>& events) {
  const auto notice = read_bad_msg(part.body);
  if (!notice) return Error::kMalformed;
  note_refusal(kBadServerSaltCode, events);
  ++counts_.salt_changes;
  salts_.set(notice->new_salt);
  use_salt(notice->new_salt);
  send_again(take_sent_if([&](const Pending& entry) { return is_named(entry, notice->msg_id); }),
             kBadServerSaltCode, true, events);
  return {};
}

Result<void> Session::on_bad_msg(const InboundPart& part, Now now,
                                 std::vector<SessionEvent>& events) {
  const auto notice = read_bad_msg(part.body);
  if (!notice) return Error::kMalformed;
  note_refusal(notice->code, events);
  switch (notice->code) {
    case kMsgIdTooLow:
    case kMsgIdTooHigh:
      on_wrong_clock(*notice, part.msg_id, now, events);
      return {};
    case kMsgTooOld:
      on_too_old(*notice, events);
      return {};
    case kMsgIdNotMultipleOfFour:
    case kContainerIdUsed:
    case kSeqNoTooLow:
    case kSeqNoTooHigh:
    case kSeqNoNotEven:
    case kSeqNoNotOdd:
    case kContainerBroken:
      on_fault(*notice, events);
      return {};
    default:
      for (Pending& entry :
           take_sent_if([&](const Pending& one) { return is_named(one, notice->msg_id); })) {
        fail(entry, Error::kNotAllowed, notice->code, events);
      }
      return {};
  }
}

// The notification's own msg_id is the server's clock.
void Session::on_wrong_clock(const BadMsg& notice, int64_t msg_id, Now now,
                             std::vector<SessionEvent>& events) {
  clock_.set(msg_id, now);
  note_clock();
  if (notice.code == kMsgIdTooLow) {
    send_again(take_sent_if([&](const Pending& entry) { return is_named(entry, notice.msg_id); }),
               notice.code, true, events);
    return;
  }
  // Our numbers may not fall within a session, so a lower clock needs a new one.
  restart(notice.code, events);
  send_again(take_sent_if([](const Pending&) { return true; }), notice.code, false, events);
}

// The server cannot tell any more whether it had the message; perhaps it knows when asked.
void Session::on_too_old(const BadMsg& notice, std::vector<SessionEvent>& events) {
  if (!options_.ask_state) {
    send_again(take_sent_if([&](const Pending& entry) { return is_named(entry, notice.msg_id); }),
               notice.code, true, events);
    return;
  }
  state_tries_ = 0;
  for (Pending& entry : sent_) {
    if (!is_named(entry, notice.msg_id)) continue;
    entry.arrived = Arrived::kUnsure;
    ask_due_ = true;
  }
}

// Our numbering and the server's view of it have parted. A new session puts that right, and if it
// does not, the message is given up. Of the others that were sent it cannot be told any more
// whether the server ran them: to run one twice would be worse than to say so.
void Session::on_fault(const BadMsg& notice, std::vector<SessionEvent>& events) {
  restart(notice.code, events);
  std::vector<Pending> all = take_sent_if([](const Pending&) { return true; });
  std::vector<Pending> again;
  for (Pending& entry : all) {
    if (entry.purpose == Purpose::kSalts) salts_asked_ = false;
    if (is_named(entry, notice.msg_id) && ++entry.faults < kSessionFaultsMax &&
        entry.purpose == Purpose::kCall) {
      again.push_back(std::move(entry));
    } else {
      fail(entry, Error::kNotAllowed, notice.code, events);
    }
  }
  send_again(std::move(again), notice.code, false, events);
}

void Session::send_again(std::vector<Pending> entries, int32_t code, bool counted,
                         std::vector<SessionEvent>& events) {
  std::vector<Pending> again;
  for (Pending& entry : entries) {
    if (counted && ++entry.resends > kClientResendsMax) {
      fail(entry, Error::kNotAllowed, code, events);
      continue;
    }
    ++counts_.resends;
    if (entry.purpose == Purpose::kCall) {
      SessionEvent event;
      event.kind = SessionEvent::Kind::kResent;
      event.request = entry.request;
      event.started_ns = entry.started_ns;
      event.bad_msg_code = code;
      events.push_back(std::move(event));
    }
    again.push_back(std::move(entry));
  }
  back_to_waiting(std::move(again));
}

// --- What arrived.

Result<void> Session::on_detailed_info(const InboundPart& part, Now now) {
  ByteReader reader(part.body);
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id == mtproto::constructor::kMsgDetailedInfo) RW_TRY(reader.i64());  // of the request
  RW_TRY_ASSIGN(const int64_t answer_msg_id, reader.i64());
  if (received_.contains(answer_msg_id)) {
    owe_ack(answer_msg_id, now);
  } else if (answers_wanted_.size() < kSessionIdsPerRequestMax) {
    answers_wanted_.push_back(answer_msg_id);
  }
  return {};
}

Result<void> Session::on_state_request(const InboundPart& part, Now now) {
  RW_TRY_ASSIGN(const std::vector<int64_t> ids, read_msg_ids(part.body));
  Bytes states;
  states.reserve(ids.size());
  for (const int64_t id : ids) states.push_back(received_.state_of(id));
  queue_own(Purpose::kStatement, make_msgs_state_info(part.msg_id, states), kSessionServiceWaitNs,
            now);
  return {};
}

// What is answered, or unknown, has nothing to be sent again: that is said.
Result<void> Session::on_resend_request(const InboundPart& part, Now now) {
  RW_TRY_ASSIGN(const std::vector<int64_t> ids, read_msg_ids(part.body));
  Bytes states;
  bool all_known = true;
  for (const int64_t id : ids) {
    const bool known = find_sent(id) != nullptr;
    all_known = all_known && known;
    states.push_back(known ? kStateReceived : kStateForgotten);
    if (known && resends_owed_.size() < kSessionResendsOwedMax) resends_owed_.push_back(id);
  }
  if (!all_known) {
    queue_own(Purpose::kStatement, make_msgs_state_info(part.msg_id, states), kSessionServiceWaitNs,
              now);
  }
  return {};
}

const Session::Pending* Session::find_sent(int64_t msg_id) const noexcept {
  const auto found =
      std::lower_bound(sent_.begin(), sent_.end(), msg_id,
                       [](const Pending& entry, int64_t wanted) { return entry.msg_id < wanted; });
  return found == sent_.end() || found->msg_id != msg_id ? nullptr : &*found;
}

void Session::ask_states(Now now) {
  ask_due_ = false;
  std::vector<int64_t> ids;
  const auto ask = [&] {
    if (ids.empty()) return;
    queue_own(Purpose::kState, make_msgs_state_req(ids), kSessionStateWaitNs, now);
    ++counts_.state_questions;
    ids.clear();
  };
  for (Pending& entry : sent_) {
    if (entry.arrived != Arrived::kUnsure) continue;
    entry.arrived = Arrived::kAsked;
    ids.push_back(entry.msg_id);
    if (ids.size() == kSessionIdsPerRequestMax) ask();
  }
  ask();
}

Result<void> Session::on_state_info(const Pending& question, const InboundPart& part,
                                    std::vector<SessionEvent>& events) {
  state_tries_ = 0;
  RW_TRY_ASSIGN(const std::vector<int64_t> ids, read_msg_ids(question.object));
  ByteReader reader(part.body);
  RW_TRY(reader.skip(12));  // constructor, req_msg_id
  const auto states = mtproto::read_tl_string(reader);
  if (!states.ok() || states->size() != ids.size()) {
    ask_again_or_leave(question);
    return Error::kMalformed;
  }
  // Both ascend.
  size_t at = 0;
  const auto is_missing = [&](const Pending& entry) {
    while (at < ids.size() && ids[at] < entry.msg_id) ++at;
    if (at == ids.size() || ids[at] != entry.msg_id) return false;
    if (entry.arrived != Arrived::kAsked) return false;
    const uint8_t state = (*states)[at] & kStateMask;
    return state >= kStateForgotten && state <= kStateNotReceivedLater;
  };
  std::vector<Pending> missing = take_sent_if(is_missing);
  for (Pending& entry : sent_) {
    if (std::binary_search(ids.begin(), ids.end(), entry.msg_id)) {
      entry.arrived = Arrived::kTakenForGranted;
    }
  }
  send_again(std::move(missing), 0, false, events);
  return {};
}

// A server that cannot tell leaves them where they are: to run one twice would be worse than to
// wait for an answer that perhaps does not come.
void Session::ask_again_or_leave(const Pending& question) {
  const auto ids = read_msg_ids(question.object);
  RW_ASSERT(ids.ok());
  const bool again = ++state_tries_ < kSessionStateTriesMax;
  for (Pending& entry : sent_) {
    if (!std::binary_search(ids->begin(), ids->end(), entry.msg_id)) continue;
    entry.arrived = again ? Arrived::kUnsure : Arrived::kTakenForGranted;
    ask_due_ = ask_due_ || again;
  }
}

// --- Salts and clock.

void Session::ask_salts(Now now) {
  if (salts_asked_ || salts_.remaining() >= 2 || now.mono_ns < salts_ask_ns_) return;
  // With the first answer we know that the key is good, and bound if it is a temporary one.
  if (counts_.messages_received == 0) return;
  salts_asked_ = true;
  salts_ask_ns_ = now.mono_ns + kSessionSaltsPauseNs;
  queue_own(Purpose::kSalts, make_get_future_salts(kSessionSaltsAsked), kSessionServiceWaitNs, now);
}

Result<void> Session::on_future_salts(const InboundPart& part, Now now) {
  salts_asked_ = false;
  RW_TRY_ASSIGN(std::vector<FutureSalt> salts, read_future_salts(part.body));
  salts_.learn(std::move(salts), clock_.unix_ns(now));
  use_salt(salts_.current());
  return {};
}

void Session::use_salt(int64_t salt) noexcept { key_.salt = salt; }

void Session::note_clock() noexcept {
  key_.time_offset_ns = clock_.offset_ns();
  key_.time_known = clock_.known();
  ++counts_.clock_changes;
}

void Session::tell_changes(std::vector<SessionEvent>& events) {
  if (told_salt_ != key_.salt) {
    told_salt_ = key_.salt;
    SessionEvent event;
    event.kind = SessionEvent::Kind::kSalt;
    events.push_back(std::move(event));
  }
  if (told_offset_ns_ != key_.time_offset_ns) {
    told_offset_ns_ = key_.time_offset_ns;
    SessionEvent event;
    event.kind = SessionEvent::Kind::kClock;
    events.push_back(std::move(event));
  }
}

}  // namespace ringway::client
