// The calls of a link that are made beside its wire: keys, HTTP, single messages, and the question
// whether anybody is there.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "cluster/message_call.h"
#include "cluster/session_codec.h"
#include "cluster/shard_link.h"

namespace ringway::cluster {
namespace {

// Nobody has this key: a shard that is there says so.
constexpr int64_t kProbeKey = 0;

// The transport ends calls at their deadline; one that it forgets is given up this much later.
constexpr int64_t kCallGraceNs = 500 * kNsPerMs;

// Messages take one in so many of a connection's streams, calls that are held open half of what
// they leave.
constexpr size_t kHttpStreamsDivisor = 2 * kStreamsForDataDivisor;

// The call ended without a word of the shard's own.
constexpr bool is_unanswered(int32_t status) noexcept {
  return status == kStatusUnavailable || status == kStatusDeadlineExceeded ||
         status == kStatusCancelled;
}

}  // namespace

uint64_t ShardLink::new_call(Call call, int64_t timeout_ns, Now now) {
  const uint64_t id = context_.new_id();
  if (call.kind == CallKind::kHttp) ++http_calls_;
  call.deadline_ns = now.mono_ns + timeout_ns + kCallGraceNs;
  call_deadlines_.emplace(call.deadline_ns, id);
  calls_.emplace(id, std::move(call));
  return id;
}

void ShardLink::query_auth_key(int64_t auth_key_id, bool again, Now now) {
  const int64_t timeout_ns = context_.options.call_timeout_ns;
  const uint64_t id =
      new_call({.kind = CallKind::kQuery, .again = again, .key = auth_key_id}, timeout_ns, now);
  context_.counters.add(Counter::kKeyQueries);
  channel_->call(id, CallMethod::kQueryAuthKey, encode_query_auth_key(auth_key_id), timeout_ns,
                 true);
}

void ShardLink::set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                             uint64_t cookie, Now now) {
  const int64_t timeout_ns = context_.options.call_timeout_ns;
  const uint64_t id = new_call(
      {.kind = CallKind::kStore, .key = record.auth_key_id, .cookie = cookie}, timeout_ns, now);
  channel_->call(id, CallMethod::kSetAuthKey, encode_set_auth_key(record, salt, expires_in, now),
                 timeout_ns, true);
}

void ShardLink::call_message(const SendWindow& window, uint32_t entry, uint64_t cookie, Now now) {
  const int64_t timeout_ns = context_.options.call_timeout_ns;
  const uint64_t id = new_call({.kind = CallKind::kMessage, .cookie = cookie}, timeout_ns, now);
  context_.counters.add(Counter::kShardMessages);
  MessageCall call = make_message_call(window, entry);
  channel_->call(id, call.method, std::move(call.request), timeout_ns, false);
}

// One is always let through: a shard that allows few streams serves few clients, and not none.
bool ShardLink::has_room_for_http() const noexcept {
  return http_calls_ < std::max<size_t>(channel_->streams_max() / kHttpStreamsDivisor, 1);
}

uint64_t ShardLink::call_http(WireMessage request, int64_t perm_auth_key_id, bool again,
                              uint64_t cookie, Now now) {
  Call call{.kind = CallKind::kHttp, .again = again, .key = perm_auth_key_id, .cookie = cookie};
  if (!again) call.request = request;
  const uint64_t id = new_call(std::move(call), kHttpCallTimeoutNs, now);
  channel_->call(id, CallMethod::kSendHttpData, std::move(request), kHttpCallTimeoutNs, false);
  return id;
}

void ShardLink::cancel_http(uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  forget(found->second, id);
  calls_.erase(found);
  channel_->cancel_call(id);
}

void ShardLink::start_probe(Now now) {
  probing_ = true;
  const int64_t timeout_ns = context_.options.call_timeout_ns;
  const uint64_t id = new_call({.kind = CallKind::kProbe}, timeout_ns, now);
  channel_->call(id, CallMethod::kQueryAuthKey, encode_query_auth_key(kProbeKey), timeout_ns,
                 false);
}

bool ShardLink::on_reply(LinkEvent& event, Now now) {
  const auto found = calls_.find(event.id);
  if (found == calls_.end()) return false;
  Call call = std::move(found->second);
  forget(call, event.id);
  calls_.erase(found);
  if (!is_unanswered(event.status)) {
    health_.call_answered();
  } else if (counts_as_failure(call.kind, event, now)) {
    health_.call_failed(now);
  }
  switch (call.kind) {
    case CallKind::kQuery:
      answer_query(call, event, now);
      break;
    case CallKind::kStore:
      answer_store(call, event, now);
      break;
    case CallKind::kProbe:
      on_probe_reply(event.status, now);
      break;
    case CallKind::kMessage:
      answer_message(call, event);
      break;
    case CallKind::kHttp:
      answer_http(call, event, now);
      break;
  }
  return true;
}

// A call of HTTP may be held open as long as the shard likes. Many are at once, and one
// connection's end ends all of them: it counts where the wire meets it, and an attempt to connect
// once.
bool ShardLink::counts_as_failure(CallKind kind, const LinkEvent& event, Now now) noexcept {
  if (kind != CallKind::kHttp) return true;
  if (event.status == kStatusDeadlineExceeded || event.cut) return false;
  return std::exchange(http_failed_ns_, now.mono_ns) != now.mono_ns;
}

void ShardLink::on_probe_reply(int32_t status, Now now) {
  probing_ = false;
  if (is_unanswered(status)) {
    reconnect_later(status == kStatusDeadlineExceeded ? WireState::kStuck : WireState::kBroken,
                    now);
  } else {
    reached_ = true;
    start_wire(now);
  }
}

void ShardLink::answer_query(const Call& call, LinkEvent& event, Now now) {
  LinkOutput::Key key{.auth_key_id = call.key};
  if (event.status == kStatusOk) {
    Result<AuthKeyRecord> record = decode_auth_key_info(event.bytes);
    cleanse(event.bytes.data(), event.bytes.size());
    if (record.ok() && record->auth_key_id == call.key) {
      key.answer = KeyAnswer::kFound;
      key.record = *record;
    } else {
      errors_.note(Trouble::kKeyQuery, kStatusOk, "not a key record of this id", now);
    }
  } else if (verdict_of(event.status, event.text) == Verdict::kUnregistered) {
    key.answer = KeyAnswer::kUnregistered;
    context_.counters.add(Counter::kKeyQueriesUnknown);
  } else {
    errors_.note(Trouble::kKeyQuery, event.status, event.text, now);
    key.unanswered = is_unanswered(event.status);
    key.ask_again = event.status == kStatusUnavailable && !call.again;
  }
  const bool failed = key.answer == KeyAnswer::kFailed && !key.ask_again;
  if (failed) context_.counters.add(Counter::kKeyQueriesFailed);
  context_.output.keys.push_back(std::move(key));
}

void ShardLink::answer_store(const Call& call, const LinkEvent& event, Now now) {
  const Result<bool> truth =
      event.status == kStatusOk ? decode_bool(event.bytes) : Result<bool>(Error::kUnavailable);
  const bool stored = truth.ok() && *truth;
  if (!stored) {
    context_.counters.add(Counter::kShardErrors);
    errors_.note(Trouble::kKeyStore, event.status, event.text, now);
  }
  context_.output.stores.push_back(
      {call.cookie, stored ? StoreAnswer::kStored : StoreAnswer::kRefused});
}

void ShardLink::answer_message(const Call& call, const LinkEvent& event) {
  int32_t code = event.status;
  if (code == kStatusOk) {
    health_.served();
    const Result<bool> truth = decode_bool(event.bytes);
    if (!truth.ok() || !*truth) code = kStatusUnknown;
  }
  context_.output.call_replies.push_back({call.cookie, code, event.text});
}

void ShardLink::answer_http(Call& call, LinkEvent& event, Now now) {
  LinkOutput::Http http{.cookie = call.cookie};
  switch (verdict_of(event.status, event.text)) {
    case Verdict::kServed:
      http.answer = HttpAnswer::kAnswered;
      http.reply = std::move(event.bytes);
      break;
    case Verdict::kUnregistered:
      http.answer = HttpAnswer::kUnregistered;
      break;
    case Verdict::kRedirected:
      if (!call.again) {
        redirect_http(call, event.text);
        return;
      }
      context_.counters.add(Counter::kRedirectsRefused);
      [[fallthrough]];
    case Verdict::kRefused:
    case Verdict::kRetryFew:
      http.answer = HttpAnswer::kRefused;
      errors_.note(Trouble::kRefused, event.status, event.text, now);
      break;
    case Verdict::kRetry:
      if (event.status == kStatusUnavailable && !call.again) {
        hand_back(call);
        return;
      }
      errors_.note(Trouble::kBroken, event.status, event.text, now);
      break;
  }
  context_.output.http.push_back(std::move(http));
}

// What is kept of a call beside itself.
void ShardLink::forget(const Call& call, uint64_t id) {
  call_deadlines_.erase({call.deadline_ns, id});
  if (call.kind == CallKind::kHttp) --http_calls_;
}

// --- calls that get no answer

void ShardLink::fail(Call& call) {
  switch (call.kind) {
    case CallKind::kQuery:
      context_.counters.add(Counter::kKeyQueriesFailed);
      context_.output.keys.push_back({.auth_key_id = call.key, .unanswered = true});
      break;
    case CallKind::kStore:
      context_.counters.add(Counter::kShardErrors);
      context_.output.stores.push_back({call.cookie, StoreAnswer::kRefused});
      break;
    case CallKind::kProbe:
      break;
    case CallKind::kMessage:
      context_.output.call_replies.push_back({call.cookie, kStatusUnavailable, "no answer"});
      break;
    case CallKind::kHttp:
      context_.output.http.push_back({.cookie = call.cookie});
      break;
  }
}

void ShardLink::hand_back(Call& call) {
  if (call.kind == CallKind::kQuery) {
    context_.output.keys.push_back(
        {.auth_key_id = call.key, .unanswered = true, .ask_again = true});
  } else {
    context_.output.http.push_back({.cookie = call.cookie,
                                    .ask_again = std::move(call.request),
                                    .perm_auth_key_id = call.key});
  }
}

// Whether the node that is named can be asked is not for a link to know.
void ShardLink::redirect_http(Call& call, std::string_view text) {
  context_.output.http.push_back({.cookie = call.cookie,
                                  .answer = HttpAnswer::kRefused,
                                  .ask_again = std::move(call.request),
                                  .redirected = true,
                                  .redirect = std::string(redirect_target(text)),
                                  .perm_auth_key_id = call.key});
}

// Another shard may answer what this one has not.
void ShardLink::hand_back_calls() {
  for (auto at = calls_.begin(); at != calls_.end();) {
    Call& call = at->second;
    const bool asks = call.kind == CallKind::kQuery || call.kind == CallKind::kHttp;
    if (!asks || call.again) {
      ++at;
      continue;
    }
    channel_->cancel_call(at->first);
    hand_back(call);
    forget(call, at->first);
    at = calls_.erase(at);
  }
}

void ShardLink::fail_calls() {
  for (auto& [id, call] : calls_) fail(call);
  calls_.clear();
  call_deadlines_.clear();
  http_calls_ = 0;
}

void ShardLink::fail_late_calls(Now now) {
  bool probe_failed = false;
  while (!call_deadlines_.empty() && call_deadlines_.begin()->first <= now.mono_ns) {
    const uint64_t id = call_deadlines_.begin()->second;
    Call call = std::move(calls_.at(id));
    forget(call, id);
    calls_.erase(id);
    if (call.kind != CallKind::kHttp) health_.call_failed(now);
    probe_failed |= call.kind == CallKind::kProbe;
    fail(call);
  }
  if (probe_failed) on_probe_reply(kStatusDeadlineExceeded, now);
}

}  // namespace ringway::cluster
