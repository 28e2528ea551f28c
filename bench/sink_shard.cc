#include "sink_shard.h"

#include <cstring>
#include <utility>

#include "base/limits.h"
#include "cluster/grpc_framing.h"
#include "cluster/proto_wire.h"
#include "session.pb.h"
#include "shard/key_record.h"

namespace ringway::bench {
namespace {

using cluster::bytes_field_size;
using cluster::int_field_size;
using cluster::message_field_size;
using cluster::ProtoField;
using cluster::ProtoReader;
using cluster::ProtoWriter;

constexpr SinkStatus kGood{};
constexpr SinkStatus kInvalidArgument{3, "the message does not decode"};
constexpr SinkStatus kUnordered{9, "items are out of sequence"};
constexpr SinkStatus kGreeting{3, "a hello belongs in the first message, and only there"};
constexpr SinkStatus kUnregistered{401, "AUTH_KEY_UNREGISTERED"};

constexpr int32_t kConnTypeNew = 1;
constexpr int32_t kBoolTrue = -1720552011;
constexpr int32_t kBoolFalse = -1132882121;

constexpr std::string_view kQueryAuthKey = "/session.RPCSession/session_queryAuthKey";
constexpr std::string_view kSetAuthKey = "/session.RPCSession/session_setAuthKey";
constexpr std::string_view kCreateSession = "/session.RPCSession/session_createSession";
constexpr std::string_view kCloseSession = "/session.RPCSession/session_closeSession";

static_assert((kShardPushesTrackedMax & (kShardPushesTrackedMax - 1)) == 0);

shard::ServiceOptions load_methods() {
  shard::ServiceOptions options;
  options.push_echo = options.load_tally = true;
  return options;
}

void append(const google::protobuf::MessageLite& message, Bytes& out) {
  const size_t before = out.size();
  out.resize(before + message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(out.data() + before);
}

template <typename Message>
bool parse(ByteView bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

void append_bool(bool value, Bytes& out) {
  ::mtproto::Bool answer;
  answer.set_predicate_name(value ? "boolTrue" : "boolFalse");
  answer.set_constructor(value ? kBoolTrue : kBoolFalse);
  append(answer, out);
}

Result<SinkMessage> decode_data(ByteView bytes) {
  SinkMessage message;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    switch (field.number) {
      case 4:
        message.conn_type = field.as_int32();
        break;
      case 5:
        message.auth_key_id = field.as_int64();
        break;
      case 7:
        message.perm_auth_key_id = field.as_int64();
        break;
      case 8:
        message.session_id = field.as_int64();
        break;
      case 11:
        message.salt = field.as_int64();
        break;
      case 12:
        message.payload = field.bytes;
        break;
      default:
        break;
    }
  }
  return message;
}

}  // namespace

// --- SinkShard

SinkShard::SinkShard() : service_(load_methods(), keys_.get()) {}

bool SinkShard::serves(std::string_view path) noexcept {
  return path == kQueryAuthKey || path == kSetAuthKey || path == kCreateSession ||
         path == kCloseSession;
}

SinkStatus SinkShard::call(std::string_view path, ByteView request, Now now, Bytes& answer) {
  if (path == kQueryAuthKey) return query_auth_key(request, now, answer);
  if (path == kSetAuthKey) return set_auth_key(request, now, answer);
  if (path == kCloseSession) {
    session::TL_session_closeSession close_request;
    if (!parse(request, close_request)) return kInvalidArgument;
    close(close_request.client().auth_key_id(), close_request.client().session_id());
  } else if (path != kCreateSession) {  // the first message makes the session
    return kSinkUnimplemented;
  }
  append_bool(true, answer);
  return kGood;
}

SinkStatus SinkShard::query_auth_key(ByteView request, Now now, Bytes& answer) {
  session::TL_session_queryAuthKey query;
  if (!parse(request, query)) return kInvalidArgument;
  const auto record = keys_->find(query.auth_key_id(), now.unix_seconds());
  if (!record.ok()) return kUnregistered;
  ::mtproto::AuthKeyInfo info;
  info.set_auth_key_id(record->auth_key_id);
  info.set_auth_key(record->auth_key.data(), record->auth_key.size());
  info.set_auth_key_type(record->auth_key_type);
  info.set_perm_auth_key_id(record->perm_auth_key_id);
  info.set_temp_auth_key_id(record->temp_auth_key_id);
  info.set_media_temp_auth_key_id(record->media_temp_auth_key_id);
  append(info, answer);
  return kGood;
}

SinkStatus SinkShard::set_auth_key(ByteView request, Now now, Bytes& answer) {
  session::TL_session_setAuthKey set;
  if (!parse(request, set)) return kInvalidArgument;
  bool stored = false;
  const auto record = shard::key_record(set, now.unix_seconds());
  if (record.has_value() && keys_stored_ < kSinkKeysMax) {
    keys_->insert(*record, [&stored](bool done) { stored = done; });  // before it returns
    if (stored) ++keys_stored_;
  }
  append_bool(stored, answer);
  return kGood;
}

SinkStatus SinkShard::take(const SinkMessage& message, Now now) {
  const SinkStatus status = serve(message, now);
  if (status.ok()) {
    ++stats_.messages;
    stats_.answers += outbox_.payload_count();
  } else {
    ++stats_.refused;
  }
  return status;
}

SinkStatus SinkShard::serve(const SinkMessage& message, Now now) {
  const bool is_new = message.conn_type == kConnTypeNew;
  if (is_new && message.perm_auth_key_id != message.auth_key_id &&
      !keys_->find(message.perm_auth_key_id, now.unix_seconds()).ok()) {
    return kUnregistered;
  }
  const shard::Arrival arrival{message.salt, is_new, message.payload};
  bool served = false;
  const auto found =
      table_.visit(message.auth_key_id, message.session_id, now.unix_seconds(),
                   [&](shard::KeyState& key, shard::Session& session) {
                     auto done = service_.serve(key, session, arrival, now, outbox_);
                     served = done.ok();
                     return served ? std::move(done->destroyed_sessions) : std::vector<int64_t>();
                   });
  if (!found.ok()) return kUnregistered;
  return served ? kGood : SinkStatus{3, "PAYLOAD_MALFORMED"};
}

void SinkShard::push_failed(int64_t auth_key_id, int64_t session_id) {
  table_.visit_known(auth_key_id, session_id,
                     [](shard::KeyState&, shard::Session& session) { session.undelivered = true; });
}

void SinkShard::close(int64_t auth_key_id, int64_t session_id) {
  table_.visit_known(auth_key_id, session_id, [](shard::KeyState&, shard::Session& session) {
    session.undelivered = !session.unacked.empty();
  });
}

// --- SinkLink

SinkLink::SinkLink(SinkShard& shard) : shard_(shard), sent_(kShardPushesTrackedMax) {
  const size_t welcome = int_field_size(1, kBatchMessagesMax);
  ProtoWriter out(room(message_field_size(1, welcome)));
  out.message_header(1, welcome);
  out.int_field(1, kBatchMessagesMax);
  end_message();
}

SinkLink::~SinkLink() {
  for (const SentPush& push : sent_) {
    if (!push.answered) shard_.push_failed(push.auth_key_id, push.session_id);
  }
}

SinkStatus SinkLink::take(ByteView up, Now now) {
  bool hello = false;
  bool first_checked = false;
  ProtoReader in(up);
  while (!in.done()) {
    const auto field = in.next();
    if (!field.ok()) return kInvalidArgument;
    if (field->is_bytes(1)) {
      hello = true;
    } else if (field->is_number(2)) {
      first_checked = field->value == next_sequence_;
    } else if (field->is_bytes(3)) {
      // Every protobuf library writes the number of the first item before the items.
      if (!first_checked) return kUnordered;
      if (SinkStatus status = take_item(field->bytes, now); !status.ok()) return status;
    } else if (field->is_bytes(4)) {
      if (!take_push_result(field->bytes).ok()) return kInvalidArgument;
    }
  }
  if (hello == greeted_) return kGreeting;
  greeted_ = true;
  return kGood;
}

SinkStatus SinkLink::take_item(ByteView item, Now now) {
  const uint64_t sequence = next_sequence_++;
  ProtoReader in(item);
  while (!in.done()) {
    const auto field = in.next();
    if (!field.ok()) return kInvalidArgument;
    if (field->is_bytes(1)) take_data(field->bytes, sequence, now);
    if (field->is_bytes(2) && !take_close(field->bytes).ok()) return kInvalidArgument;
  }
  return kGood;
}

void SinkLink::take_data(ByteView data, uint64_t sequence, Now now) {
  const auto message = decode_data(data);
  const SinkStatus status = message.ok() ? shard_.take(*message, now) : kInvalidArgument;
  if (!status.ok()) {
    add_refusal(sequence, status);
    return;
  }
  const shard::Outbox& answers = shard_.outbox();
  for (size_t i = 0; i < answers.payload_count(); ++i) {
    add_push(message->auth_key_id, message->session_id, answers.payload(i));
  }
}

Result<void> SinkLink::take_close(ByteView event) {
  RW_TRY_ASSIGN(const SinkMessage fields, decode_data(event));  // they have the same numbers
  shard_.close(fields.auth_key_id, fields.session_id);
  return {};
}

Result<void> SinkLink::take_push_result(ByteView result) {
  uint64_t push_id = 0;
  bool delivered = false;
  ProtoReader in(result);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) push_id = field.value;
    if (field.is_number(2)) delivered = field.value != 0;
  }
  if (push_id >= next_push_id_ || next_push_id_ - push_id > sent_.size()) return {};
  SentPush& push = sent(push_id);
  if (!push.answered && !delivered) shard_.push_failed(push.auth_key_id, push.session_id);
  push.answered = true;
  return {};
}

SinkLink::SentPush& SinkLink::sent(uint64_t push_id) noexcept {
  return sent_[push_id & (kShardPushesTrackedMax - 1)];
}

void SinkLink::add_push(int64_t auth_key_id, int64_t session_id, ByteView payload) {
  const uint64_t push_id = next_push_id_++;
  const size_t size = int_field_size(1, static_cast<int64_t>(push_id)) +
                      int_field_size(2, auth_key_id) + int_field_size(3, session_id) +
                      bytes_field_size(4, payload.size());
  ProtoWriter out(room(message_field_size(4, size)));
  out.message_header(4, size);
  out.int_field(1, static_cast<int64_t>(push_id));
  out.int_field(2, auth_key_id);
  out.int_field(3, session_id);
  out.bytes_field(4, payload);
  sent(push_id) = {auth_key_id, session_id, false};
}

void SinkLink::add_refusal(uint64_t sequence, const SinkStatus& status) {
  const size_t size = int_field_size(1, static_cast<int64_t>(sequence)) +
                      int_field_size(2, status.code) + bytes_field_size(3, status.text.size());
  ProtoWriter out(room(message_field_size(3, size)));
  out.message_header(3, size);
  out.int_field(1, static_cast<int64_t>(sequence));
  out.int_field(2, status.code);
  out.text_field(3, status.text);
}

void SinkLink::flush() {
  const uint64_t taken = next_sequence_ - 1;
  if (taken != acknowledged_) {
    acknowledged_ = taken;
    const size_t size = int_field_size(2, static_cast<int64_t>(taken));
    ProtoWriter(room(size)).int_field(2, static_cast<int64_t>(taken));
  }
  end_message();
}

// The next field of a LinkDown, in a message that has room for it.
ByteSpan SinkLink::room(size_t bytes) {
  const bool full = message_open_ && (message_fields_ >= kBatchMessagesMax ||
                                      out_.size() - message_start_ + bytes > kBatchBytesMax);
  if (full) end_message();
  if (!message_open_) {
    message_open_ = true;
    message_fields_ = 0;
    message_start_ = out_.size();
    out_.resize(out_.size() + cluster::kGrpcPrefixBytes);  // the prefix: see end_message()
  }
  ++message_fields_;
  out_.resize(out_.size() + bytes);
  return ByteSpan(out_).last(bytes);
}

void SinkLink::end_message() {
  if (!message_open_) return;
  message_open_ = false;
  const auto size = out_.size() - message_start_ - cluster::kGrpcPrefixBytes;
  uint8_t* prefix = out_.data() + message_start_;
  prefix[0] = 0;
  for (size_t i = 0; i < 4; ++i) prefix[1 + i] = static_cast<uint8_t>(size >> (24 - 8 * i));
}

}  // namespace ringway::bench
