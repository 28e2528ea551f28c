#include "cluster/link_codec.h"

namespace ringway::cluster {
namespace {

constexpr uint32_t kUpHello = 1;
constexpr uint32_t kUpFirstSequence = 2;
constexpr uint32_t kUpItems = 3;
constexpr uint32_t kUpPushResults = 4;

uint32_t body_field(ItemKind kind) noexcept { return kind == ItemKind::kData ? 1 : 2; }

size_t answer_size(const PushAnswer& answer) noexcept {
  return int_field_size(1, static_cast<int64_t>(answer.push_id)) +
         int_field_size(2, answer.delivered);
}

Result<void> decode_welcome(ByteView bytes, LinkDown& out) {
  out.welcome = true;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) out.items_max = static_cast<uint32_t>(field.value);
  }
  return {};
}

Result<void> decode_refusal(ByteView bytes, LinkDown& out) {
  LinkDown::Refusal refusal;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) refusal.sequence = field.value;
    if (field.is_number(2)) refusal.code = field.as_int32();
    if (field.is_bytes(3)) refusal.message = as_text(field.bytes);
  }
  out.refusals.push_back(refusal);
  return {};
}

Result<void> decode_push(ByteView bytes, LinkDown& out) {
  LinkDown::Push push;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) push.push_id = field.value;
    if (field.is_number(2)) push.auth_key_id = field.as_int64();
    if (field.is_number(3)) push.session_id = field.as_int64();
    if (field.is_bytes(4)) push.payload = field.bytes;
  }
  out.pushes.push_back(push);
  return {};
}

}  // namespace

ItemSizes item_sizes(ItemKind kind, size_t body_size) noexcept {
  const size_t inner = message_field_size(body_field(kind), body_size);
  const size_t total = message_field_size(kUpItems, inner);
  return {total - body_size, total};
}

void write_item_head(ProtoWriter& out, ItemKind kind, size_t body_size) noexcept {
  out.message_header(kUpItems, message_field_size(body_field(kind), body_size));
  out.message_header(body_field(kind), body_size);
}

Bytes encode_hello(std::string_view server_id, uint32_t worker) {
  const size_t inner = bytes_field_size(1, server_id.size()) + int_field_size(2, worker);
  Bytes bytes(message_field_size(kUpHello, inner));
  ProtoWriter out(bytes);
  out.message_header(kUpHello, inner);
  out.text_field(1, server_id);
  out.int_field(2, worker);
  return bytes;
}

size_t link_up_head_size(uint64_t first_sequence, std::span<const PushAnswer> answers) noexcept {
  size_t size = int_field_size(kUpFirstSequence, static_cast<int64_t>(first_sequence));
  for (const PushAnswer& answer : answers) {
    size += message_field_size(kUpPushResults, answer_size(answer));
  }
  return size;
}

void write_link_up_head(ByteSpan bytes, uint64_t first_sequence,
                        std::span<const PushAnswer> answers) noexcept {
  ProtoWriter out(bytes);
  out.int_field(kUpFirstSequence, static_cast<int64_t>(first_sequence));
  for (const PushAnswer& answer : answers) {
    out.message_header(kUpPushResults, answer_size(answer));
    out.int_field(1, static_cast<int64_t>(answer.push_id));
    out.int_field(2, answer.delivered);
  }
  RW_ASSERT(out.position() == bytes.size());
}

Result<void> decode_link_down(ByteView bytes, LinkDown& out) {
  out.welcome = false;
  out.items_max = 0;
  out.acknowledged = 0;
  out.refusals.clear();
  out.pushes.clear();
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_bytes(1)) RW_TRY(decode_welcome(field.bytes, out));
    if (field.is_number(2)) out.acknowledged = field.value;
    if (field.is_bytes(3)) RW_TRY(decode_refusal(field.bytes, out));
    if (field.is_bytes(4)) RW_TRY(decode_push(field.bytes, out));
  }
  return {};
}

}  // namespace ringway::cluster
