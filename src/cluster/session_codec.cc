#include "cluster/session_codec.h"

#include <cstring>

namespace ringway::cluster {
namespace {

constexpr int64_t kFirstSaltSeconds = 1800;
constexpr uint32_t kHttpRequestClient = 3;

// SessionClientData and SessionClientEvent share fields 3 to 9.
size_t client_fields_size(int32_t conn_type, int64_t auth_key_id, int32_t key_type,
                          int64_t perm_auth_key_id, int64_t session_id, std::string_view client_ip,
                          std::string_view server_id) noexcept {
  return bytes_field_size(3, server_id.size()) + int_field_size(4, conn_type) +
         int_field_size(5, auth_key_id) + int_field_size(6, key_type) +
         int_field_size(7, perm_auth_key_id) + int_field_size(8, session_id) +
         bytes_field_size(9, client_ip.size());
}

void write_client_fields(ProtoWriter& out, int32_t conn_type, int64_t auth_key_id, int32_t key_type,
                         int64_t perm_auth_key_id, int64_t session_id, std::string_view client_ip,
                         std::string_view server_id) noexcept {
  out.text_field(3, server_id);
  out.int_field(4, conn_type);
  out.int_field(5, auth_key_id);
  out.int_field(6, key_type);
  out.int_field(7, perm_auth_key_id);
  out.int_field(8, session_id);
  out.text_field(9, client_ip);
}

// The field of AuthKeyInfo that repeats the id of a key of this type.
uint32_t own_id_field(int32_t key_type) noexcept {
  switch (key_type) {
    case 1:
      return 7;
    case 2:
      return 8;
    default:
      return 6;
  }
}

Result<void> decode_stream_error(ByteView bytes, StreamResponse& response) {
  response.error = true;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) response.code = field.as_int32();
    if (field.is_bytes(2)) response.message = as_text(field.bytes);
  }
  return {};
}

Result<void> decode_stream_ack(ByteView bytes, StreamResponse& response) {
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(1)) response.success = field.value != 0;
  }
  return {};
}

}  // namespace

size_t client_data_size(const ClientMessage& m, std::string_view server_id) noexcept {
  return client_fields_size(m.conn_type, m.auth_key_id, m.key_type, m.perm_auth_key_id,
                            m.session_id, m.client_ip, server_id) +
         int_field_size(10, m.quick_ack ? 1 : 0) + int_field_size(11, m.salt) +
         bytes_field_size(12, m.payload.size());
}

void write_client_data(ProtoWriter& out, const ClientMessage& m,
                       std::string_view server_id) noexcept {
  write_client_fields(out, m.conn_type, m.auth_key_id, m.key_type, m.perm_auth_key_id, m.session_id,
                      m.client_ip, server_id);
  out.int_field(10, m.quick_ack ? 1 : 0);
  out.int_field(11, m.salt);
  out.bytes_field(12, m.payload);
}

size_t client_event_size(const SessionClose& c, std::string_view server_id) noexcept {
  return client_fields_size(0, c.auth_key_id, c.key_type, c.perm_auth_key_id, c.session_id,
                            c.client_ip, server_id);
}

void write_client_event(ProtoWriter& out, const SessionClose& c,
                        std::string_view server_id) noexcept {
  write_client_fields(out, 0, c.auth_key_id, c.key_type, c.perm_auth_key_id, c.session_id,
                      c.client_ip, server_id);
}

WireMessage encode_send_http(const ClientMessage& message, std::string_view server_id) {
  const size_t body = client_data_size(message, server_id);
  Bytes bytes(message_field_size(kHttpRequestClient, body));
  ProtoWriter out(bytes);
  out.message_header(kHttpRequestClient, body);
  write_client_data(out, message, server_id);
  RW_ASSERT(out.position() == bytes.size());
  return make_wire_message(bytes);
}

WireMessage encode_query_auth_key(int64_t auth_key_id) {
  Bytes bytes(int_field_size(3, auth_key_id));
  ProtoWriter out(bytes);
  out.int_field(3, auth_key_id);
  return make_wire_message(bytes);
}

WireMessage encode_set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in,
                                Now now) {
  const uint32_t own_field = own_id_field(record.key_type);
  const int64_t valid_since = now.unix_seconds();
  const int64_t valid_until = valid_since + kFirstSaltSeconds;
  const size_t key_size =
      int_field_size(3, record.auth_key_id) + bytes_field_size(4, AuthKeyBytes::size()) +
      int_field_size(5, record.key_type) + int_field_size(own_field, record.auth_key_id);
  const size_t salt_size =
      int_field_size(3, valid_since) + int_field_size(4, valid_until) + int_field_size(5, salt);
  const size_t size = message_field_size(3, key_size) + message_field_size(4, salt_size) +
                      int_field_size(5, expires_in);

  ChunkRef chunk = ChunkRef::make(size, /*secret=*/true);
  ProtoWriter out({chunk->data(), size});
  out.message_header(3, key_size);
  out.int_field(3, record.auth_key_id);
  out.bytes_field(4, record.key.view());
  out.int_field(5, record.key_type);
  out.int_field(own_field, record.auth_key_id);
  out.message_header(4, salt_size);
  out.int_field(3, valid_since);
  out.int_field(4, valid_until);
  out.int_field(5, salt);
  out.int_field(5, expires_in);
  RW_ASSERT(out.position() == size);
  const uint8_t* data = chunk->data();
  WireMessage message;
  message.push_back({std::move(chunk), data, size});
  return message;
}

Result<AuthKeyRecord> decode_auth_key_info(ByteView bytes) {
  AuthKeyRecord record;
  ByteView key;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_number(3)) record.auth_key_id = field.as_int64();
    if (field.is_bytes(4)) key = field.bytes;
    if (field.is_number(5)) record.key_type = field.as_int32();
    if (field.is_number(6)) record.perm_auth_key_id = field.as_int64();
  }
  if (key.size() != AuthKeyBytes::size()) return Error::kBadLength;
  if (record.key_type < 0 || record.key_type > 2) return Error::kMalformed;
  std::memcpy(record.key.data(), key.data(), key.size());
  if (record.key_type == 0) record.perm_auth_key_id = record.auth_key_id;
  return record;
}

Result<bool> decode_bool(ByteView bytes) {
  bool truth = false;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_bytes(1)) truth = as_text(field.bytes) == "boolTrue";
  }
  return truth;
}

Result<StreamResponse> decode_stream_response(ByteView bytes) {
  StreamResponse response;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_bytes(1)) response.request_id = as_text(field.bytes);
    if (field.is_bytes(10)) RW_TRY(decode_stream_ack(field.bytes, response));
    if (field.is_bytes(11)) RW_TRY(decode_stream_error(field.bytes, response));
  }
  return response;
}

Result<ByteView> decode_http_session_data(ByteView bytes) {
  ByteView payload;
  ProtoReader in(bytes);
  while (!in.done()) {
    RW_TRY_ASSIGN(const ProtoField field, in.next());
    if (field.is_bytes(3)) payload = field.bytes;
  }
  return payload;
}

}  // namespace ringway::cluster
