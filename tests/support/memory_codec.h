// What the shards in memory read and write: protobuf by hand, of messages that are well-formed.
#pragma once

#include <algorithm>
#include <string_view>

#include "cluster/proto_wire.h"
#include "cluster/session_codec.h"
#include "support/memory_transport.h"

namespace ringway::cluster {

// The fields of a message, visited; a shard in a test is only ever given well-formed bytes.
template <typename Visit>
void for_each_field(ByteView bytes, Visit&& visit) {
  ProtoReader in(bytes);
  while (!in.done()) {
    const Result<ProtoField> field = in.next();
    RW_ASSERT(field.ok());
    visit(*field);
  }
}

inline ShardMessage parse_client(ByteView bytes, bool close, const char* wire) {
  ShardMessage m;
  m.close = close;
  m.wire = wire;
  for_each_field(bytes, [&](const ProtoField& f) {
    switch (f.number) {
      case 3:
        m.server_id = as_text(f.bytes);
        break;
      case 4:
        m.conn_type = f.as_int32();
        break;
      case 5:
        m.auth_key_id = f.as_int64();
        break;
      case 6:
        m.key_type = f.as_int32();
        break;
      case 7:
        m.perm_auth_key_id = f.as_int64();
        break;
      case 8:
        m.session_id = f.as_int64();
        break;
      case 9:
        m.client_ip = as_text(f.bytes);
        break;
      case 10:
        m.quick_ack = f.value != 0;
        break;
      case 11:
        m.salt = f.as_int64();
        break;
      case 12:
        m.payload.assign(f.bytes.begin(), f.bytes.end());
        break;
      default:
        break;
    }
  });
  return m;
}

// Field 3 of a unary request or of a stream request's arm.
inline ShardMessage parse_wrapped(ByteView bytes, bool close, const char* wire) {
  ByteView body;
  for_each_field(bytes, [&](const ProtoField& f) {
    if (f.is_bytes(3)) body = f.bytes;
  });
  return parse_client(body, close, wire);
}

inline StoredKey parse_set_auth_key(ByteView bytes) {
  StoredKey stored;
  for_each_field(bytes, [&](const ProtoField& f) {
    if (f.is_bytes(3)) {
      Result<AuthKeyRecord> record = decode_auth_key_info(f.bytes);
      RW_ASSERT(record.ok());
      stored.record = *record;
    }
    if (f.is_bytes(4)) {
      for_each_field(f.bytes, [&](const ProtoField& s) {
        if (s.is_number(5)) stored.salt = s.as_int64();
      });
    }
    if (f.is_number(5)) stored.expires_in = f.as_int32();
  });
  return stored;
}

// Appends fields to a growing buffer; sizes are of no concern here.
class Builder {
 public:
  Builder& number(uint32_t field, int64_t value) {
    const size_t at = grow(int_field_size(field, value));
    ProtoWriter(ByteSpan(bytes_).subspan(at)).int_field(field, value);
    return *this;
  }
  Builder& bytes(uint32_t field, ByteView value) {
    const size_t at = grow(message_field_size(field, value.size()));
    ProtoWriter out(ByteSpan(bytes_).subspan(at));
    out.message_header(field, value.size());
    std::copy(value.begin(), value.end(),
              bytes_.begin() + static_cast<ptrdiff_t>(at + out.position()));
    return *this;
  }
  Builder& text(uint32_t field, std::string_view value) { return bytes(field, as_bytes(value)); }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  size_t grow(size_t size) {
    bytes_.resize(bytes_.size() + size);
    return bytes_.size() - size;
  }
  Bytes bytes_;
};

inline Bytes encode_bool(bool value) {
  return Builder().text(1, value ? "boolTrue" : "boolFalse").take();
}

inline Bytes encode_key(const AuthKeyRecord& record) {
  return Builder()
      .number(3, record.auth_key_id)
      .bytes(4, record.key.view())
      .number(5, record.key_type)
      .number(6, record.perm_auth_key_id)
      .take();
}

}  // namespace ringway::cluster
