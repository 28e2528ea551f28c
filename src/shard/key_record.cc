#include "shard/key_record.h"

#include <cstring>

#include "base/bytes.h"

namespace ringway::shard {

std::optional<KeyRecord> key_record(const session::TL_session_setAuthKey& request,
                                    int64_t unix_seconds) {
  const auto& info = request.auth_key();
  const ByteView auth_key = as_bytes(info.auth_key());
  KeyRecord record;
  if (auth_key.size() != record.auth_key.size() || info.auth_key_id() == 0) return std::nullopt;
  record.auth_key_id = info.auth_key_id();
  record.auth_key_type = info.auth_key_type();
  record.perm_auth_key_id = info.perm_auth_key_id();
  record.temp_auth_key_id = info.temp_auth_key_id();
  record.media_temp_auth_key_id = info.media_temp_auth_key_id();
  if (record.auth_key_type != 0 && request.expires_in() > 0) {
    record.expires_at = unix_seconds + request.expires_in();
  }
  if (request.has_future_salt()) {
    const auto& salt = request.future_salt();
    record.first_salt = {salt.valid_since(), salt.valid_until(), salt.salt()};
  }
  std::memcpy(record.auth_key.data(), auth_key.data(), auth_key.size());
  return record;
}

}  // namespace ringway::shard
