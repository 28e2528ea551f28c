// A session's queue and bookkeeping. Frames are built in session_send.cc; what arrives is handled
// in session_receive.cc and session_service.cc.
#include "client/session.h"

#include <algorithm>

#include "client/objects.h"
#include "client/session_limits.h"
#include "crypto/random.h"
#include "mtproto/deflate.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

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
      session_id_(options.session_id != 0 ? options.session_id : random_id()),
      clock_(key.time_offset_ns, key.time_known),
      salts_(key.salt),
      told_salt_(key.salt),
      told_offset_ns_(key.time_offset_ns) {}

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
  entry.options = request;
  if (is_uncounted(constructor_of(object))) entry.options.content_related = false;
  if (!entry.options.content_related || !pack(object, entry.object)) {
    entry.object.assign(object.begin(), object.end());
  }
  entry.request = next_request_++;
  entry.started_ns = now.mono_ns;
  entry.deadline_ns =
      now.mono_ns + (request.timeout_ns != 0 ? request.timeout_ns : options_.request_timeout_ns);
  expiry_ns_ = std::min(expiry_ns_, entry.deadline_ns);
  waiting_.push_back(std::move(entry));
  return waiting_.back();
}

// What the session asks or states for itself; statements get no answer.
Session::Pending* Session::queue_own(Purpose purpose, ByteView object, int64_t timeout_ns,
                                     Now now) {
  // A server that asks and does not read what it is told is told the rest when it asks again.
  if (purpose == Purpose::kStatement && waiting_.size() >= kSessionStatementsMax &&
      std::count_if(waiting_.begin(), waiting_.end(), [](const Pending& entry) {
        return entry.purpose == Purpose::kStatement;
      }) >= static_cast<ptrdiff_t>(kSessionStatementsMax)) {
    return nullptr;
  }
  RequestOptions options;
  options.content_related = false;
  options.expect_reply = purpose != Purpose::kStatement;
  options.timeout_ns = timeout_ns;
  Pending& entry = queue(object, options, now);
  entry.purpose = purpose;
  return &entry;
}

bool Session::pack(ByteView object, Bytes& out) const {
  if (options_.gzip_bytes_min == 0 || object.size() <= options_.gzip_bytes_min) return false;
  const auto packed = mtproto::deflate_gzip(object, object.size());
  if (!packed || 4 + mtproto::tl_string_bytes(packed->size()) >= object.size()) return false;
  out.clear();
  ByteAppender appender(out);
  appender.u32(mtproto::constructor::kGzipPacked);
  mtproto::write_tl_string(appender, *packed);
  return true;
}

// Each takes the place that it had, whichever of them was refused first.
void Session::back_to_waiting(std::vector<Pending> entries) {
  const auto earlier = [](const Pending& a, const Pending& b) { return a.request < b.request; };
  std::sort(entries.begin(), entries.end(), earlier);
  for (Pending& entry : entries) {
    entry.quick_ack_token = 0;
    entry.after_msg_id = 0;
    entry.arrived = Arrived::kTakenForGranted;
  }
  held_ = 0;
  const auto middle = static_cast<ptrdiff_t>(entries.size());
  waiting_.insert(waiting_.begin(), std::make_move_iterator(entries.begin()),
                  std::make_move_iterator(entries.end()));
  std::inplace_merge(waiting_.begin(), waiting_.begin() + middle, waiting_.end(), earlier);
}

void Session::recycle(Pending& entry) {
  if (entry.purpose == Purpose::kDrop) --drops_awaited_;
  if (spare_.size() < kSpareMax && entry.object.capacity() <= kClientContainerBytesMax) {
    spare_.push_back(std::move(entry.object));
  }
}

// A new session id, and numbering from the start: the way out when the server has lost count of us.
void Session::restart(int32_t code, std::vector<SessionEvent>& events) {
  session_id_ = random_id();
  content_count_ = 0;
  msg_ids_.restart();
  acks_.clear();
  received_.clear();
  answers_wanted_.clear();
  resends_owed_.clear();
  dropped_.clear();
  ask_due_ = false;
  if (!options_.tell_changes) return;
  SessionEvent event;
  event.kind = SessionEvent::Kind::kRestarted;
  event.bad_msg_code = code;
  events.push_back(std::move(event));
}

Session::Dropped Session::drop(RequestId request, Now now) {
  const auto is_it = [request](const Pending& entry) {
    return entry.request == request && entry.purpose == Purpose::kCall;
  };
  const auto unsent = std::find_if(waiting_.begin(), waiting_.end(), is_it);
  if (unsent != waiting_.end()) {
    const bool was_sent = unsent->msg_id != 0;
    recycle(*unsent);
    waiting_.erase(unsent);
    held_ = 0;
    // One that is about to go again has no answer to be dropped; perhaps it ran in the old session.
    return was_sent ? Dropped::kToldNobody : Dropped::kUnsent;
  }
  const auto sent = std::find_if(sent_.begin(), sent_.end(), is_it);
  if (sent == sent_.end()) return Dropped::kUnknown;
  if (dropped_.size() == kSessionDroppedMax) dropped_.pop_front();
  dropped_.push_back({sent->msg_id, request});
  const Bytes object = make_rpc_drop_answer(sent->msg_id);
  recycle(*sent);
  sent_.erase(sent);
  held_ = 0;
  if (drops_awaited_ < kSessionDropsMax) {
    ++drops_awaited_;
    queue_own(Purpose::kDrop, object, kSessionServiceWaitNs, now)->dropped = request;
  } else {
    queue_own(Purpose::kStatement, object, kSessionServiceWaitNs, now);
  }
  return Dropped::kSent;
}

void Session::settle(RequestId dropped, std::vector<SessionEvent>& events) {
  SessionEvent event;
  event.kind = SessionEvent::Kind::kSettled;
  event.request = dropped;
  events.push_back(std::move(event));
}

void Session::expire(Now now, std::vector<SessionEvent>& events) {
  if (now.mono_ns < expiry_ns_) return;
  expiry_ns_ = INT64_MAX;
  const auto is_late = [&](const Pending& entry) {
    if (entry.deadline_ns <= now.mono_ns) return true;
    expiry_ns_ = std::min(expiry_ns_, entry.deadline_ns);
    return false;
  };
  std::vector<Pending> late = take_sent_if(is_late);
  extract(waiting_, is_late, [&late](Pending entry) { late.push_back(std::move(entry)); });
  held_ = 0;
  for (Pending& entry : late) {
    switch (entry.purpose) {
      case Purpose::kCall:
        fail(entry, Error::kTimeout, 0, events);
        continue;
      case Purpose::kSalts:
        salts_asked_ = false;
        break;
      case Purpose::kState:
        ask_again_or_leave(entry);
        break;
      case Purpose::kDrop:
        settle(entry.dropped, events);
        break;
      case Purpose::kStatement:
        break;
    }
    recycle(entry);
  }
}

void Session::on_reconnected() {
  state_tries_ = 0;
  held_ = 0;
  std::vector<Pending> again;
  std::deque<Pending> unsure;
  for (Pending& entry : sent_) {
    if (entry.purpose == Purpose::kCall && options_.ask_state && entry.options.content_related) {
      entry.arrived = Arrived::kUnsure;
      entry.quick_ack_token = 0;
      ask_due_ = true;
      unsure.push_back(std::move(entry));
    } else if (entry.purpose == Purpose::kCall || entry.purpose == Purpose::kDrop) {
      again.push_back(std::move(entry));
    } else {
      // Asked anew when it is needed.
      if (entry.purpose == Purpose::kSalts) salts_asked_ = false;
      recycle(entry);
    }
  }
  sent_ = std::move(unsure);
  // Its own questions that did not go out yet are about the connection that is gone.
  extract(
      waiting_, [](const Pending& entry) { return entry.purpose == Purpose::kState; },
      [this](Pending entry) { recycle(entry); });
  back_to_waiting(std::move(again));
}

void Session::fail(Pending& entry, Error error, int32_t code, std::vector<SessionEvent>& events) {
  if (entry.purpose == Purpose::kCall) {
    SessionEvent event;
    event.kind = SessionEvent::Kind::kFailed;
    event.request = entry.request;
    event.started_ns = entry.started_ns;
    event.error = error;
    event.bad_msg_code = code;
    events.push_back(std::move(event));
  } else if (entry.purpose == Purpose::kDrop) {
    settle(entry.dropped, events);
  }
  recycle(entry);
}

bool Session::wants_to_send(Now now) const noexcept {
  return waiting_.size() > held_ || acks_due(now) || ask_due_ || !answers_wanted_.empty() ||
         !resends_owed_.empty();
}

std::optional<int64_t> Session::next_deadline_ns() const noexcept {
  int64_t deadline_ns = expiry_ns_;
  if (!acks_.empty()) deadline_ns = std::min(deadline_ns, ack_deadline_ns_);
  if (deadline_ns == INT64_MAX) return std::nullopt;
  return deadline_ns;
}

}  // namespace ringway::client
