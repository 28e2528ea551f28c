#include "shard/messenger/records.h"

namespace ringway::shard::messenger {
namespace {

constexpr uint8_t kFormat = 1;

// Big-endian, so that the file's order is that of the numbers.
template <typename T>
void put_sorted(ByteAppender& out, T number) {
  for (size_t i = sizeof(T); i-- > 0;) out.u8(static_cast<uint8_t>(number >> (8 * i)));
}

template <typename T>
Result<T> read_sorted(ByteReader& in) {
  RW_TRY_ASSIGN(const ByteView raw, in.bytes(sizeof(T)));
  T number = 0;
  for (const uint8_t byte : raw) number = static_cast<T>(number << 8 | byte);
  return number;
}

void put_text(ByteAppender& out, std::string_view text) {
  out.u32(static_cast<uint32_t>(text.size()));
  out.bytes(as_bytes(text));
}

Result<std::string> read_text(ByteReader& in) {
  RW_TRY_ASSIGN(const uint32_t size, in.u32());
  RW_TRY_ASSIGN(const ByteView text, in.bytes(size));
  return std::string(as_text(text));
}

Result<void> read_format(ByteReader& in) {
  RW_TRY_ASSIGN(const uint8_t format, in.u8());
  if (format != kFormat) return Error::kMalformed;
  return {};
}

Result<Password> read_password(ByteReader& in) {
  Password password;
  RW_TRY(in.copy_to(password.first_salt));
  RW_TRY(in.copy_to(password.second_salt));
  RW_TRY(in.copy_to(password.verifier));
  return password;
}

Bytes table_key(Table table, int64_t id) {
  Bytes key;
  ByteAppender out(key);
  out.u8(static_cast<uint8_t>(table));
  put_sorted(out, static_cast<uint64_t>(id));
  return key;
}

}  // namespace

Bytes user_key(int64_t user_id) { return table_key(Table::kUsers, user_id); }

Bytes message_key(int64_t user_id, int32_t message_id) {
  Bytes key = table_key(Table::kMessages, user_id);
  ByteAppender out(key);
  put_sorted(out, static_cast<uint32_t>(message_id));
  return key;
}

Bytes authorization_key(int64_t auth_key_id) {
  return table_key(Table::kAuthorizations, auth_key_id);
}

Result<RecordKey> read_key(ByteView key) {
  ByteReader in(key);
  RecordKey record;
  RW_TRY_ASSIGN(const uint8_t table, in.u8());
  record.table = static_cast<Table>(table);
  if (record.table != Table::kUsers && record.table != Table::kMessages &&
      record.table != Table::kAuthorizations) {
    return Error::kMalformed;
  }
  RW_TRY_ASSIGN(const uint64_t id, read_sorted<uint64_t>(in));
  record.id = static_cast<int64_t>(id);
  if (record.table == Table::kMessages) {
    RW_TRY_ASSIGN(const uint32_t message_id, read_sorted<uint32_t>(in));
    record.message_id = static_cast<int32_t>(message_id);
  }
  if (!in.empty()) return Error::kTrailing;
  return record;
}

Bytes encode(const User& user) {
  Bytes value;
  ByteAppender out(value);
  out.u8(kFormat);
  out.i64(user.access_hash);
  out.i32(user.pts);
  out.i32(user.last_message_id);
  put_text(out, user.phone);
  put_text(out, user.first_name);
  put_text(out, user.last_name);
  put_text(out, user.username);
  out.u8(user.password.has_value() ? 1 : 0);
  if (user.password.has_value()) {
    out.bytes(user.password->first_salt);
    out.bytes(user.password->second_salt);
    out.bytes(user.password->verifier);
  }
  return value;
}

Bytes encode(const Message& message) {
  Bytes value;
  ByteAppender out(value);
  out.u8(kFormat);
  out.i32(message.pts);
  out.i32(message.date);
  out.u8(message.out ? 1 : 0);
  out.i64(message.peer);
  out.i64(message.random_id);
  put_text(out, message.text);
  return value;
}

Bytes encode(const Authorization& authorization) {
  Bytes value;
  ByteAppender out(value);
  out.u8(kFormat);
  out.i64(authorization.user_id);
  out.i32(authorization.layer);
  return value;
}

Result<User> decode_user(const RecordKey& key, ByteView value) {
  ByteReader in(value);
  User user;
  user.id = key.id;
  RW_TRY(read_format(in));
  RW_TRY_ASSIGN(user.access_hash, in.i64());
  RW_TRY_ASSIGN(user.pts, in.i32());
  RW_TRY_ASSIGN(user.last_message_id, in.i32());
  RW_TRY_ASSIGN(user.phone, read_text(in));
  RW_TRY_ASSIGN(user.first_name, read_text(in));
  RW_TRY_ASSIGN(user.last_name, read_text(in));
  RW_TRY_ASSIGN(user.username, read_text(in));
  RW_TRY_ASSIGN(const uint8_t has_password, in.u8());
  if (has_password != 0) {
    RW_TRY_ASSIGN(user.password, read_password(in));
  }
  if (!in.empty()) return Error::kTrailing;
  return user;
}

Result<Message> decode_message(const RecordKey& key, ByteView value) {
  ByteReader in(value);
  Message message;
  message.id = key.message_id;
  RW_TRY(read_format(in));
  RW_TRY_ASSIGN(message.pts, in.i32());
  RW_TRY_ASSIGN(message.date, in.i32());
  RW_TRY_ASSIGN(const uint8_t sent, in.u8());
  message.out = sent != 0;
  RW_TRY_ASSIGN(message.peer, in.i64());
  RW_TRY_ASSIGN(message.random_id, in.i64());
  RW_TRY_ASSIGN(message.text, read_text(in));
  if (!in.empty()) return Error::kTrailing;
  return message;
}

Result<Authorization> decode_authorization(ByteView value) {
  ByteReader in(value);
  Authorization authorization;
  RW_TRY(read_format(in));
  RW_TRY_ASSIGN(authorization.user_id, in.i64());
  RW_TRY_ASSIGN(authorization.layer, in.i32());
  if (!in.empty()) return Error::kTrailing;
  return authorization;
}

}  // namespace ringway::shard::messenger
